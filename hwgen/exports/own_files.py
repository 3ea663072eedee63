"""Which files in an export's folder are the export's, and which a user put there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hwgen.exports.formats import FORMATS
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

_MARKS = re.compile(rf"{re.escape(MARKER)}|{MOVING}|{ASIDE}|\..*\.hwgen-tmp")


def other_files(folder: Path) -> list[str]:
    """Files in an export's folder that the export did not write, as paths in it, sorted.

    Where .export.json lists the files and folders that were written, their names count; otherwise,
    in an unfinished export or one of an older version, what the format would write.
    """
    return sorted(
        path
        for path, is_own in _all_files(folder)
        if not is_own and not _MARKS.fullmatch(path.rpartition("/")[2])
    )


def own_files(folder: Path) -> list[str]:
    """Files that a finished export consists of, with its .export.json, as paths in it, sorted."""
    return sorted(
        path
        for path, is_own in _all_files(folder)
        if (is_own or path.rpartition("/")[2] == MARKER) and not (folder / path).is_symlink()
    )


def _all_files(folder: Path) -> Iterator[tuple[str, bool]]:
    """Path of each file, and whether it is content of the export; none if this is no export."""
    try:
        description = read_object(folder / MARKER)
    except (OSError, ValueError):
        return
    own = _own(description)
    listed = description.get("files")
    names = set(map(str, listed)) if isinstance(listed, list) else set()
    for path in _files(folder, ""):
        written = not names or any(path[:end] in names for end in _ends(path))
        yield path, written and own.fullmatch(path) is not None


def written_names(folder: Path, subsets: Mapping[str, Any]) -> list[str]:
    """Names of all files and folders of a finished export, as far as its classes' folders."""
    found: list[str] = []
    for subset in subsets:
        prefix = f"{subset}/" if subset else ""
        found += [prefix + name for name in os.listdir(folder / subset) if name != MARKER]
    return sorted(found)


def _own(description: Mapping[str, Any]) -> re.Pattern[str]:
    recipe, records = description.get("recipe"), description.get("records")
    format = str(recipe.get("format")) if isinstance(recipe, dict) else ""
    own = FORMATS[format].own if format in FORMATS else _OTHER_FORMATS.get(format, "(?!)")
    subsets = [name for name in records if name] if isinstance(records, dict) else []
    prefix = f"(?:{'|'.join(map(re.escape, subsets))})/" if subsets else ""
    return re.compile(f"{prefix}(?:{own})", re.DOTALL)


def _ends(path: str) -> Iterator[int]:
    """Lengths of a path's beginnings: of each folder above it, and of itself."""
    yield from (match.start() for match in re.finditer("/", path))
    yield len(path)


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
