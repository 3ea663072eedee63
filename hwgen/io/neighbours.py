"""What hwgen writes beside an output while it works: names, and marks that tell it from a user's.

beside an output NAME
    NAME.partial       an unfinished folder; marked by its header, see hwgen.io.staging
    NAME.replaced      the folder that is being replaced; marked by a file in it
    .NAME.hwgen-lock   a lock, which is always empty
    .NAME.hwgen-tmp    an unfinished file, marked by its name
    .NAME.hwgen-folder a folder that holds one while safetensors writes it
    .NAME.hwgen-checkpoint  of a training that will end with the file
within an existing, empty folder
    .hwgen-partial     the unfinished folder
    .hwgen-lock        the lock, if the folder above cannot be written

Anything else at these places belongs to the user and is never touched.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

WITHIN, LOCK_WITHIN = ".hwgen-partial", ".hwgen-lock"
"""Names in a folder that is filled in place."""

BY_SYSTEMS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", "lost+found"})
"""What file systems and file managers put into folders; a folder with these alone is empty."""

_LONGEST = 255
"""Bytes of a file name in common file systems."""


def partial_path(path: Path) -> Path:
    """Where a new folder lies while it is unfinished."""
    return _beside(path, "", ".partial")


def replaced_path(path: Path) -> Path:
    """Where an old folder is moved just before the new one takes its place."""
    return _beside(path, "", ".replaced")


def temporary_path(path: Path) -> Path:
    """Where a file is written before it is renamed to `path`."""
    return _beside(path, ".", ".hwgen-tmp")


def scratch_path(path: Path) -> Path:
    """A folder for a writer that needs one of its own for the file `path`."""
    return _beside(path, ".", ".hwgen-folder")


def checkpoint_path(path: Path) -> Path:
    """The checkpoint of a training whose result will be the file `path`."""
    return _beside(path, ".", ".hwgen-checkpoint")


def lock_path(path: Path) -> Path:
    """The lock file for work on `path`: beside it, or in it if the folder above is read-only."""
    if path.is_dir() and not os.access(path.parent, os.W_OK | os.X_OK):
        return path / LOCK_WITHIN
    return _beside(path, ".", ".hwgen-lock")


def real_place(path: Path) -> Path:
    """The path to write to: links are followed, and `.` and `..` become names.

    Raises:
        OSError: the path is a link to nothing, or too long for the file system.
    """
    if path.is_symlink() or path.name in ("", ".."):
        path = Path(os.path.realpath(path, strict=True))
    # What is absent is new, or refused when its folder is made.
    with suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(path)
    return path


def with_temporary(names: Iterable[str]) -> set[str]:
    """Names of files, and those of the temporary files that a killed process leaves for them."""
    return {each for name in names for each in (name, temporary_path(Path(name)).name)}


def entries(folder: Path) -> set[str]:
    """Names in a folder, without those that systems put there."""
    return set(os.listdir(folder)) - BY_SYSTEMS


def remove_temporary(temporary: Path) -> None:
    """Remove what a killed process left at a temporary path.

    Raises:
        FileExistsError: something that hwgen did not make is there.
    """
    if os.path.lexists(temporary):
        _refuse_other_than_file(temporary)
        temporary.unlink()


def refuse_foreign_temporary(path: Path) -> None:
    """Refuse something that hwgen did not make where `path` is written before it is renamed.

    Raises:
        FileExistsError: there is.
    """
    _refuse_other_than_file(temporary_path(path))


def refuse_foreign_lock(lock: Path) -> None:
    """Refuse something at the path of a lock that is not an empty file.

    Raises:
        FileExistsError: there is.
    """
    _refuse_other_than_file(lock)
    if lock.is_file() and lock.stat().st_size:
        raise foreign(lock)


def _refuse_other_than_file(path: Path) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise foreign(path)


def remove_scratch(folder: Path, name: str) -> None:
    """Remove the folder at a `scratch_path`, if there is one.

    Args:
        folder: the folder.
        name: of the file that is written in it; safetensors first writes to `.tmp...`.

    Raises:
        FileExistsError: something that hwgen did not make is there.
    """
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise foreign(folder)
    for file in list(folder.iterdir()):
        if file.is_dir() or not (file.name == name or file.name.startswith(".tmp")):
            raise foreign(file)
        file.unlink()
    folder.rmdir()


def foreign(path: Path) -> FileExistsError:
    """The error for something of the user's that is in the way."""
    return FileExistsError(errno.EEXIST, f"{path.name} is in the way; hwgen did not make it", path)


def _beside(path: Path, prefix: str, suffix: str) -> Path:
    name = f"{prefix}{path.name}{suffix}"
    if len(os.fsencode(name)) > _LONGEST:
        digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]
        start = os.fsencode(path.name)[:100].decode(errors="ignore")
        name = f"{prefix}{start}-{digest}{suffix}"
    return path.parent / name
