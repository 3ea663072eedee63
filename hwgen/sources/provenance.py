"""In: places that things are read from. Out: whether hwgen made them, and how.

Image files and GNT cannot say that a generator made them, or that `hwgen simulate` wrote them;
`.export.json` beside them does.
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
"""A dot file, since Hugging Face's datasets would read any other one as data."""

_ABOVE = 2
"""Folders between an image's own and the export's: that of its class, that of the part."""

_TRUTHS = ("synthetic", "simulated")
_MOST_NOTICE = 4_000

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED_FLAG = 0x1


def mark_simulated(folder: Path, notice: str) -> None:
    """Say of a folder that simulated writers wrote what is in it.

    Args:
        folder: is there.
        notice: whose strokes they write with, and under what licence.
    """
    write_json(folder / MARKER, {"synthetic": False, "simulated": True, "notice": notice})


def declared_provenance(sources: Iterable[tuple[Path, str]]) -> dict[str, Any]:
    """What a store's origin shall say of this, by the markers of the exports that it lies in.

    A marker counts for what lies beside it and up to two folders deeper, where `hwgen export` puts
    parts and classes; in a zip for all that is below it.

    Args:
        sources: of each the file or folder, or the zip that holds it, and its name, in which `!`
            stands before a place in a zip.

    Returns:
        {"synthetic": True} if a generator made any of it, and {"simulated": True} with the
        "notice" of their strokes if simulated writers wrote any; {} if it is all real.

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
    notices = dict.fromkeys(text for one in said if (text := one.get("notice")))
    return {
        **{name: True for name in _TRUTHS if any(one.get(name) for one in said)},
        **({"notice": " ".join(notices)} if notices else {}),
    }


def _beside(paths: Iterable[Path]) -> Iterator[Path]:
    """Each marker on the disk that counts for one of these."""
    for folder in sorted({folder for path in paths for folder in (path, *path.parents[:_ABOVE])}):
        if (folder / MARKER).is_file():
            yield folder / MARKER


def _zipped(path: Path, places: Iterable[PurePosixPath]) -> Iterator[zipfile.ZipInfo]:
    """Each marker in a zip that counts for one of these places in it."""
    above = {folder for place in places for folder in (place, *place.parents)}
    with zips.as_input_error(str(path)), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    for info in members:
        member = PurePosixPath(zips.member_name(info).lstrip("/"))
        if member.name == MARKER and member.parent in above:
            yield info


def _read(marker: Path) -> dict[str, Any]:
    with _reading(marker):
        return _said(read_json(marker))


def _read_zipped(path: Path, info: zipfile.ZipInfo) -> dict[str, Any]:
    name = f"{path}!{zips.member_name(info)}"
    with _reading(Path(name)):
        if info.flag_bits & _ENCRYPTED_FLAG or info.compress_type not in _METHODS:
            raise ValueError("it is encrypted, or packed otherwise than by deflate")
        if max(info.file_size, info.compress_size) > MAX_JSON_BYTES:
            raise ValueError(f"{info.file_size:,} bytes")
        with zips.open_member(path, info.filename, name) as stream, zips.as_input_error(name):
            return _said(parse_json(stream.read(info.file_size).decode()))


def _said(told: object) -> dict[str, Any]:
    said = told if isinstance(told, dict) else {}
    if not isinstance(said.get("synthetic"), bool):
        raise ValueError("it does not tell whether the records are synthetic")
    if not isinstance(said.get("simulated", False), bool):
        raise ValueError("it does not tell whether the records are simulated")
    if not isinstance(said.get("notice", ""), str) or len(said.get("notice", "")) > _MOST_NOTICE:
        raise ValueError(f"its notice is no text of at most {_MOST_NOTICE:,} characters")
    return said


def _reading(marker: Path) -> AbstractContextManager[None]:
    return reading(
        marker,
        "an export's description",
        "Export the store again; or, where the images are real for certain, remove this file",
    )
