"""Members of zip archives, read in place, with limits, since archives may be untrusted input.

Nothing is ever unpacked to the disk: names of members are text and not used as paths, so `../x`,
`/etc/x` and symbolic links have no effect. Compression bombs are refused by the sizes in the
directory, before anything is read.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from hwgen.errors import InputError
from hwgen.io import os_errors
from hwgen.io.files import repair_utf8
from hwgen.io.ignored import is_hidden, is_ignored

MAX_RATIO = 1000
"""Maximum compression ratio of a member and of a whole archive above ALWAYS_BYTES. HWDB's archives
have about 3; blank pages reach 1,030, the most that deflate can do."""

ALWAYS_BYTES = 1 << 30
"""Unpacked size that is accepted at any ratio: it is read in seconds, a few MiB at a time."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The decompressors of other methods can return any amount of data for one read."""

_AES = 99
_UTF8_FLAG, _ENCRYPTED_FLAG = 0x800, 0x1

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


def members(path: Path) -> list[zipfile.ZipInfo]:
    """The files in an archive, sorted by name, without those of `is_ignored`.

    Raises:
        InputError: the archive is damaged, encrypted, compressed by another method than deflate,
            unpacks to more than MAX_RATIO times its size, has two members of one name, or one
            that would be longer than the archive.
    """
    with as_input_error(str(path)), zipfile.ZipFile(path) as archive:
        found = [info for info in archive.infolist() if not _is_folder(info)]
    found = [info for info in found if not is_ignored(path_parts(member_name(info)))]
    found.sort(key=lambda info: info.filename)
    names: set[str] = set()
    unpacked, packed = sum(info.file_size for info in found), path.stat().st_size
    for info in found:
        _check(info, path)
        if info.compress_size > packed:  # zipfile would allocate that much
            reason = f"{member_name(info)} takes {info.compress_size:,} of {packed:,} bytes"
            raise unreadable(str(path), ValueError(reason))
        if info.filename in names:
            raise InputError(f"contains two files called {member_name(info)}", where=str(path))
        names.add(info.filename)
    if unpacked > max(ALWAYS_BYTES, MAX_RATIO * packed):
        raise _bomb("", unpacked, packed, path)
    return found


def hidden_names(path: Path) -> list[str]:
    """Names of the files that `members` leaves out, except macOS's resource forks.

    Raises:
        InputError: the archive is damaged.
    """
    with as_input_error(str(path)), zipfile.ZipFile(path) as archive:
        names = [member_name(info) for info in archive.infolist() if not _is_folder(info)]
    return [name for name in names if is_hidden(path_parts(name))]


@contextmanager
def open_member(path: Path, member: str, name: str) -> Iterator[IO[bytes]]:
    """A stream of one member's bytes; wrap reads in `as_input_error` too.

    Args:
        path: the archive.
        member: the member's name, as in ZipInfo.
        name: how errors refer to it.

    Raises:
        InputError: the archive is damaged.
    """
    with as_input_error(name):
        archive = zipfile.ZipFile(path)
    with archive:
        with as_input_error(name):
            stream = archive.open(member)
        with stream:
            yield stream


def member_heads(path: Path, size: int) -> Iterator[tuple[zipfile.ZipInfo, bytes]]:
    """Each of `members` with its first `size` bytes.

    Raises:
        InputError: see `members`.
    """
    found = members(path)
    with as_input_error(str(path)):
        archive = zipfile.ZipFile(path)
    with archive:
        for info in found:
            with as_input_error(str(path)), archive.open(info) as stream:
                head = stream.read(size)
            yield info, head


@contextmanager
def as_input_error(name: str) -> Iterator[None]:
    """Turn the errors of a damaged or unreadable file into an InputError that names it."""
    try:
        yield
    except _DAMAGE as error:
        raise unreadable(name, error) from None


def member_name(info: zipfile.ZipInfo) -> str:
    """A member's name as text.

    zipfile decodes names without the UTF-8 flag as CP437; here they are decoded as UTF-8 or, as
    Chinese systems write them, GB18030, if they are valid.
    """
    if info.flag_bits & _UTF8_FLAG:
        return printable(info.filename)
    for encoding in ("utf-8", "gb18030"):
        try:
            return printable(info.filename.encode("cp437").decode(encoding))
        except UnicodeError:
            continue
    return printable(info.filename)


def printable(name: str) -> str:
    """A file name with control characters and undecodable bytes replaced by U+FFFD."""
    name = repair_utf8(name)
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)


def path_parts(member: str) -> list[str]:
    """The parts of a member's name; some Windows programs separate them by backslashes."""
    return re.split(r"[/\\]", member)


def unreadable(name: str, error: Exception) -> InputError:
    """The error for a file that zipfile or the system cannot read."""
    if isinstance(error, OSError):
        return InputError(
            f"cannot be read ({os_errors.reason(error)})",
            where=name,
            remedy=os_errors.remedy(error),
        )
    reason = printable(str(error)) or type(error).__name__
    return InputError(
        f"the zip is damaged ({reason})",
        where=name,
        remedy="Download it again, or unpack what is left and give the folder: damaged records are "
        "then skipped and reported",
    )


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return not info.filename or info.filename.endswith("/")


def _check(info: zipfile.ZipInfo, path: Path) -> None:
    if info.flag_bits & _ENCRYPTED_FLAG or info.compress_type == _AES:
        raise InputError(
            f"{member_name(info)} is encrypted",
            where=str(path),
            remedy="Unpack it with its password and give the folder",
        )
    if info.compress_type not in _METHODS:
        raise InputError(
            f"{member_name(info)} uses compression method {info.compress_type}; expected deflate",
            where=str(path),
            remedy="Unpack it and give the folder",
        )
    if info.file_size > max(ALWAYS_BYTES, MAX_RATIO * info.compress_size):
        raise _bomb(f"{member_name(info)} ", info.file_size, info.compress_size, path)


def _bomb(what: str, unpacked: int, packed: int, path: Path) -> InputError:
    return InputError(
        f"{what}unpacks from {packed:,} to {unpacked:,} bytes, more than {MAX_RATIO} times as many",
        where=str(path),
        remedy="If you trust it, unpack it and give the folder",
    )
