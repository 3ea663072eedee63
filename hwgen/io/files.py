"""In: content. Out: a file that is either the old one or the whole new one, whatever happens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
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


def write_text(path: Path, text: str) -> None:
    """Write a text atomically as UTF-8; what is of a path in it is healed."""
    with atomic_write(path) as temporary:
        temporary.write_text(repair_utf8(text), encoding="utf-8")


def repair_utf8(text: str) -> str:
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
