"""Markers that declare files synthetic or simulated.

Image files and GNT have no field for it, so `hwgen export` and `hwgen simulate` write an
`.export.json` beside them.
"""

from __future__ import annotations

import os
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePath, PurePosixPath
from types import MappingProxyType
from typing import Any

from hwgen.errors import InputError
from hwgen.io import zips
from hwgen.io.encodings import name_text
from hwgen.io.json_files import MAX_JSON_BYTES, parse_json, read_json, reading, write_json

MARKER = ".export.json"
"""A dot file, since Hugging Face's datasets would read any other file as data."""

SETTINGS = "simulation"
"""Key of the marker that hwgen simulate writes."""

_ABOVE = 2
"""Levels between an image's folder and the export's: class and split."""

_FLAGS = ("synthetic", "simulated")
_MAX_NOTICE = 4_000

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED_FLAG = 0x1


def mark_simulated(
    folder: Path, notice: str, *, files: Sequence[str], settings: Mapping[str, Any]
) -> None:
    """Declare files in a folder simulated.

    Args:
        folder: must exist.
        notice: source and licence of the strokes.
        files: their names.
        settings: of the simulation, plain JSON.
    """
    marker = {"synthetic": False, "simulated": True, "notice": notice}
    write_json(folder / MARKER, {**marker, SETTINGS: settings, "files": list(files)})


def read_simulation(folder: Path) -> tuple[Mapping[str, Any], frozenset[str]] | None:
    """Settings and file names that `mark_simulated` wrote; None if there are none."""
    try:
        marker = read_json(folder / MARKER)
        settings, files = marker[SETTINGS], marker["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    valid = isinstance(settings, dict) and isinstance(files, list)
    return (settings, frozenset(map(str, files))) if valid else None


def declared_provenance(
    sources: Iterable[tuple[Path, str]], encodings: Mapping[Path, str] = MappingProxyType({})
) -> dict[str, Any]:
    """What the markers beside or above some files declare, for a store's origin.

    The marker of `hwgen simulate` holds for the files in its own folder. That of `hwgen export`
    holds for its folder and two levels below, where splits and classes are; in a zip for everything
    below it. Markers list what was written. What they do not list, in a place where they hold, is
    refused: it may be real, or synthetic and renamed.

    Args:
        sources: for each source, the file, folder or zip on the disk, and its name, in which `!`
            precedes a path in a zip.
        encodings: of the names in zips, see `zips.members`; None decides it.

    Returns:
        {"synthetic": True} if a generator made any of the files, and {"simulated": True} with the
        "notice" of their strokes if any are simulated; {} if all are real.

    Raises:
        InputError: a marker is damaged, or does not list a file beside it, so that files count
            neither as real nor as synthetic.
    """
    inner: dict[Path, set[PurePosixPath]] = defaultdict(set)
    codecs: dict[Path, str | None] = {}
    for path, name in sources:
        within = name.partition(f"{name_text(path.name)}!")[2]
        # A link counts where it lies, and where it leads.
        for place in (path.resolve(), Path(os.path.abspath(path))):
            inner[place].add(PurePosixPath(within.lstrip("/")))
            codecs[place] = encodings.get(path)
    # All are read, so that a damaged one is refused in any order.
    declared = []
    for marker, below in _beside(inner).items():
        found = _read(marker)
        if _holds_for(found, below, str(marker)):
            declared.append(found)
    for path, places in inner.items():
        if path.is_file() and zipfile.is_zipfile(path):
            for member in _zipped(path, places, codecs[path]):
                found = _read_zipped(path, member)
                folder = PurePosixPath(member.name.lstrip("/")).parent
                below = [p.relative_to(folder) for p in places if p.is_relative_to(folder)]
                if _holds_for(found, below, f"{path}!{member.name}"):
                    declared.append(found)
    notices = dict.fromkeys(text for one in declared if (text := one.get("notice")))
    return {
        **{name: True for name in _FLAGS if any(one.get(name) for one in declared)},
        **({"notice": " ".join(notices)} if notices else {}),
    }


def _beside(paths: Iterable[Path]) -> dict[Path, list[PurePath]]:
    """The markers on the disk above these paths, and the paths relative to each."""
    below: dict[Path, list[PurePath]] = defaultdict(list)
    for path in paths:
        for folder in (path, *path.parents[:_ABOVE]):
            below[folder].append(path.relative_to(folder))
    return {
        folder / MARKER: below[folder] for folder in sorted(below) if (folder / MARKER).is_file()
    }


def _holds_for(marker: Mapping[str, Any], below: Iterable[PurePath], where: str) -> bool:
    """Whether a marker says something about any of the paths below its folder.

    Raises:
        InputError: it does not list one of them.
    """
    if not any(marker.get(name) for name in _FLAGS):
        return False  # real: nothing can be mistaken
    files = marker.get("files")
    by_simulate = not marker["synthetic"] and "recipe" not in marker
    held = False
    for path in below:
        if by_simulate and len(path.parts) > 1:
            continue
        held = True
        if files and path.parts and not _lists(files, path.as_posix()):
            raise InputError(
                f"does not list {path.as_posix()}, so that it may be real or not",
                where=where,
                remedy="Move it out of the folder if it is real; else give it its old name",
            )
    return held


def _lists(files: Sequence[str], path: str) -> bool:
    """Whether a path is one of the listed, above one, or below one."""
    return any(
        path == one or path.startswith(f"{one}/") or one.startswith(f"{path}/") for one in files
    )


def _zipped(
    path: Path, places: Iterable[PurePosixPath], encoding: str | None
) -> Iterator[zips.Member]:
    """The markers in a zip that hold for one of these paths in it."""
    above = {folder for place in places for folder in (place, *place.parents)}
    for member in zips.all_files(path, encoding):
        inner = PurePosixPath(member.name.lstrip("/"))
        if inner.name == MARKER and inner.parent in above:
            yield member


def _read(marker: Path) -> dict[str, Any]:
    with _reading(marker):
        return _checked(read_json(marker))


def _read_zipped(path: Path, member: zips.Member) -> dict[str, Any]:
    name, info = f"{path}!{member.name}", member.info
    with _reading(Path(name)):
        if info.flag_bits & _ENCRYPTED_FLAG or info.compress_type not in _METHODS:
            raise ValueError("it is encrypted, or its compression method is not deflate")
        if max(info.file_size, info.compress_size) > MAX_JSON_BYTES:
            raise ValueError(f"expected at most {MAX_JSON_BYTES:,} bytes, found {info.file_size:,}")
        with zips.open_member(path, member, name) as stream, zips.as_input_error(name):
            return _checked(parse_json(stream.read(info.file_size).decode()))


def _checked(marker: object) -> dict[str, Any]:
    declared = marker if isinstance(marker, dict) else {}
    if not isinstance(declared.get("synthetic"), bool):
        raise ValueError('"synthetic" must be true or false')
    if not isinstance(declared.get("simulated", False), bool):
        raise ValueError('"simulated" must be true or false')
    files = declared.get("files", [])
    if not isinstance(files, list) or not all(isinstance(file, str) for file in files):
        raise ValueError('"files" must be a list of texts')
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
