"""In: a path that somebody typed. Out: what lies there instead, and what to do about it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePath

_MARKS = {
    "model.safetensors": "it is an exported model, from which hwgen synthesize draws",
    "run.json": "it is a run, from which hwgen synthesize draws",
    "manifest.json": "it is a store, from which hwgen train learns",
    "benchmark.json": "it is what hwgen benchmark wrote",
    "lift.json": "it is what hwgen benchmark --protocol wrote",
    "evaluation.json": "it is what hwgen evaluate wrote",
    ".export.json": "it is what hwgen export wrote",
}
"""A folder is known by a file in it."""

_PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff")

_RAW = {
    ".gnt": "GNT, of which hwgen prepare-gnt makes a store",
    ".pot": "POT, of which hwgen prepare-pot makes a store",
    **dict.fromkeys(_PICTURES, "pictures, of which hwgen prepare-images makes a store"),
}

_FILES = {
    ".zip": "it is a zip, of which hwgen prepare-gnt, prepare-pot or prepare-images makes a store",
    ".safetensors": "it is a file of weights",
    **{suffix: f"it holds {what}" for suffix, what in _RAW.items()},
}
"""A file is known by the end of its name."""

_LOOK = 10_000
"""Names in a folder that are looked at."""


def what_lies_at(path: Path) -> str:
    """What is at a path, such as `it is a store, from which ...`; "" where it is not known."""
    if not path.exists():
        return "there is no such file or folder"
    if not path.is_dir():
        return _FILES.get(path.suffix.lower(), "")
    marks = (said for mark, said in _MARKS.items() if (path / mark).is_file())
    return next(marks, "") or what_names_tell(_names(path))


def what_names_tell(names: Iterable[str]) -> str:
    """Raw data told from the names of files in a folder or a zip; "" where there is none."""
    kinds = (_RAW.get(PurePath(name).suffix.lower()) for name in names)
    return next((f"it holds {kind}" for kind in kinds if kind), "")


def instead(path: Path, otherwise: str) -> str:
    """A remedy: names in the folder that are like one that is not there; or `otherwise`."""
    near = [] if path.exists() else difflib.get_close_matches(path.name, _names(path.parent))
    return (
        f"Did you mean {' or '.join(str(path.parent / name) for name in near)}?"
        if near
        else otherwise
    )


def _names(folder: Path) -> list[str]:
    """Names in a folder, without hidden ones and those of locks and half-written things."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, _LOOK)]
    except OSError:
        return []
    ends = (".lock", ".partial", ".tmp")
    return [name for name in names if not name.startswith(".") and not name.endswith(ends)]
