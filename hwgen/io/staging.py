"""Atomic writing of folders: made in an unfinished folder, under a lock, and published when whole.

A new folder is made beside its final path and renamed. A folder that exists and is empty, such as
a mount point or the current folder, is filled in place: the unfinished folder lies in it, and its
entries are moved up at the end, the one that makes it complete last. So the final path is at any
time either absent, empty, unchanged or complete.

A header, a JSON file in the folder, says from the beginning what is being made, and marks an
unfinished folder as hwgen's own. What has no such mark is never written to, moved or removed. The
callers decide what may be replaced or resumed: stores and exports differ in that.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hwgen.errors import HwgenError
from hwgen.io.json_files import read_object, write_json
from hwgen.io.locks import file_lock
from hwgen.io.mounts import is_mount_point
from hwgen.io.neighbours import (
    LOCK_WITHIN,
    WITHIN,
    entries,
    foreign,
    lock_path,
    partial_path,
    real_place,
    replaced_path,
    temporary_path,
)

MOVING = ".hwgen-moving"
"""In an unfinished folder that is being published in place: the entries that are moved up."""

ASIDE = ".hwgen-replaced"
"""In a folder that is being replaced: marks it as one that may be removed."""


class Staging:
    """A folder that is being written.

    Args:
        path: its final path; links are followed.
        header: name of the header file.
        is_header: whether the content of a header is one of hwgen's.
        last: name of the entry that makes the folder complete.
        others: names the files in an unfinished or finished folder that hwgen did not make.

    Attributes:
        path: the final path, without links.
        partial: the unfinished folder.
        in_place: whether the folder at the final path is filled from within.

    Raises:
        OSError: the path is a link to nothing, or its name is too long.
    """

    def __init__(
        self,
        path: Path,
        header: str,
        *,
        is_header: Callable[[Mapping[str, Any]], bool] = bool,
        last: str = "",
        others: Callable[[Path], Sequence[str]] = lambda folder: (),
    ) -> None:
        self.path = real_place(path)
        self._header, self._is_header, self._last = header, is_header, last or header
        self._others = others
        self._within = self.path / WITHIN
        self.in_place = self.is_free() and self.path.is_dir()
        self.partial = self._within if self.in_place else partial_path(self.path)

    def is_free(self) -> bool:
        """Whether nothing is at the final path, or an empty folder, or one being filled."""
        if not self.path.is_dir():
            return not os.path.lexists(self.path)
        return entries(self.path) <= {WITHIN, LOCK_WITHIN, *self._moving()}

    @contextmanager
    def locked(self, refusal: HwgenError) -> Iterator[None]:
        """Keep other processes from the same path; creates its parent folder.

        Raises:
            HwgenError: `refusal`, if another process has the lock.
            OSError: the lock cannot be written, or something else is in its place.
        """
        with file_lock(lock_path(self.path), remove=True) as ours:
            if not ours:
                raise refusal
            self._move_back()
            yield

    def header_file(self, folder: Path) -> Path:
        """Path of the header in the unfinished or the finished folder."""
        return folder / self._header

    def read_header(self, folder: Path) -> dict[str, Any]:
        """The header in the unfinished or the finished folder.

        Raises:
            OSError: it is missing or cannot be read.
            ValueError: it is not a JSON object.
        """
        return read_object(self.header_file(folder))

    def check_neighbours(self, *, replace: bool) -> None:
        """Refuse folders of the user's where the unfinished or the replaced one will lie.

        Args:
            replace: whether the folder at the final path will be replaced.

        Raises:
            OSError: one is there, or the folder at the final path cannot be renamed.
        """
        if os.path.lexists(self.partial) and not self._is_own_partial(self.partial):
            raise foreign(self.partial)
        if not replace:
            return
        aside = replaced_path(self.path)
        if os.path.lexists(aside) and not _is_own_aside(aside):
            raise foreign(aside)
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "the folder may not be written", self.path)
        if is_mount_point(self.path):
            what = "is a mount point, so that its content cannot be replaced; empty it first"
            raise OSError(errno.EBUSY, what, self.path)
        if Path.cwd().is_relative_to(self.path.resolve()):
            what = "holds the current folder; run the command elsewhere to replace it"
            raise OSError(errno.EBUSY, what, self.path)

    def begin(self, header: Mapping[str, Any]) -> None:
        """Create the unfinished folder, or use an empty one that a killed process left."""
        self.partial.mkdir(exist_ok=True)
        write_json(self.header_file(self.partial), header)

    def discard(self) -> None:
        """Remove the unfinished folder, if there is one.

        Raises:
            OSError: a folder of the user's is there.
        """
        if os.path.lexists(self.partial):
            if not self._is_own_partial(self.partial):
                raise foreign(self.partial)
            for name in self._others(self.partial):
                raise foreign(self.partial / name)
            _remove(self.partial, self._header)

    def publish(self, *, replace: bool, keep_header: bool) -> None:
        """Give the unfinished folder its final path.

        Args:
            replace: replace the folder at the final path; otherwise only an empty folder may be
                there.
            keep_header: keep the header in the finished folder. Otherwise it is removed after the
                rename, since a complete folder without header would be discarded.

        Raises:
            OSError: something else lies at the final path.
        """
        if self.in_place:
            self._move_up(keep_header=keep_header)
            return
        if replace:
            self.remove_replaced()
            (self.path / ASIDE).touch()
            try:
                self.path.rename(replaced_path(self.path))
            except OSError:
                (self.path / ASIDE).unlink()
                raise
        elif self.path.is_dir() and not self.path.is_symlink():
            self.path.rmdir()  # made meanwhile, and empty
        elif os.path.lexists(self.path):
            raise foreign(self.path)
        self.partial.rename(self.path)
        if not keep_header:
            self.header_file(self.path).unlink()
        self.remove_replaced()

    def remove_replaced(self) -> None:
        """Remove the replaced folder, including one left by a killed process."""
        aside = replaced_path(self.path)
        if _is_own_aside(aside):
            with contextlib.suppress(OSError):  # it does no harm, and is removed by the next call
                _remove(aside, ASIDE)

    def remove_leftovers(self, *, keep_header: bool = False) -> None:
        """Remove what a process left that was killed after it had published the folder.

        This affects neither readers nor other writers.
        """
        with contextlib.suppress(OSError):  # leftovers do no harm
            lock = lock_path(self.path)
            with file_lock(lock, remove=True) as ours:
                if not ours:
                    return
                if not keep_header and self._has_own_header(self.path):
                    self.header_file(self.path).unlink()
                (self.path / ASIDE).unlink(missing_ok=True)
                if os.path.lexists(self._within) and self._is_own_partial(self._within):
                    _remove(self._within, self._header)

    def _is_own_partial(self, folder: Path) -> bool:
        """Whether hwgen made an unfinished folder: it has a header, or is still without content."""
        if folder.is_symlink() or not folder.is_dir():
            return False
        begun = {temporary_path(self.header_file(folder)).name, MOVING}
        if entries(folder) <= begun:
            return True
        return self._has_own_header(folder)

    def _has_own_header(self, folder: Path) -> bool:
        try:
            return self._is_header(self.read_header(folder))
        except (OSError, ValueError):
            return False

    def _moving(self) -> list[str]:
        """Entries that a killed process was moving up from the unfinished folder."""
        if os.path.lexists(self.path / self._last):
            return []  # it had finished
        try:
            names = read_object(self._within / MOVING)["names"]
        except (OSError, ValueError, KeyError):
            return []
        plain = isinstance(names, list) and all(isinstance(name, str) for name in names)
        return [name for name in names if Path(name).name == name] if plain else []

    def _move_up(self, *, keep_header: bool) -> None:
        names = set(os.listdir(self.partial))
        if not keep_header:
            names.remove(self._header)
        order = sorted(names, key=lambda name: (name == self._last, name))
        for name in order:
            if os.path.lexists(self.path / name):
                raise foreign(self.path / name)
        write_json(self.partial / MOVING, {"names": order})
        for name in order:
            (self.partial / name).rename(self.path / name)
        _remove(self.partial, self._header)

    def _move_back(self) -> None:
        """Undo what a killed process had moved up, unless it had finished."""
        names = self._moving()
        for name in names:
            if os.path.lexists(self.path / name) and not os.path.lexists(self._within / name):
                (self.path / name).rename(self._within / name)
        if names:
            (self._within / MOVING).unlink()


def _is_own_aside(folder: Path) -> bool:
    """Whether a folder was moved aside by hwgen; an empty one is what a kill left of it."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    return (folder / ASIDE).is_file() or not any(folder.iterdir())


def _remove(folder: Path, mark: str) -> None:
    """Remove a folder; its mark last, so that it can be removed after a kill."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != mark:
            entry.unlink()
    (folder / mark).unlink(missing_ok=True)
    folder.rmdir()
