"""Names of the members of a zip, as their exact text with `/` between folders.

Windows writes names in the code page of its language and does not say which; so the encoding is
decided once over all names that do not have the UTF-8 flag.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hwgen.io.encodings import decide

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075
"""Extra field with the name in UTF-8, as written by 7-Zip and WinRAR (APPNOTE 4.6.9)."""

_UNIX, _MACOS = 3, 19


@dataclass(frozen=True)
class Member:
    """A file or folder in a zip.

    Attributes:
        name: its exact text, folders separated by `/`; a folder's ends with one.
        info: what zipfile says of it.
    """

    name: str
    info: zipfile.ZipInfo = field(repr=False, compare=False)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link, which is not followed; its bytes are where it leads."""
        return self.info.create_system in (_UNIX, _MACOS) and stat.S_ISLNK(
            self.info.external_attr >> 16
        )

    @property
    def parts(self) -> list[str]:
        """The folders and the file; an absolute name or one with `..` leads nowhere else."""
        parts: list[str] = []
        for part in self.name.split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", ".") and not (_is_drive(part) and not parts):
                parts.append(part)
        return parts


@dataclass(frozen=True)
class Names:
    """The members of a zip, and how their names were decoded.

    Attributes:
        members: in the directory's order.
        encoding: Python's codec; "ascii" or "utf-8" if nothing had to be recognised.
    """

    members: tuple[Member, ...]
    encoding: str


def read_names(
    infos: Sequence[zipfile.ZipInfo], *, where: str, encoding: str | None = None
) -> Names:
    """The names of a zip's members.

    Args:
        infos: the zip's directory.
        where: the zip.
        encoding: codec of the names that are not marked as UTF-8; None decides it.

    Raises:
        InputError: see `decide`.
    """
    known = [_declared(info) for info in infos]
    unknown = (_raw(info) for info, name in zip(infos, known, strict=True) if name is None)
    codec = decide(unknown, what="names", where=where, encoding=encoding)
    names = [
        _raw(info).decode(codec) if name is None else name
        for info, name in zip(infos, known, strict=True)
    ]
    slashes = any("/" in name for name in names)
    return Names(
        tuple(
            Member(_separated(name, info, slashes), info)
            for name, info in zip(names, infos, strict=True)
        ),
        codec,
    )


def undeclared(infos: Sequence[zipfile.ZipInfo]) -> Iterator[bytes]:
    """The names that do not say their encoding."""
    return (_raw(info) for info in infos if _declared(info) is None)


def _declared(info: zipfile.ZipInfo) -> str | None:
    """The name if the zip says that it is UTF-8."""
    if info.flag_bits & _UTF8_FLAG:
        return info.orig_filename
    raw = _raw(info)
    if raw.isascii():
        return raw.decode()
    for kind, content in _extra_fields(info.extra):
        # The checksum tells whether a program that does not know the field renamed the member.
        if kind == _UNICODE_PATH and content[:5] == struct.pack("<BL", 1, zlib.crc32(raw)):
            try:
                return content[5:].decode()
            except UnicodeDecodeError:
                return None
    return None


def _raw(info: zipfile.ZipInfo) -> bytes:
    """A name's bytes; zipfile decodes those without the flag as CP437, which has all 256."""
    return info.orig_filename.encode("cp437")


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        yield kind, extra[4 : 4 + size]
        extra = extra[4 + size :]


def _separated(name: str, info: zipfile.ZipInfo, slashes: bool) -> str:
    r"""A name with `/` between folders.

    PowerShell 5 and others write `\` on Windows, where no file name can contain one. On Unix it is
    a character like others, as in the class `\alpha`, unless the zip uses no `/` at all.
    """
    literal = slashes and info.create_system in (_UNIX, _MACOS)
    return name if literal else name.replace("\\", "/")


def _is_drive(part: str) -> bool:
    return len(part) == 2 and part[0].isalpha() and part[0].isascii() and part[1] == ":"
