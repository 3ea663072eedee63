"""Markers that declare files synthetic or simulated.

Image files and GNT have no field for it, so `hwgen export` and `hwgen simulate` write an
`.export.json` beside them.
"""

from __future__ import annotations

import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Any

from hwgen.io import zips
from hwgen.io.json_files import MAX_JSON_BYTES, parse_json, read_json, reading, write_json

MARKER = ".export.json"
"""A dot file, since Hugging Face's datasets would read any other file as data."""

_ABOVE = 2
"""Levels between an image's folder and the export's: class and split."""

_FLAGS = ("synthetic", "simulated")
_MAX_NOTICE = 4_000

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED_FLAG = 0x1


def mark_simulated(folder: Path, notice: str) -> None:
    """Declare the files in a folder simulated.

    Args:
        folder: must exist.
        notice: source and licence of the strokes.
    """
    write_json(folder / MARKER, {"synthetic": False, "simulated": True, "notice": notice})


def declared_provenance(sources: Iterable[tuple[Path, str]]) -> dict[str, Any]:
    """What the markers beside or above some files declare, for a store's origin.

    A marker holds for its folder and two levels below, where `hwgen export` puts splits and
    classes; in a zip for everything below it.

    Args:
        sources: for each source, the file, folder or zip on the disk, and its name, in which `!`
            precedes a path in a zip.

    Returns:
        {"synthetic": True} if a generator made any of the files, and {"simulated": True} with the
        "notice" of their strokes if any are simulated; {} if all are real.

    Raises:
        InputError: a marker is damaged, so the files count neither as real nor as synthetic.
    """
    inner: dict[Path, set[PurePosixPath]] = defaultdict(set)
    for path, name in sources:
        within = name.partition(f"{zips.printable(path.name)}!")[2]
        inner[path.resolve()].add(PurePosixPath(within.lstrip("/")))
    # All are read, so that a damaged one is refused in any order.
    declared = [_read(marker) for marker in _beside(inner)]
    for path, places in inner.items():
        if path.is_file() and zipfile.is_zipfile(path):
            declared += [_read_zipped(path, info) for info in _zipped(path, places)]
    notices = dict.fromkeys(text for one in declared if (text := one.get("notice")))
    return {
        **{name: True for name in _FLAGS if any(one.get(name) for one in declared)},
        **({"notice": " ".join(notices)} if notices else {}),
    }


def _beside(paths: Iterable[Path]) -> Iterator[Path]:
    """The markers on the disk that hold for one of these paths."""
    for folder in sorted({folder for path in paths for folder in (path, *path.parents[:_ABOVE])}):
        if (folder / MARKER).is_file():
            yield folder / MARKER


def _zipped(path: Path, places: Iterable[PurePosixPath]) -> Iterator[zipfile.ZipInfo]:
    """The markers in a zip that hold for one of these paths in it."""
    above = {folder for place in places for folder in (place, *place.parents)}
    with zips.as_input_error(str(path)), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    for info in members:
        member = PurePosixPath(zips.member_name(info).lstrip("/"))
        if member.name == MARKER and member.parent in above:
            yield info


def _read(marker: Path) -> dict[str, Any]:
    with _reading(marker):
        return _checked(read_json(marker))


def _read_zipped(path: Path, info: zipfile.ZipInfo) -> dict[str, Any]:
    name = f"{path}!{zips.member_name(info)}"
    with _reading(Path(name)):
        if info.flag_bits & _ENCRYPTED_FLAG or info.compress_type not in _METHODS:
            raise ValueError("it is encrypted, or its compression method is not deflate")
        if max(info.file_size, info.compress_size) > MAX_JSON_BYTES:
            raise ValueError(f"expected at most {MAX_JSON_BYTES:,} bytes, found {info.file_size:,}")
        with zips.open_member(path, info.filename, name) as stream, zips.as_input_error(name):
            return _checked(parse_json(stream.read(info.file_size).decode()))


def _checked(marker: object) -> dict[str, Any]:
    declared = marker if isinstance(marker, dict) else {}
    if not isinstance(declared.get("synthetic"), bool):
        raise ValueError('"synthetic" must be true or false')
    if not isinstance(declared.get("simulated", False), bool):
        raise ValueError('"simulated" must be true or false')
    notice = declared.get("notice", "")
    if not isinstance(notice, str) or len(notice) > _MAX_NOTICE:
        raise ValueError(f'"notice" must be text of at most {_MAX_NOTICE:,} characters')
    return declared


def _reading(marker: Path) -> AbstractContextManager[None]:
    return reading(
        marker,
        "an export's description",
        "Export the store again; or, if the images are certainly real, remove this file",
    )
