"""How a folder of many files is made: in PATH.partial, under a lock, and renamed when it is whole.

So PATH is either absent, or what it was before, or whole. A header, a JSON file within, says from
the beginning what is being made; by it an unfinished folder is recognised. What may be replaced or
resumed is for the callers to decide: stores and exports differ in that.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hwgen.errors import HwgenError
from hwgen.io.json_files import read_object, write_json
from hwgen.io.locks import lock_beside, only_one


def partial_path(path: Path) -> Path:
    """The unfinished folder of what will be at a path."""
    return path.parent / f"{path.name}.partial"  # "." has no name


def replaced_path(path: Path) -> Path:
    """Where the old folder lies from the moment before the new one takes its place."""
    return path.parent / f"{path.name}.replaced"


class Staging:
    """A folder in the making.

    Args:
        path: where it will be.
        header: name of the header's file.

    Attributes:
        partial: the unfinished folder.
    """

    def __init__(self, path: Path, header: str) -> None:
        self.path, self.partial, self._header = path, partial_path(path), header

    @contextmanager
    def locked(self, refusal: HwgenError) -> Iterator[None]:
        """Keep other processes from the same path; makes the folder that it is in.

        Raises:
            HwgenError: `refusal`, where another process is at it.
        """
        with only_one(lock_beside(self.path), tidy=True) as ours:
            if not ours:
                raise refusal
            yield

    def header_file(self, folder: Path) -> Path:
        """The header in the unfinished or the finished folder."""
        return folder / self._header

    def read_header(self, folder: Path) -> dict[str, Any]:
        """The header in the unfinished or the finished folder.

        Raises:
            OSError: it is missing or cannot be read.
            ValueError: it is not a JSON object.
        """
        return read_object(self.header_file(folder))

    def begin(self, header: Mapping[str, Any]) -> None:
        """Make the unfinished folder, which must not be there."""
        self.partial.mkdir()
        write_json(self.header_file(self.partial), header)

    def discard(self) -> None:
        """Remove the unfinished folder; the header last, so that a kill in between is no matter."""
        for entry in self.partial.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != self._header:
                entry.unlink()
        shutil.rmtree(self.partial)

    def publish(self, *, replace: bool, keep_header: bool) -> None:
        """Give the unfinished folder its name.

        Args:
            replace: remove the folder that has this name, once it is out of the way; otherwise
                only an empty folder may have it.
            keep_header: leave the header in the finished folder. It goes after the rename: a whole
                folder without name and header would be discarded.

        Raises:
            OSError: something else is there.
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
        """Remove the old folder, also the one that an earlier, killed process left."""
        shutil.rmtree(replaced_path(self.path), ignore_errors=True)

    def sweep(self) -> None:
        """Remove header and lock of a process that was killed when its folder had its name.

        Nothing that a reader would look at, or that keeps another process out.
        """
        try:
            with only_one(lock_beside(self.path), tidy=True) as ours:
                if ours:
                    self.header_file(self.path).unlink(missing_ok=True)
        except OSError:
            pass  # it is in nobody's way
