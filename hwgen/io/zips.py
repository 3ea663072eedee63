"""In: a zip, maybe from a stranger. Out: its members, each read in place, or a refusal.

Nothing is ever unpacked to the disk, so that a member's name is text and no path: `../x`, `/etc/x`
and symbolic links name and change nothing. What a zip can do is to be small and grow, which is
bounded here, before anything is read.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from hwgen.errors import InputError
from hwgen.io import os_errors
from hwgen.io.files import repair_utf8

MAX_RATIO = 1000
"""Unpacked bytes a packed byte, of a member and of a whole zip above ALWAYS_BYTES. HWDB's have
about 3; blank pages reach 1,030, the most that deflate can do."""

ALWAYS_BYTES = 1 << 30
"""So much may be unpacked at any ratio: it is read in seconds, a few MiB at a time."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The others unpack any amount at once, where these give as much as was asked for."""

_AES = 99
_UTF8_FLAG, _ENCRYPTED_FLAG = 0x800, 0x1

# What zipfile raises for a damaged zip, on purpose or not: names that are no UTF-8, offsets that
# are too large or negative, empty names, extra fields that are cut short.
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
    """The files in a zip, sorted by name, without dot files and `__MACOSX`.

    Raises:
        InputError: the zip is damaged, encrypted, packed otherwise than by deflate, unpacks to
            more than MAX_RATIO times its size, or has two members of one name, or one that
            would be longer than the zip.
    """
    with as_input_error(str(path)), zipfile.ZipFile(path) as archive:
        found = [info for info in archive.infolist() if not _is_folder(info)]
    found = [info for info in found if not is_ignored(path_parts(member_name(info)))]
    found.sort(key=lambda info: info.filename)
    names: set[str] = set()
    unpacked, packed = sum(info.file_size for info in found), path.stat().st_size
    for info in found:
        _check(info, path)
        if info.compress_size > packed:  # zipfile asks for as much memory before it reads
            reason = (
                f"{member_name(info)} would have {info.compress_size:,} of its {packed:,} bytes"
            )
            raise unreadable(str(path), ValueError(reason))
        if info.filename in names:
            raise InputError(f"holds two files called {member_name(info)}", where=str(path))
        names.add(info.filename)
    if unpacked > max(ALWAYS_BYTES, MAX_RATIO * packed):
        raise _bomb("", unpacked, packed, path)
    return found


def hidden_names(path: Path) -> list[str]:
    """Names of the files that `members` leaves out, but for macOS's attachments.

    Raises:
        InputError: the zip is damaged.
    """
    with as_input_error(str(path)), zipfile.ZipFile(path) as archive:
        names = [member_name(info) for info in archive.infolist() if not _is_folder(info)]
    return [name for name in names if is_hidden(path_parts(name))]


@contextmanager
def open_member(path: Path, member: str, name: str) -> Iterator[IO[bytes]]:
    """One member's bytes, to be read forward; give each read to `as_input_error` too.

    Args:
        path: the zip.
        member: its name as zipfile has it.
        name: what to call it in an error.

    Raises:
        InputError: the zip is damaged.
    """
    with as_input_error(name):
        archive = zipfile.ZipFile(path)
    with archive:
        with as_input_error(name):
            stream = archive.open(member)
        with stream:
            yield stream


def member_heads(path: Path, size: int) -> Iterator[tuple[zipfile.ZipInfo, bytes]]:
    """Each of `members` with its first bytes.

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
    """Within, a damaged or unreadable file is an InputError that names it."""
    try:
        yield
    except _DAMAGE as error:
        raise unreadable(name, error) from None


def member_name(info: zipfile.ZipInfo) -> str:
    """A member's name for people.

    Where a zip does not say that its names are UTF-8, zipfile takes CP437; here they are UTF-8 or,
    as Chinese systems write them, GB18030, where they can be.
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
    """A file's name without what a terminal or a JSON file cannot hold: controls, stray bytes."""
    name = repair_utf8(name)
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)


def is_ignored(parts: Sequence[str]) -> bool:
    """Whether a path's parts are those of a dot file or of macOS's attachments."""
    names = [part for part in parts if part not in (".", "..")]
    return any(name.startswith(".") or name == "__MACOSX" for name in names)


def is_hidden(parts: Sequence[str]) -> bool:
    """Whether a path's parts are those of a dot file that may be somebody's data."""
    attached = "__MACOSX" in parts or parts[-1].startswith("._")
    return is_ignored(parts) and not attached


def path_parts(member: str) -> list[str]:
    """Folders and name in a member's name; some that pack on Windows part them by backslashes."""
    return re.split(r"[/\\]", member)


def unreadable(name: str, error: Exception) -> InputError:
    """The refusal of a file, for what zipfile or the system said."""
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
        remedy="Fetch it again; or unpack what is left and give the folder, so that damaged "
        "records are reported and passed over",
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
