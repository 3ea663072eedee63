"""Archives and compressed files that hwgen does not read in place, by their name or first bytes."""

from __future__ import annotations

import re
from pathlib import Path

from hwgen.errors import InputError

UNPACK = "unpack the archives and give the folder"

_SUFFIX = re.compile(
    r"\.(7z|ace|alz|arj|bz2|cab|egg|gz|iso|lha|lz|lz4|lzh|lzma|rar|tar|tbz2?|tgz|txz|tzst|xz|z|zip"
    r"|zst|zstd|zipx"
    r"|z\d\d|r\d\d|a\d\d"
    r"|(7z|zip|rar|tar|gz)\.\d{3})$",
    re.IGNORECASE,
)
"""z01, r00: further volumes of a zip or rar; zip.001: a volume of any."""

_TOOLS = {
    ".7z": "7z x {}",
    ".alz": "unalz {}",
    ".bz2": "bunzip2 -k {}",
    ".gz": "gunzip -k {}",
    ".rar": "unrar x {}",
    ".tar": "tar xf {}",
    ".tbz": "tar xf {}",
    ".tgz": "tar xf {}",
    ".txz": "tar xf {}",
    ".xz": "unxz -k {}",
    ".zst": "unzstd {}",
}
_HEADS = (
    (b"\x1f\x8b\x08", ".gz"),
    (b"BZh", ".bz2"),  # as the size of a GNT record this would be over its bound
    (b"\xfd7zXZ\0", ".xz"),
    (b"7z\xbc\xaf\x27\x1c", ".7z"),
    (b"Rar!\x1a\x07", ".rar"),
    (b"\x28\xb5\x2f\xfd", ".zst"),
    (b"ALZ\x01", ".alz"),
    (b"EGGA", ".egg"),
    (b"PK\x07\x08PK\x03\x04", ".z01"),  # the first of a zip in several volumes
)
_FIRST_VOLUMES = (".z01", ".Z01", ".zx01")
_ZIP = b"PK\x03\x04"
_VOLUME = re.compile(r"\d\d$")
_TAR_MARK = slice(257, 262)


def is_packed(name: str) -> bool:
    """Whether the suffix of a name is that of an archive or of a part of one."""
    return _SUFFIX.search(name) is not None


def packed_kind(name: str, head: bytes) -> str:
    """The suffix of an archive other than zip, by its name or first bytes; "" for other files.

    Args:
        name: of the file.
        head: its first bytes, 512 of them to recognise a tar.
    """
    by_name = _SUFFIX.search(name)
    suffix = by_name[0].lower() if by_name else ""
    if suffix == ".zip" or (head.startswith(_ZIP) and not _VOLUME.search(suffix)):
        return ""
    if suffix:
        return suffix
    kind = next((suffix for mark, suffix in _HEADS if head.startswith(mark)), "")
    return kind or (".tar" if head[_TAR_MARK] == b"ustar" else "")


def refuse_volume(path: Path) -> None:
    """Refuse the last volume of a zip in several, which alone looks like a damaged zip.

    Raises:
        InputError: further volumes lie beside it.
    """
    first = next(
        (path.with_suffix(s) for s in _FIRST_VOLUMES if path.with_suffix(s).exists()), None
    )
    if path.suffix.lower() == ".zip" and first:
        raise InputError(
            f"is one volume of a zip in several, such as {first.name}",
            where=str(path),
            remedy=f"Join them first, for example with `zip -s 0 {path.name} --out whole.zip`",
        )


def how_to_unpack(kind: str, name: str) -> str:
    """The remedy for an archive.

    Args:
        kind: see `packed_kind`.
        name: of the file.
    """
    tool = "tar xf {}" if re.search(r"\.tar\.\w+$", name, re.IGNORECASE) else _TOOLS.get(kind, "")
    tool = tool or ("7z x {}" if kind else "")
    volumes = " (all volumes must lie beside it)" if _VOLUME.search(kind) else ""
    return f"Unpack it first, for example with `{tool.format(name)}`{volumes}, and give the result"
