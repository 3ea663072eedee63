"""Atomic writing of folders: made in PATH.partial, under a lock, and renamed when complete.

PATH is at any time either absent, unchanged or complete. A header, a JSON file in the folder, says
from the beginning what is being made and identifies an unfinished folder. The callers decide what
may be replaced or resumed: stores and exports differ in that.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hwgen.errors import HwgenError
from hwgen.io.json_files import read_object, write_json
from hwgen.io.locks import file_lock, lock_path


def partial_path(path: Path) -> Path:
    """Where the folder lies while it is unfinished."""
    return path.parent / f"{path.name}.partial"  # "." has no name


def replaced_path(path: Path) -> Path:
    """Where the old folder is moved just before the new one takes its place."""
    return path.parent / f"{path.name}.replaced"


class Staging:
    """A folder that is being written.

    Args:
        path: its final path.
        header: name of the header file.

    Attributes:
        partial: the unfinished folder.
    """

    def __init__(self, path: Path, header: str) -> None:
        self.path, self.partial, self._header = path, partial_path(path), header

    @contextmanager
    def locked(self, refusal: HwgenError) -> Iterator[None]:
        """Keep other processes from the same path; creates its parent folder.

        Raises:
            HwgenError: `refusal`, if another process has the lock.
        """
        with file_lock(lock_path(self.path), remove=True) as ours:
            if not ours:
                raise refusal
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

    def begin(self, header: Mapping[str, Any]) -> None:
        """Create the unfinished folder, which must not exist."""
        self.partial.mkdir()
        write_json(self.header_file(self.partial), header)

    def discard(self) -> None:
        """Remove the unfinished folder; the header last, so that it can be removed after a kill."""
        for entry in self.partial.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != self._header:
                entry.unlink()
        shutil.rmtree(self.partial)

    def publish(self, *, replace: bool, keep_header: bool) -> None:
        """Rename the unfinished folder to its final path.

        Args:
            replace: replace the folder at the final path; otherwise only an empty folder may be
                there.
            keep_header: keep the header in the finished folder. Otherwise it is removed after the
                rename, since a complete folder without header would be discarded.

        Raises:
            OSError: something else lies at the final path.
        """
        if replace:
            self.remove_replaced()
            self.path.rename(replaced_path(self.path))
        elif self.path.is_symlink():
            self.path.unlink()  # to an empty folder
        elif self.path.is_dir():
            self.path.rmdir()
        self.partial.rename(self.path)
        if not keep_header:
            self.header_file(self.path).unlink()
        self.remove_replaced()

    def remove_replaced(self) -> None:
        """Remove the replaced folder, including one left by a killed process."""
        shutil.rmtree(replaced_path(self.path), ignore_errors=True)

    def remove_leftovers(self) -> None:
        """Remove header and lock left by a process that was killed after the rename.

        Neither affects readers or other writers.
        """
        try:
            with file_lock(lock_path(self.path), remove=True) as ours:
                if ours:
                    self.header_file(self.path).unlink(missing_ok=True)
        except OSError:
            pass  # leftovers do no harm
