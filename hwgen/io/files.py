"""Atomic writing of files, and file names in any locale."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hwgen.io.neighbours import foreign, real_place, remove_temporary, temporary_path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Replace a file by a whole new one or not at all.

    Yields a temporary path in the same folder to write to; on success it is synced to disk and
    renamed, on failure removed. A link is followed: the file that it leads to is replaced.

    Raises:
        OSError: for example, the disk is full, or something other than a file is there; names the
            file.
    """
    path = real_place(path)
    if os.path.lexists(path) and not path.is_file():
        raise foreign(path)  # a folder, or a device such as /dev/null
    temporary = temporary_path(path)
    remove_temporary(temporary)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a failed write does not set it
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text atomically as UTF-8; see `repair_utf8` for paths in it."""
    with atomic_write(path) as temporary:
        temporary.write_text(repair_utf8(text), encoding="utf-8")


def repair_utf8(text: str) -> str:
    """Text that contains paths, as valid UTF-8 in any locale.

    Python decodes file names by the locale and keeps undecodable bytes as lone surrogates (PEP
    383); usually these are UTF-8 in a locale that is not. Bytes that are not UTF-8, and other
    surrogates, are replaced by U+FFFD.
    """
    text = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", text)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def file_name(text: str) -> str:
    """Text as a file name that the system accepts: UTF-8 if the locale cannot encode it."""
    try:
        os.fsencode(text)
        return text
    except UnicodeEncodeError:
        return os.fsdecode(text.encode())
