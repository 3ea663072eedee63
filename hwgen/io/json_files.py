"""In: a JSON file that may be anybody's. Out: its fields in the types that they should have.

An error names the file, the place in it and what to do; it is one of hwgen's, whatever is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hwgen.errors import HwgenError, InputError
from hwgen.io import os_errors
from hwgen.io.files import write_text


@contextmanager
def reading(
    file: Path, what: str, remedy: str = "", *, raising: type[HwgenError] = InputError
) -> Iterator[None]:
    """What fails within for the file's sake is told as such.

    Args:
        file: that is read.
        what: it should be: "a benchmark".
        remedy: what the user can do.
        raising: the kind of error.

    Raises:
        HwgenError: of that kind, for an OSError, ValueError or InputError.
    """
    try:
        yield
    except (OSError, ValueError, InputError) as error:
        raise raising(
            f"is not {what} this hwgen can read ({os_errors.reason(error)})",
            where=str(file),
            remedy=os_errors.remedy(error, otherwise=remedy),
        ) from None


def read_object(file: Path, format: str = "", version: int = 1) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        file: see `hwgen.io.json_files.read_json`.
        format: what its "format" must be, with "format_version"; "" where it has none.
        version: see there.

    Raises:
        ValueError: it is not JSON, no object, or of another format.
        OSError: it cannot be read.
    """
    plain = read_json(file)
    if not isinstance(plain, dict):
        raise ValueError(f"an object is expected, found {plain!r:.60}")
    found = (plain.get("format"), plain.get("format_version"))
    if format and found != (format, version):
        raise ValueError(f"format {found[0]!r:.60} version {found[1]!r:.60}")
    return plain


MAX_JSON_BYTES = 256 << 20
"""More than the manifest of any store or run: 27,000 classes take one MB."""


def read_json(path: Path, most_bytes: int = MAX_JSON_BYTES) -> Any:
    """The value in a JSON file, which may be anybody's.

    Raises:
        ValueError: it is larger than that, not UTF-8, not JSON, or nested too deeply.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if size > most_bytes:
        raise ValueError(f"{size:,} bytes are more than the {most_bytes:,} that are read")
    return parse_json(path.read_text(encoding="utf-8"))


def parse_json(text: str) -> Any:
    """The value of a JSON text, which may be anybody's.

    Raises:
        ValueError: it is not JSON, nested too deeply, or holds what would fail only later: a
            number beyond 64 bits, or a text that UTF-8 cannot hold.
    """
    try:
        value = json.loads(text, parse_int=_int)
        _check_depth(value)
        if "\\u" in text:  # an escape, maybe of half a character
            _check_texts(json.dumps(value, ensure_ascii=False))
        return value
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _check_texts(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it has half a character, which UTF-8 cannot hold") from None


MAX_DEPTH = 100
"""Objects and lists within each other: what walks through them calls itself as often."""


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ValueError("nested too deeply")


def _int(digits: str) -> int:
    if len(digits) > 20 or not -(1 << 63) <= int(digits) < 1 << 63:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, UTF-8, readable by eye."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1))
