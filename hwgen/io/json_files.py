"""JSON files, read with limits on size, depth and numbers, since they may be untrusted input."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hwgen.errors import HwgenError, InputError
from hwgen.io import os_errors
from hwgen.io.files import repair_utf8, write_text
from hwgen.io.paths import suggest_path


@contextmanager
def reading(
    file: Path, what: str, remedy: str = "", *, raising: type[HwgenError] = InputError
) -> Iterator[None]:
    """Turn errors while a file is parsed into one that names the file.

    Args:
        file: the file.
        what: what it should be: "a benchmark".
        remedy: what the user can do.
        raising: the class of the error.

    Raises:
        HwgenError: of the class `raising`, in place of an OSError, ValueError or InputError.
    """
    try:
        yield
    except FileNotFoundError:
        raise raising(
            f"no such file; expected {what}",
            where=str(file),
            remedy=suggest_path(file, otherwise=remedy),
        ) from None
    except (OSError, ValueError, InputError) as error:
        raise raising(
            f"is not {what} this version of hwgen can read ({os_errors.reason(error)})",
            where=str(file),
            remedy=os_errors.remedy(error, otherwise=remedy),
        ) from None


def read_object(file: Path, format: str = "", version: int = 1) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        file: the file.
        format: required value of "format"; "" for no check.
        version: required value of "format_version", if `format` is given.

    Raises:
        ValueError: not JSON, not an object, or another format or version.
        OSError: the file cannot be read.
    """
    plain = read_json(file)
    if not isinstance(plain, dict):
        raise ValueError(f"expected a JSON object, found {plain!r:.60}")
    found = (plain.get("format"), plain.get("format_version"))
    if format and found != (format, version):
        raise ValueError(
            f"expected format {format!r} version {version}, "
            f"found format {found[0]!r:.60} version {found[1]!r:.60}"
        )
    return plain


MAX_JSON_BYTES = 256 << 20
"""Maximum size of a JSON file; the manifest of 27,000 classes takes 1 MB."""

_READ_BYTES = 1 << 20


def read_json(path: Path, max_bytes: int = MAX_JSON_BYTES) -> Any:
    """The value in a JSON file.

    Raises:
        ValueError: the file is larger than `max_bytes`, not UTF-8, or see `parse_json`.
        OSError: the file cannot be read.
    """
    data = bytearray()
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size  # 0 for a pipe
        while size <= max_bytes and (part := file.read(_READ_BYTES)):
            data += part
            size = max(size, len(data))
    if size > max_bytes:
        raise ValueError(f"expected at most {max_bytes:,} bytes, found {size:,}")
    return parse_json(data.decode())


def parse_json(text: str) -> Any:
    """The value of JSON text.

    Raises:
        ValueError: not JSON, nested deeper than MAX_DEPTH, an integer beyond 64 bits, or a string
            that is not valid UTF-8.
    """
    try:
        value = json.loads(text, parse_int=_int)
        _check_depth(value)
        if "\\u" in text:  # only an escape can give a lone surrogate
            _check_texts(json.dumps(value, ensure_ascii=False))
        return value
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _check_texts(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a string has a lone surrogate, which is not valid UTF-8") from None


MAX_DEPTH = 100
"""Maximum depth of objects and lists; functions that walk through them are recursive."""


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
        raise ValueError(f"an integer of {len(digits)} digits is beyond 64 bits")
    return int(digits)


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically, as UTF-8.

    Raises:
        InputError: `read_json` would refuse it, so it is not written.
    """
    text = repair_utf8(json.dumps(value, ensure_ascii=False, indent=1))
    try:
        parse_json(text)
    except ValueError as error:
        raise InputError(f"cannot be written: {error}", where=str(path)) from None
    write_text(path, text)
