"""Checks of output files before long work: whether they can be written, and what they replace."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from pathlib import Path

from hwgen.errors import InputError
from hwgen.io import os_errors
from hwgen.io.neighbours import lock_path, real_place, refuse_foreign_lock, refuse_foreign_temporary

MARK = "hwgen"
"""Value of `Software` in PNG files, of comments in JPEG files and of `generator` in pages."""

_MARKS = (
    b"Software\0" + MARK.encode(),  # PNG
    b"\xff\xfe\0\x07" + MARK.encode(),  # JPEG
    f'<meta name="generator" content="{MARK}'.encode(),
    b"<title>hwgen report",  # reports of hwgen 0.2 and older
)

_HEAD = 4096
"""Bytes at the beginning of a file in which a mark is sought."""


def is_marked(file: Path) -> bool:
    """Whether an image or a page was written by hwgen."""
    with open(file, "rb") as stream:
        head = stream.read(_HEAD)
    return any(mark in head for mark in _MARKS)


def check_output_file(
    path: Path,
    suffixes: Sequence[str] = (),
    *,
    is_own: Callable[[Path], bool] = is_marked,
    remedy: str = "Give another --out",
) -> None:
    """Refuse a path where a file cannot be written, or would replace a file of the user's.

    Args:
        path: the file; links are followed.
        suffixes: of the formats that can be written; () for any.
        is_own: whether an existing file is hwgen's, and may be replaced. An empty file may be.
        remedy: what to do if something else is there.

    Raises:
        InputError: says what is wrong.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        formats = " or ".join(suffixes)
        raise InputError(
            f"the name must end in {formats}, the format that is written",
            where=str(path),
            remedy=remedy,
        )
    try:
        place = real_place(path)
        refuse_foreign_temporary(place)
        refuse_foreign_lock(lock_path(place))
        if os.path.lexists(place):
            _check_existing(path, place, is_own, remedy)
        _check_folder(path, place.parent)
    except FileNotFoundError:
        raise InputError("is a link to nothing", where=str(path), remedy=remedy) from None
    except OSError as error:
        raise InputError(
            f"cannot be written ({os_errors.reason(error)})",
            where=str(path),
            remedy=os_errors.remedy(error, remedy),
        ) from None


def check_apart(outputs: Mapping[str, Path | None]) -> None:
    """Refuse outputs of one command that are the same, or lie in each other.

    Args:
        outputs: each path by the option that gives it; None for none.

    Raises:
        InputError: names two of them.
    """
    given = {name: path for name, path in outputs.items() if path is not None}
    for (first, one), (second, other) in permutations(given.items(), 2):
        if other.resolve().is_relative_to(one.resolve()):
            same = other.resolve() == one.resolve()
            raise InputError(
                f"{second} is the same as {first}" if same else f"{second} lies in {first}",
                where=str(other),
                remedy=f"Give another {second}",
            )


def _check_existing(path: Path, place: Path, is_own: Callable[[Path], bool], remedy: str) -> None:
    if not place.is_file():
        raise InputError("already exists and is not a file", where=str(path), remedy=remedy)
    if place.stat().st_size and not is_own(place):
        raise InputError(
            "already exists, and hwgen did not write it",
            where=str(path),
            remedy=f"Move it away, or g{remedy[1:]}" if remedy.startswith("G") else remedy,
        )


def _check_folder(path: Path, folder: Path) -> None:
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(20, f"{folder} is not a folder", path)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(13, f"{folder} may not be written", path)
