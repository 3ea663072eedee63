"""What lies at a path that cannot be used, and which path the user may have meant."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePath

from hwgen.suggestions import did_you_mean, similar_names

_MARKS = {
    "model.safetensors": "an exported model, for hwgen synthesize",
    "run.json": "a run, for hwgen synthesize",
    "manifest.json": "a store, for hwgen train",
    "benchmark.json": "the output of hwgen benchmark",
    "lift.json": "the output of hwgen lift",
    "evaluation.json": "the output of hwgen evaluate",
    ".export.json": "the output of hwgen export or simulate",
}
"""Files by which a folder is recognised."""

_PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff")

_RAW = {
    ".gnt": "GNT files, for hwgen prepare-gnt",
    ".pot": "POT files, for hwgen prepare-pot",
    **dict.fromkeys(_PICTURES, "images, for hwgen prepare-images"),
}

_FILES = {
    ".zip": "it is a zip, for hwgen prepare-gnt, prepare-pot or prepare-images",
    ".safetensors": "it is a file of weights",
    **{suffix: f"it contains {what}" for suffix, what in _RAW.items()},
}
"""Suffixes by which a file is recognised."""

_LOOK = 10_000
"""Maximum number of names in a folder that are examined."""


_SHOWN = 3
"""Maximum number of folders shown in an error."""


def describe_path(path: Path) -> str:
    """What lies at a path, such as `it is a store, for hwgen train`; "" if unknown.

    A folder is recognised by its files or by those of its subfolders, a file by its name or by its
    folder. Raw data is followed by the command that makes a store of it, see `prepare_command`.
    """
    if not os.path.exists(path):
        return "there is no such file or folder"
    if path.is_dir():
        known, raw = _known(path), describe_names(_names(path))
        if known == _MARKS[".export.json"] and raw:
            return raw  # the files say which command reads them
        return f"it is {known}" if known else raw or _folders_in(path) or _raw_in_folders(path)
    by_name = "" if path.name in _MARKS else _FILES.get(path.suffix.lower(), "")
    known = _known(path.parent)
    return by_name or (known and f"it is a file of {path.parent}, which is {known}")


def describe_names(names: Iterable[str]) -> str:
    """The kind of raw data, by the names of files in a folder or a zip; "" if there is none."""
    kinds = (_RAW.get(PurePath(name).suffix.lower()) for name in names)
    return next((f"it contains {kind}" for kind in kinds if kind), "")


def prepare_command(described: str) -> str:
    """The command that makes a store, in what `describe_path` says; "" if it names none."""
    found = re.search(r"hwgen prepare-\w+$", described)
    return found.group() if found else ""


def suggest_path(path: Path, otherwise: str, marks: Iterable[str] = ()) -> str:
    """A remedy for a wrong path: similar paths, or `otherwise`.

    Args:
        path: what the user typed. If it does not exist, similar names in its folder are suggested.
        otherwise: the remedy if there is nothing to suggest.
        marks: files by which the folders sought are recognised. If the path exists, its subfolders
            or, for a file, its folder are suggested where they have one of these.
    """
    if os.path.exists(path):
        around = sorted(map(path.joinpath, _names(path))) if path.is_dir() else [path.parent]
        near = [folder for folder in around if any((folder / mark).is_file() for mark in marks)]
    else:
        near = similar_paths(path)
    return did_you_mean(near) if near else otherwise


def similar_paths(path: Path) -> list[Path]:
    """Paths in the same folder with names similar to a missing one, most similar first."""
    if os.path.exists(path):
        return []
    near = similar_names(path.name, _names(path.parent))
    return [path.parent / name for name in near]


def _known(folder: Path) -> str:
    """What a folder is, by the files in it; "" if unknown."""
    return next((kind for mark, kind in _MARKS.items() if (folder / mark).is_file()), "")


def _folders_in(folder: Path) -> str:
    """The subfolders of the first known kind; "" if there are none."""
    kinds = {name: kind for name in sorted(_names(folder)) if (kind := _known(folder / name))}
    for kind in kinds.values():
        alike = [name for name in kinds if kinds[name] == kind]
        more = f" and {len(alike) - _SHOWN:,} more" if len(alike) > _SHOWN else ""
        each = "each " if len(alike) > 1 else ""
        return f"it contains {', '.join(alike[:_SHOWN])}{more} ({each}{kind})"
    return ""


def _raw_in_folders(folder: Path) -> str:
    """The raw data in the first subfolders, as in a folder per class; "" if there is none."""
    for name in sorted(_names(folder))[:_SHOWN]:
        raw = describe_names(_names(folder / name))
        if raw:
            return raw.replace("it contains ", "it contains folders of ", 1)
    return ""


def _names(folder: Path) -> list[str]:
    """Names in a folder, without hidden, locked and unfinished ones."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, _LOOK)]
    except OSError:
        return []
    ends = (".lock", ".partial", ".replaced", ".tmp")
    return [name for name in names if not name.startswith(".") and not name.endswith(ends)]
