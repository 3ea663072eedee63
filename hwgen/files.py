"""In: content. Out: a file that is either the old one or the whole new one, whatever happens."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary neighbour to write to; at the end it is synced and takes the file's name.

    Raises:
        OSError: the disk is full, for example; names the file.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # which a failed write does not tell
        raise
    finally:
        temporary.unlink(missing_ok=True)


MOST_JSON_BYTES = 256 << 20
"""More than the manifest of any store or run: 27,000 classes take one MB."""


def read_json(path: Path, most_bytes: int = MOST_JSON_BYTES) -> Any:
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


MOST_DEPTH = 100
"""Objects and lists within each other: what walks through them calls itself as often."""


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MOST_DEPTH):
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


def write_text(path: Path, text: str) -> None:
    """Write a text atomically as UTF-8; what is of a path in it is healed."""
    with replacing(path) as temporary:
        temporary.write_text(healed(text), encoding="utf-8")


def healed(text: str) -> str:
    """A text with paths in it as UTF-8, whatever the locale took the bytes of their names for.

    Python decodes names by the locale and keeps what does not fit as lone surrogates (PEP 383); as
    a rule these are the bytes of UTF-8 in a locale that is not. What is not UTF-8 is replaced.
    """
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def file_name(text: str) -> str:
    """A text as a file's name that the system takes: UTF-8 where the locale cannot hold it."""
    try:
        os.fsencode(text)
        return text
    except UnicodeEncodeError:
        return os.fsdecode(text.encode())
