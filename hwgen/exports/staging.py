"""The output directory of an export: locked, and replaced only by a finished export.

An export is written in OUT.partial and renamed at the end, so that OUT is absent, unchanged or
finished. .export.json is written first.
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
"""Describes an export, in its directory."""

_BEGINNING = {FILE, f"{FILE}.tmp"}
"""Files that a kill at the very beginning may leave."""


@contextlib.contextmanager
def written_at_once(out: Path, recipe: Mapping[str, Any], overwrite: bool) -> Iterator[Path | None]:
    """The directory to write a small export to, which becomes `out`; None if it is finished.

    Args:
        out: output directory.
        recipe: all that determines its files, plain JSON.
        overwrite: see `is_finished`.

    Raises:
        InputError: see `locked`, `is_finished` and `clear`.
        RecipeChangedError: see `clear`.
    """
    with locked(out):
        if is_finished(out, recipe, overwrite):
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
    """Keep other processes from exporting to the same directory.

    Raises:
        InputError: another process does, or `out` is not a possible name.
    """
    if out.name in ("", ".."):
        raise InputError(
            "is not a name for a new directory", where=str(out), remedy="Give another --out"
        )
    refusal = InputError(
        "another process is exporting to it", where=str(out), remedy="Wait until it has finished"
    )
    with Staging(out, FILE).locked(refusal):
        yield


def is_finished(out: Path, recipe: Mapping[str, Any], overwrite: bool) -> bool:
    """Whether the finished export of this recipe is at `out`.

    Raises:
        InputError: something else is there that is not an export or, without `overwrite`, another
            export.
    """
    if not out.exists() and not out.is_symlink():
        return False
    there = read_description(out)
    if there is None:
        if out.is_dir() and not any(out.iterdir()):
            return False
        raise InputError(
            "already exists and is not an export",
            where=str(out),
            remedy="Give another --out",
        )
    if there["recipe"] == recipe:
        if overwrite:
            Staging(out, FILE).remove_replaced()  # left by a kill during `publish`
        return True
    if not overwrite:
        raise InputError(
            "another export is already there (its settings -> yours):\n  "
            + "\n  ".join(differences(there["recipe"], recipe))
            + "\n",
            where=str(out),
            remedy="Give another --out, or pass --overwrite to replace it",
        )
    return False


def clear(staging: Staging, recipe: Mapping[str, Any], overwrite: bool) -> None:
    """Remove an unfinished export of this recipe or, with `overwrite`, of another one.

    Raises:
        InputError: the directory is not an export.
        RecipeChangedError: it is an export of another recipe.
    """
    partial = staging.partial
    if not partial.exists() and not partial.is_symlink():
        return
    begun = read_description(partial)
    if begun is not None and begun["recipe"] != recipe and not overwrite:
        raise RecipeChangedError(
            "an unfinished export with other settings is there (its settings -> yours):\n  "
            + "\n  ".join(differences(begun["recipe"], recipe))
            + "\n",
            where=str(partial),
            remedy="Use the options it was begun with, or pass --overwrite to discard it",
        )
    if begun is None and not (partial.is_dir() and set(os.listdir(partial)) <= _BEGINNING):
        raise InputError(
            "already exists and is not an export",
            where=str(partial),
            remedy="Move it away",
        )
    staging.discard()


def read_description(folder: Path) -> dict[str, Any] | None:
    """The content of .export.json; None if it is missing or damaged."""
    try:
        found = read_object(folder / FILE)
    except (OSError, ValueError):
        return None
    return found if isinstance(found.get("recipe"), dict) else None


def publish(staging: Staging) -> None:
    """Rename a finished export to its name, in place of another export that is there."""
    ours = read_description(staging.path) is not None
    staging.publish(replace=ours, keep_header=True)
