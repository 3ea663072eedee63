"""In: places that things are read from. Out: whether exports of hwgen call them synthetic.

Picture files and GNT cannot say that a generator made them; `.export.json` beside them does.
"""

from __future__ import annotations

import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath

from hwgen.documents import reading
from hwgen.files import MOST_JSON_BYTES, parse_json, read_json
from hwgen.sources import zips

MARKER = ".export.json"
"""A dot file, since Hugging Face's datasets would read any other one as data."""

_ABOVE = 2
"""Folders between a picture's own and the export's: that of its class, that of the part."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED_FLAG = 0x1


def says_synthetic(sources: Iterable[tuple[Path, str]]) -> bool:
    """Whether a generator made any of this, by the markers of the exports that it lies in.

    A marker counts for what lies beside it and up to two folders deeper, where `hwgen export` puts
    parts and classes; in a zip for all that is below it.

    Args:
        sources: of each the file or folder, or the zip that holds it, and its name, in which `!`
            stands before a place in a zip.

    Raises:
        InputError: a marker cannot be read or does not tell, so that what lies there can count
            neither as real nor as synthetic.
    """
    inner: dict[Path, set[PurePosixPath]] = defaultdict(set)
    for path, name in sources:
        within = name.partition(f"{zips.printable(path.name)}!")[2]
        inner[path.resolve()].add(PurePosixPath(within.lstrip("/")))
    # All are read, so that a damaged one is refused whatever the order.
    said = [_read(marker) for marker in _beside(inner)]
    for path, places in inner.items():
        if path.is_file() and zipfile.is_zipfile(path):
            said += [_read_zipped(path, info) for info in _zipped(path, places)]
    return any(said)


def _beside(paths: Iterable[Path]) -> Iterator[Path]:
    """Each marker on the disk that counts for one of these."""
    for folder in sorted({folder for path in paths for folder in (path, *path.parents[:_ABOVE])}):
        if (folder / MARKER).is_file():
            yield folder / MARKER


def _zipped(path: Path, places: Iterable[PurePosixPath]) -> Iterator[zipfile.ZipInfo]:
    """Each marker in a zip that counts for one of these places in it."""
    above = {folder for place in places for folder in (place, *place.parents)}
    with zips.watched(str(path)), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    for info in members:
        member = PurePosixPath(zips.text_of(info).lstrip("/"))
        if member.name == MARKER and member.parent in above:
            yield info


def _read(marker: Path) -> bool:
    with _reading(marker):
        return _said(read_json(marker))


def _read_zipped(path: Path, info: zipfile.ZipInfo) -> bool:
    name = f"{path}!{zips.text_of(info)}"
    with _reading(Path(name)):
        if info.flag_bits & _ENCRYPTED_FLAG or info.compress_type not in _METHODS:
            raise ValueError("it is encrypted, or packed otherwise than by deflate")
        if max(info.file_size, info.compress_size) > MOST_JSON_BYTES:
            raise ValueError(f"{info.file_size:,} bytes")
        with zips.opened(path, info.filename, name) as stream, zips.watched(name):
            return _said(parse_json(stream.read(info.file_size).decode()))


def _said(told: object) -> bool:
    synthetic = told.get("synthetic") if isinstance(told, dict) else None
    if not isinstance(synthetic, bool):
        raise ValueError("it does not tell whether the records are synthetic")
    return synthetic


def _reading(marker: Path) -> AbstractContextManager[None]:
    return reading(
        marker,
        "an export's description",
        "Export the store again; or, where the pictures are real for certain, remove this file",
    )
