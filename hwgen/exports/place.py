"""In: where an export shall be. Out: that place, locked, and taken only by what is whole.

An export is written in OUT.partial and renamed at the end: OUT is either absent, what it was
before, or whole. .export.json lies in it from the beginning.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hwgen
from hwgen.errors import InputError, RecipeChangedError
from hwgen.io.json_files import read_object, write_json
from hwgen.io.locks import lock_beside, only_one
from hwgen.schema import differences
from hwgen.sources.provenance import MARKER

FILE = MARKER
"""What tells of an export, in its folder."""

_BEGINNING = {FILE, f"{FILE}.tmp"}
"""What a kill at the very beginning may leave."""


@contextlib.contextmanager
def written_at_once(out: Path, recipe: Mapping[str, Any], overwrite: bool) -> Iterator[Path | None]:
    """The folder to write a small export to, that becomes `out`; None where it is there already.

    Args:
        out: where it shall be.
        recipe: all that decides its files, plain JSON.
        overwrite: see `is_there`.

    Raises:
        InputError: see `locked`, `is_there` and `clear`.
        RecipeChangedError: see `clear`.
    """
    with locked(out):
        if is_there(out, recipe, overwrite):
            yield None
            return
        partial = out.with_name(out.name + ".partial")
        clear(partial, recipe, overwrite)
        partial.mkdir()
        write_json(partial / FILE, {"recipe": recipe, "versions": {"hwgen": hwgen.__version__}})
        try:
            yield partial
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        give_name(partial, out)


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other processes from exporting to the same place.

    Raises:
        InputError: one does, or `out` cannot be a new folder.
    """
    if out.name in ("", ".."):
        raise InputError("is no name for a new folder", where=str(out), remedy="Choose another")
    with only_one(lock_beside(out), tidy=True) as ours:
        if not ours:
            raise InputError(
                "another process is exporting to it", where=str(out), remedy="Wait for it"
            )
        yield


def is_there(out: Path, recipe: Mapping[str, Any], overwrite: bool) -> bool:
    """Whether the export of this recipe is there already.

    Raises:
        InputError: what is there is no export, or, unless `overwrite`, another one.
    """
    if not out.exists() and not out.is_symlink():
        return False
    there = read_told(out)
    if there is None:
        if out.is_dir() and not any(out.iterdir()):
            return False
        raise InputError(
            "something else is already there", where=str(out), remedy="Choose another folder"
        )
    if there["recipe"] == recipe:
        if overwrite:
            _remove_replaced(out)  # where a kill came before `give_name` did
        return True
    if not overwrite:
        raise InputError(
            "something else is already there, an export of (there -> wanted):\n  "
            + "\n  ".join(differences(there["recipe"], recipe))
            + "\n",
            where=str(out),
            remedy="Choose another folder, or pass --overwrite to replace it",
        )
    return False


def clear(partial: Path, recipe: Mapping[str, Any], overwrite: bool) -> None:
    """Remove what an unfinished export of this recipe has left, or of another if `overwrite`.

    Raises:
        InputError: it is no export.
        RecipeChangedError: it is another one.
    """
    if not partial.exists() and not partial.is_symlink():
        return
    began = read_told(partial)
    if began is not None and began["recipe"] != recipe and not overwrite:
        raise RecipeChangedError(
            "an unfinished export of another kind is there (began -> now):\n  "
            + "\n  ".join(differences(began["recipe"], recipe))
            + "\n",
            where=str(partial),
            remedy="Go on with the options it began with, or pass --overwrite to discard it",
        )
    if began is None and not (partial.is_dir() and set(os.listdir(partial)) <= _BEGINNING):
        raise InputError(
            "something else is already there", where=str(partial), remedy="Move it away"
        )
    # What says that all this is an export goes last, so that a kill in between does not matter.
    for entry in partial.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != FILE:
            entry.unlink()
    shutil.rmtree(partial)


def read_told(folder: Path) -> dict[str, Any] | None:
    """What .export.json says, None where there is none that can be read."""
    try:
        told = read_object(folder / FILE)
    except (OSError, ValueError):
        return None
    return told if isinstance(told.get("recipe"), dict) else None


def give_name(partial: Path, out: Path) -> None:
    """Put a whole export in its place; another one that was there is gone then."""
    if out.exists():
        _remove_replaced(out)
        out.rename(_replaced(out))
    partial.rename(out)
    _remove_replaced(out)


def _remove_replaced(out: Path) -> None:
    shutil.rmtree(_replaced(out), ignore_errors=True)


def _replaced(out: Path) -> Path:
    """Where the export that was at `out` lies until the new one is there."""
    return out.with_name(out.name + ".replaced")
