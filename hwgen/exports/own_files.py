"""Which files in an export's folder are the export's, and which a user put there."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hwgen.errors import InputError
from hwgen.exports.formats import FORMATS
from hwgen.exports.provenance import FIELDS
from hwgen.exports.provenance import FILE as LIST
from hwgen.generators.base import all_kinds
from hwgen.io.json_files import read_object
from hwgen.io.neighbours import BY_SYSTEMS
from hwgen.io.staging import ASIDE, MOVING
from hwgen.sources.provenance import MARKER

_COMPANIONS = "".join(rf"|{re.escape(name)}" for kind in all_kinds() for name in kind.companions)
_OTHER_FORMATS = {
    "model": r"model\.safetensors|charset\.json|README\.md|samples\.png|model\.onnx" + _COMPANIONS,
    "tensorboard": r"events\.out\.tfevents\.hwgen",
}
"""Files of the exports that are not of stores."""

_LISTED = ("folder", "paddle")
"""Formats with many files in folders, which provenance.csv lists."""

_MARKS = re.compile(rf"{re.escape(MARKER)}|{MOVING}|{ASIDE}|\..*\.hwgen-tmp")

Read = Callable[[str], bytes | None]
"""The content of a file of an export, by its path in it; None if it is missing."""


class Written:
    """Which files a description says that the export wrote, besides itself.

    Names count where the export listed them: in "files" of .export.json, and of images in folders
    in provenance.csv. Otherwise, in an unfinished export or one of an older version, counts what
    the format would write.

    Args:
        description: the content of .export.json.
        read: reads other files of the export.

    Attributes:
        missing: paths of lists that are missing or damaged, so that the format decides on images.
    """

    def __init__(self, description: Mapping[str, Any], read: Read) -> None:
        self._own = _own(description)
        listed = description.get("files")
        self._names = set(map(str, listed)) if isinstance(listed, list) else set()
        self.missing: list[str] = []
        self._images: set[str] = set()
        format = _format(description)
        if self._names and format in _LISTED:
            for prefix in _prefixes(description):
                path = prefix + LIST
                names = _listed_images(read(path))
                if names is None:
                    self.missing.append(path)
                else:
                    self._images |= {prefix + name for name in names}
        elif not self._names and format == "model":
            self._names = _names_in_older_model(description, read)

    def __contains__(self, path: str) -> bool:
        if self._own.fullmatch(path) is None:
            return False
        if not self._names or path in self._names:
            return True
        if not any(path[: match.start()] in self._names for match in re.finditer("/", path)):
            return False
        return bool(self.missing) or path in self._images


def other_files(folder: Path) -> list[str]:
    """Files in an export's folder that the export did not write, as paths in it, sorted."""
    try:
        written = Written(read_object(folder / MARKER), _reader(folder))
    except (OSError, ValueError):
        return []
    return sorted(
        path
        for path in _files(folder, "")
        if path not in written and not _MARKS.fullmatch(path.rpartition("/")[2])
    )


def own_files(folder: Path, description: Mapping[str, Any]) -> list[str]:
    """Files that a finished export consists of, with its .export.json, as paths in it, sorted.

    Args:
        folder: of the export; links in it count as a user's.
        description: the content of .export.json.

    Raises:
        InputError: a list of its images is missing or damaged.
    """
    written = Written(description, _reader(folder))
    if written.missing:
        raise InputError(
            "is missing or damaged, so that the export's images are not known",
            where=str(folder / written.missing[0]),
            remedy="Export again to another folder",
        )
    return sorted(
        path
        for path in _files(folder, "")
        if (path in written or path == MARKER) and not (folder / path).is_symlink()
    )


def written_names(folder: Path, subsets: Iterable[str]) -> list[str]:
    """Names of all files and folders of a finished export, as far as its classes' folders."""
    found: list[str] = []
    for subset in subsets:
        prefix = f"{subset}/" if subset else ""
        found += [prefix + name for name in os.listdir(folder / subset) if name != MARKER]
    return sorted(found)


def _own(description: Mapping[str, Any]) -> re.Pattern[str]:
    format = _format(description)
    own = FORMATS[format].own if format in FORMATS else _OTHER_FORMATS.get(format, "(?!)")
    prefixes = "|".join(map(re.escape, _prefixes(description)))
    return re.compile(f"(?:{prefixes})(?:{own})", re.DOTALL)


def _format(description: Mapping[str, Any]) -> str:
    recipe = description.get("recipe")
    return str(recipe.get("format")) if isinstance(recipe, dict) else ""


def _prefixes(description: Mapping[str, Any]) -> list[str]:
    """What the paths of each subset begin with."""
    records = description.get("records")
    subsets = [str(name) for name in records if name] if isinstance(records, dict) else []
    return [f"{name}/" for name in subsets] or [""]


def _listed_images(content: bytes | None) -> list[str] | None:
    """Paths of images in a provenance.csv, relative to it; None if it is missing or damaged."""
    if content is None:
        return None
    try:
        lines = csv.reader(io.StringIO(content.decode(), newline=""))
        if tuple(next(lines, ())) != FIELDS:
            return None
        return [line[0] for line in lines if line]
    except (UnicodeDecodeError, csv.Error):
        return None


def _names_in_older_model(description: Mapping[str, Any], read: Read) -> set[str]:
    """Names of a model's files, of a version that did not list them."""
    names = {"model.safetensors", "charset.json", "README.md"}
    names.update(name for kind in all_kinds() for name in kind.companions)
    if description["recipe"].get("onnx") is True:
        names.add("model.onnx")
    if b"samples.png" in (read("README.md") or b""):
        names.add("samples.png")
    return names


def _reader(folder: Path) -> Read:
    def read(path: str) -> bytes | None:
        try:
            return (folder / path).read_bytes()
        except OSError:
            return None

    return read


def _files(folder: Path, prefix: str) -> Iterator[str]:
    """Everything but folders; links count as files."""
    with os.scandir(folder) as found:
        for entry in found:
            if entry.name in BY_SYSTEMS:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name
