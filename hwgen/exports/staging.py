"""The output directory of an export: locked, and replaced only by a finished export.

An export is written in OUT.partial and renamed at the end, so that OUT is absent, unchanged or
finished; an empty folder is filled in place, see hwgen.io.staging. .export.json is written first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hwgen
from hwgen.errors import InputError, RecipeChangedError
from hwgen.exports.own_files import other_files, written_names
from hwgen.io import os_errors
from hwgen.io.json_files import read_object, write_json
from hwgen.io.staging import Staging
from hwgen.schema import differences
from hwgen.sources.provenance import MARKER

FILE = MARKER
"""Describes an export, in its directory."""


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
        staging = staging_of(out)
        clear(staging, recipe, overwrite)
        description = {"recipe": recipe, "versions": {"hwgen": hwgen.__version__}}
        staging.begin(description)
        try:
            yield staging.partial
        except BaseException:
            with contextlib.suppress(OSError):
                staging.discard()
            raise
        names = written_names(staging.partial, [""])
        write_json(staging.partial / FILE, {**description, "files": names})
        publish(staging)


def check_place(out: Path, *, overwrite: bool = False, may_be_finished: bool = True) -> None:
    """Refuse a path where no export can be written; called before long work.

    Args:
        out: output directory.
        overwrite: see `is_finished`.
        may_be_finished: whether an export that is there may be the one that will be made.

    Raises:
        InputError: something that is not an export is there, or where the unfinished one will be;
            or an export that would not be replaced, or holds files that hwgen did not make.
    """
    with _writing(out):
        staging = staging_of(out)
        replaces = False
        if not staging.is_free():
            if read_description(staging.path) is None:
                raise _not_an_export(out)
            replaces = overwrite
            if overwrite:
                _refuse_others(out, staging)
            elif not may_be_finished:
                raise _another_export(out)
        staging.check_neighbours(replace=replaces)


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other processes from exporting to the same directory.

    Raises:
        InputError: another process does, or `out` cannot be written.
    """
    refusal = InputError(
        "another process is exporting to it", where=str(out), remedy="Wait until it has finished"
    )
    with contextlib.ExitStack() as held:
        with _writing(out):
            staging = staging_of(out)
            if not staging.is_free() and read_description(staging.path) is None:
                raise _not_an_export(out)
            held.enter_context(staging.locked(refusal))
        yield


def staging_of(out: Path) -> Staging:
    """The unfinished directory of an export."""
    return Staging(out, FILE, is_header=_is_description, others=other_files)


def is_finished(out: Path, recipe: Mapping[str, Any], overwrite: bool) -> bool:
    """Whether the finished export of this recipe is at `out`.

    Raises:
        InputError: something else is there that is not an export or, without `overwrite`, another
            export.
    """
    with _writing(out):
        staging = staging_of(out)
        if staging.is_free():
            return False
        there = read_description(staging.path)
        if there is None:
            raise _not_an_export(out)
        if there["recipe"] == recipe:
            staging.remove_leftovers(keep_header=True)
            if overwrite:
                staging.remove_replaced()  # left by a kill during `publish`
            return True
    if not overwrite:
        changes = differences(there["recipe"], recipe)
        raise _another_export(out, " (its settings -> yours):\n  " + "\n  ".join(changes) + "\n")
    _refuse_others(out, staging)
    return False


def clear(staging: Staging, recipe: Mapping[str, Any], overwrite: bool) -> None:
    """Remove an unfinished export of this recipe or, with `overwrite`, of another one.

    Raises:
        InputError: the directory, or one for what is replaced, is not an export.
        RecipeChangedError: it is an export of another recipe.
    """
    with _writing(staging.path):
        staging.check_neighbours(replace=read_description(staging.path) is not None)
    begun = read_description(staging.partial)
    if begun is not None and begun["recipe"] != recipe and not overwrite:
        raise RecipeChangedError(
            "an unfinished export with other settings is there (its settings -> yours)",
            where=str(staging.partial),
            details=differences(begun["recipe"], recipe),
            remedy="Use the options it was begun with, or pass --overwrite to discard it",
        )
    with _writing(staging.path):
        staging.discard()


def read_description(folder: Path) -> dict[str, Any] | None:
    """The content of .export.json; None if it is missing or damaged."""
    try:
        found = read_object(folder / FILE)
    except (OSError, ValueError):
        return None
    return found if _is_description(found) else None


def publish(staging: Staging) -> None:
    """Give a finished export its name, in place of another export that is there."""
    ours = read_description(staging.path) is not None
    try:
        staging.publish(replace=ours, keep_header=True)
    except OSError as error:
        raise InputError(
            f"the export is finished, but cannot be moved there ({os_errors.reason(error)})",
            where=str(staging.path),
            remedy=f"It is in {staging.partial}; move it from there",
        ) from None


def _is_description(found: Mapping[str, Any]) -> bool:
    return isinstance(found.get("recipe"), dict)


def _refuse_others(out: Path, staging: Staging) -> None:
    others = other_files(staging.path)
    if others:
        more = f" and {len(others) - 1:,} more" if len(others) > 1 else ""
        raise InputError(
            f"the export to replace holds a file that hwgen did not make: {others[0]}{more}",
            where=str(out),
            remedy="Move it elsewhere, or give another --out",
        )


def _another_export(out: Path, changes: str = "") -> InputError:
    return InputError(
        f"another export is already there{changes}",
        where=str(out),
        remedy="Give another --out, or pass --overwrite to replace it",
    )


def _not_an_export(out: Path) -> InputError:
    return InputError(
        "already exists and is not an export",
        where=str(out),
        remedy="Give another --out",
    )


@contextlib.contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Turn errors of the system into an InputError that names the directory."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot be written ({os_errors.reason(error)})",
            where=str(out),
            remedy=os_errors.remedy(error, "Give another --out"),
        ) from None
