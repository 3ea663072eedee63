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
from hwgen.io.json_files import read_object
from hwgen.io.staging import Staging
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
        staging = Staging(out, FILE)
        clear(staging, recipe, overwrite)
        staging.begin({"recipe": recipe, "versions": {"hwgen": hwgen.__version__}})
        try:
            yield staging.partial
        except BaseException:
            shutil.rmtree(staging.partial, ignore_errors=True)
            raise
        publish(staging)


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other processes from exporting to the same place.

    Raises:
        InputError: one does, or `out` cannot be a new folder.
    """
    if out.name in ("", ".."):
        raise InputError("is no name for a new folder", where=str(out), remedy="Choose another")
    refusal = InputError("another process is exporting to it", where=str(out), remedy="Wait for it")
    with Staging(out, FILE).locked(refusal):
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
            Staging(out, FILE).remove_replaced()  # where a kill came before `publish` did
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


def clear(staging: Staging, recipe: Mapping[str, Any], overwrite: bool) -> None:
    """Remove what an unfinished export of this recipe has left, or of another if `overwrite`.

    Raises:
        InputError: it is no export.
        RecipeChangedError: it is another one.
    """
    partial = staging.partial
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
    staging.discard()


def read_told(folder: Path) -> dict[str, Any] | None:
    """What .export.json says, None where there is none that can be read."""
    try:
        told = read_object(folder / FILE)
    except (OSError, ValueError):
        return None
    return told if isinstance(told.get("recipe"), dict) else None


def publish(staging: Staging) -> None:
    """Put a whole export in its place; another one that was there is gone then."""
    ours = read_told(staging.path) is not None
    staging.publish(replace=ours, keep_header=True)
