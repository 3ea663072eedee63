"""Members of zip archives, read in place, with limits, since archives may be untrusted input.

Nothing is ever unpacked to the disk: names of members are text and not used as paths, so `../x`,
`/etc/x` and symbolic links have no effect. Compression bombs are refused by the sizes in the
directory, before anything is read.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO

from hwgen.errors import InputError
from hwgen.io import os_errors
from hwgen.io.encodings import Guess, most_plausible
from hwgen.io.files import repair_utf8
from hwgen.io.ignored import is_hidden, is_ignored
from hwgen.io.zip_names import Member, Names, read_names, undeclared

MAX_RATIO = 1000
"""Maximum compression ratio of a member and of a whole archive above ALWAYS_BYTES. HWDB's archives
have about 3; blank pages reach 1,030, the most that deflate can do."""

ALWAYS_BYTES = 1 << 30
"""Unpacked size that is accepted at any ratio: it is read in seconds, a few MiB at a time."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The decompressors of other methods can return any amount of data for one read."""

_AES = 99
_ENCRYPTED_FLAG = 0x1

# What zipfile raises for damaged archives: names that are not UTF-8, offsets that are too large or
# negative, empty names, truncated extra fields.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    NotImplementedError,
    OSError,
    OverflowError,
    ValueError,
)


def members(path: Path, encoding: str | None = None) -> list[Member]:
    """The files in an archive, sorted by name, without those of `is_ignored`.

    Args:
        path: the archive.
        encoding: codec of names that are not marked as UTF-8; None decides it over all of them.

    Raises:
        InputError: the archive is damaged, encrypted, compressed by another method than deflate,
            unpacks to more than MAX_RATIO times its size, has two members of one name, or one
            that would be longer than the archive; or the encoding of its names is unknown.
    """
    found = [one for one in all_files(path, encoding) if not is_ignored(one.parts)]
    found.sort(key=lambda member: member.name)
    names: set[tuple[str, ...]] = set()
    unpacked, packed = sum(one.info.file_size for one in found), path.stat().st_size
    for member in found:
        _check(member, path)
        if member.info.compress_size > packed:  # zipfile would allocate that much
            reason = f"{member.name} takes {member.info.compress_size:,} of {packed:,} bytes"
            raise unreadable(str(path), ValueError(reason))
        if tuple(member.parts) in names:
            raise InputError(f"contains two files called {member.name}", where=str(path))
        names.add(tuple(member.parts))
    if unpacked > max(ALWAYS_BYTES, MAX_RATIO * packed):
        raise _bomb("", unpacked, packed, path)
    return found


def all_files(path: Path, encoding: str | None = None) -> list[Member]:
    """The files in an archive in its order, unchecked.

    Raises:
        InputError: the archive is damaged, or the encoding of its names is unknown.
    """
    return [one for one in _names(path, encoding).members if not _is_folder(one)]


def folders(path: Path, encoding: str | None = None) -> list[tuple[str, ...]]:
    """The parts of the paths of folders that an archive lists, without those of `is_ignored`.

    Raises:
        InputError: see `all_files`.
    """
    listed = [tuple(one.parts) for one in _names(path, encoding).members if _is_folder(one)]
    return [parts for parts in listed if not is_ignored(parts)]


def encoding_of(path: Path, encoding: str | None = None) -> str:
    """The encoding of the names in an archive, see `Names`.

    Raises:
        InputError: see `all_files`.
    """
    return _names(path, encoding).encoding


def most_plausible_encoding(path: Path) -> Guess:
    """An encoding for an archive whose names give no labels; see `encodings.most_plausible`.

    Raises:
        InputError: the archive is damaged.
    """
    with as_input_error(str(path)):
        return most_plausible(undeclared(_infos(*_version(path))))


def hidden_names(path: Path, encoding: str | None = None) -> list[str]:
    """Names of the files that `members` leaves out, except macOS's resource forks.

    Raises:
        InputError: see `all_files`.
    """
    return [one.name for one in all_files(path, encoding) if one.parts and is_hidden(one.parts)]


@contextmanager
def open_member(path: Path, member: Member, name: str) -> Iterator[IO[bytes]]:
    """A stream of one member's bytes; wrap reads in `as_input_error` too.

    Args:
        path: the archive.
        member: one of its members.
        name: how errors refer to it.

    Raises:
        InputError: the archive is damaged.
    """
    with as_input_error(name):
        stream = _opened(*_version(path)).open(member.info)
    with stream:
        yield stream


def member_heads(
    path: Path, size: int, encoding: str | None = None
) -> Iterator[tuple[Member, bytes]]:
    """Each of `members` with its first `size` bytes.

    Raises:
        InputError: see `members`.
    """
    for member in members(path, encoding):
        with open_member(path, member, str(path)) as stream, as_input_error(str(path)):
            head = stream.read(size)
        yield member, head


def _names(path: Path, encoding: str | None) -> Names:
    with as_input_error(str(path)):
        version = _version(path)
        _opened(*version)
    return _read_names(*version, encoding)


# An archive has a member per image, and Python reads all their names when it opens one. So the last
# archive stays open. Streams that are still read keep an earlier one open too.


def _version(path: Path) -> tuple[Path, int, int, int]:
    """What identifies an archive's present content."""
    state = path.stat()
    return path, state.st_ino, state.st_size, state.st_mtime_ns


@lru_cache(maxsize=1)
def _opened(path: Path, *version: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


@lru_cache(maxsize=1)
def _read_names(path: Path, inode: int, size: int, time: int, encoding: str | None) -> Names:
    return read_names(_infos(path, inode, size, time), where=str(path), encoding=encoding)


def _infos(path: Path, *version: int) -> list[zipfile.ZipInfo]:
    return _opened(path, *version).infolist()


@contextmanager
def as_input_error(name: str) -> Iterator[None]:
    """Turn the errors of a damaged or unreadable file into an InputError that names it."""
    try:
        yield
    except _DAMAGE as error:
        raise unreadable(name, error) from None


def unreadable(name: str, error: Exception) -> InputError:
    """The error for a file that zipfile or the system cannot read."""
    if isinstance(error, OSError):
        return InputError(
            f"cannot be read ({os_errors.reason(error)})",
            where=name,
            remedy=os_errors.remedy(error),
        )
    reason = repair_utf8(str(error)) or type(error).__name__
    return InputError(
        f"the zip is damaged ({reason})",
        where=name,
        remedy="Download it again, or unpack what is left and give the folder: damaged records are "
        "then skipped and reported",
    )


def _is_folder(member: Member) -> bool:
    return member.name.endswith("/")


def _check(member: Member, path: Path) -> None:
    info = member.info
    if info.flag_bits & _ENCRYPTED_FLAG or info.compress_type == _AES:
        raise InputError(
            f"{member.name} is encrypted",
            where=str(path),
            remedy="Unpack it with its password and give the folder",
        )
    if info.compress_type not in _METHODS:
        raise InputError(
            f"{member.name} uses compression method {info.compress_type}; expected deflate",
            where=str(path),
            remedy="Unpack it and give the folder",
        )
    if info.file_size > max(ALWAYS_BYTES, MAX_RATIO * info.compress_size):
        raise _bomb(f"{member.name} ", info.file_size, info.compress_size, path)


def _bomb(what: str, unpacked: int, packed: int, path: Path) -> InputError:
    return InputError(
        f"{what}unpacks from {packed:,} to {unpacked:,} bytes, more than {MAX_RATIO} times as many",
        where=str(path),
        remedy="If you trust it, unpack it and give the folder",
    )
