"""In: a path that somebody typed. Out: what lies there instead, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePath

from hwgen.names import did_you_mean, similar_names

_MARKS = {
    "model.safetensors": "an exported model, from which hwgen synthesize draws",
    "run.json": "a run, from which hwgen synthesize draws",
    "manifest.json": "a store, from which hwgen train learns",
    "benchmark.json": "what hwgen benchmark wrote",
    "lift.json": "what hwgen lift wrote",
    "evaluation.json": "what hwgen evaluate wrote",
    ".export.json": "what hwgen export wrote",
}
"""A folder is known by a file in it."""

_PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff")

_RAW = {
    ".gnt": "GNT, of which hwgen prepare-gnt makes a store",
    ".pot": "POT, of which hwgen prepare-pot makes a store",
    **dict.fromkeys(_PICTURES, "images, of which hwgen prepare-images makes a store"),
}

_FILES = {
    ".zip": "it is a zip, of which hwgen prepare-gnt, prepare-pot or prepare-images makes a store",
    ".safetensors": "it is a file of weights",
    **{suffix: f"it holds {what}" for suffix, what in _RAW.items()},
}
"""A file is known by the end of its name."""

_LOOK = 10_000
"""Names in a folder that are looked at."""


_SHOWN = 3
"""Folders or names that are told, at most."""


def describe_path(path: Path) -> str:
    """What is at a path, such as `it is a store, from which ...`; "" where it is not known.

    A folder is known by what lies in it or else in the folders in it, a file by its name or else
    by its folder.
    """
    if not os.path.exists(path):
        return "there is no such file or folder"
    if path.is_dir():
        known = _known(path)
        return f"it is {known}" if known else describe_names(_names(path)) or _folders_in(path)
    by_name = "" if path.name in _MARKS else _FILES.get(path.suffix.lower(), "")
    known = _known(path.parent)
    return by_name or (known and f"it is a file of {path.parent}, which is {known}")


def describe_names(names: Iterable[str]) -> str:
    """Raw data told from the names of files in a folder or a zip; "" where there is none."""
    kinds = (_RAW.get(PurePath(name).suffix.lower()) for name in names)
    return next((f"it holds {kind}" for kind in kinds if kind), "")


def suggest_path(path: Path, otherwise: str, marks: Iterable[str] = ()) -> str:
    """A remedy: what somebody may have meant who typed a path; or `otherwise`.

    Args:
        path: names like it in its folder, where it is not there.
        otherwise: what to do where nothing is near.
        marks: by which the folders sought are known; then the folder of a file, and those in a
            folder, are near too.
    """
    if os.path.exists(path):
        around = sorted(map(path.joinpath, _names(path))) if path.is_dir() else [path.parent]
        near = [folder for folder in around if any((folder / mark).is_file() for mark in marks)]
    else:
        near = similar_paths(path)
    return did_you_mean(near) if near else otherwise


def similar_paths(path: Path) -> list[Path]:
    """Those in the same folder whose names are like one that is not there, the nearest first."""
    if os.path.exists(path):
        return []
    near = similar_names(path.name, _names(path.parent))
    return [path.parent / name for name in near]


def _known(folder: Path) -> str:
    """What a folder is by the files in it, "" where they do not tell."""
    return next((kind for mark, kind in _MARKS.items() if (folder / mark).is_file()), "")


def _folders_in(folder: Path) -> str:
    """The folders in one that are of the first known kind; "" where there are none."""
    kinds = {name: kind for name in sorted(_names(folder)) if (kind := _known(folder / name))}
    for kind in kinds.values():
        alike = [name for name in kinds if kinds[name] == kind]
        more = f" and {len(alike) - _SHOWN:,} more" if len(alike) > _SHOWN else ""
        each = ", each" if len(alike) > 1 else ","
        return f"it holds {', '.join(alike[:_SHOWN])}{more}{each} {kind}"
    return ""


def _names(folder: Path) -> list[str]:
    """Names in a folder, without hidden ones and those of locks and half-written things."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, _LOOK)]
    except OSError:
        return []
    ends = (".lock", ".partial", ".tmp")
    return [name for name in names if not name.startswith(".") and not name.endswith(ends)]
