"""The search of a folder, for all formats: links are followed, and nothing is lost unseen."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hwgen.errors import InputError
from hwgen.io import os_errors
from hwgen.io.ignored import is_hidden, is_ignored

BROKEN_LINK = "broken link"
LINK_ABOVE = "link to a folder above it"
LINK_IN_ZIP = "symbolic link in a zip"
NO_FILE = "pipe, socket or device"
READ_ALREADY = "read already"
UNREADABLE = "file that cannot be read"
VANISHED = "vanished during the search"
"""Why something is left out."""

_GONE = (errno.ENOENT, errno.ESTALE)
_SHOWN_PATH = 200  # characters

Tell = Callable[[str, str], None]
"""Called with the reason and the path, below the folder searched, of what is left out."""


@dataclass(frozen=True)
class Place:
    """A folder that was reached.

    Attributes:
        folder: its path.
        parts: its path below the folder searched.
        files: names and sizes in bytes of its regular files, sorted by name.
        linked: folders of the files that symbolic links in it lead to.
    """

    folder: str
    parts: tuple[str, ...]
    files: list[tuple[str, int]] = field(default_factory=list)
    linked: set[str] = field(default_factory=set)

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.folder)


def walk(root: Path, tell: Tell, hidden: Callable[[str], None]) -> list[Place]:
    """The folder and all folders below it, sorted by path.

    Symbolic links are followed. A folder is visited once under each of its names, and never below
    itself. A file reached twice in folders of one name counts once, also by hard links. Names for
    which `is_ignored` is true are left out.

    Args:
        root: the folder.
        tell: see Tell; called for broken links, links to a folder above, files reached twice, what
            is neither file nor folder, and what vanishes during the search.
        hidden: called with the name of each hidden file.

    Raises:
        InputError: a folder cannot be read.
    """
    search = _Search(root, tell, hidden)
    search.run()
    return sorted(search.places, key=lambda place: place.parts)


@dataclass
class _Search:
    root: Path
    tell: Tell
    hidden: Callable[[str], None]
    places: list[Place] = field(default_factory=list)
    _folders: set[tuple[int, int, str]] = field(default_factory=set)
    _linked_folders: list[tuple[str, ...]] = field(default_factory=list)
    _shared_files: list[tuple[Place, str, os.stat_result, bool]] = field(default_factory=list)

    def run(self) -> None:
        """Visit real folders first, so that links to them are the second way to reach them."""
        self._visit(())
        for parts in self._linked_folders:  # grows
            target = os.path.realpath(self._path(parts))
            here = os.path.realpath(self._path(parts[:-1]))
            if _is_above(target, here) or _is_above(target, os.path.realpath(self.root)):
                self.tell(LINK_ABOVE, "/".join(parts))
            else:
                self._visit(parts)
        self._add_shared_files()

    def _path(self, parts: Iterable[str]) -> str:
        return os.path.join(self.root, *parts)  # pathlib takes milliseconds where there are many

    def _visit(self, parts: tuple[str, ...]) -> None:
        """A folder and the real folders below it."""
        waiting = [parts]
        while waiting:
            parts = waiting.pop()
            path = self._path(parts)
            try:
                found = os.stat(path)
                with os.scandir(path) as entries:
                    held = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                if error.errno in _GONE and parts:
                    self.tell(VANISHED, "/".join(parts))
                    continue
                raise _unreadable(path, error) from None
            key = (found.st_dev, found.st_ino, _name(path))
            if found.st_ino and key in self._folders:
                self.tell(READ_ALREADY, "/".join(parts))
                continue
            self._folders.add(key)
            waiting += self._read(Place(path, parts), held)

    def _read(self, place: Place, entries: list[os.DirEntry[str]]) -> list[tuple[str, ...]]:
        """Note a folder's entries; returns the real folders among them, the last one first."""
        self.places.append(place)
        folders: list[tuple[str, ...]] = []
        for entry in entries:
            parts = (*place.parts, entry.name)
            try:
                if is_ignored((entry.name,)):
                    self._count_hidden(entry)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(parts)
                elif entry.is_file(follow_symlinks=False):
                    found = entry.stat(follow_symlinks=False)
                    if found.st_nlink > 1 and found.st_ino:
                        self._shared_files.append((place, entry.name, found, False))
                    else:
                        place.files.append((entry.name, found.st_size))
                elif entry.is_dir():
                    self._linked_folders.append(parts)
                elif entry.is_file():
                    self._shared_files.append((place, entry.name, entry.stat(), True))
                elif entry.is_symlink() and not os.path.exists(entry.path):
                    self.tell(BROKEN_LINK, "/".join(parts))
                else:
                    self.tell(NO_FILE, "/".join(parts))
            except OSError as error:
                if error.errno not in _GONE:
                    raise _unreadable(entry.path, error) from None
                self.tell(VANISHED, "/".join(parts))
        return folders[::-1]

    def _count_hidden(self, entry: os.DirEntry[str]) -> None:
        """Tell of a hidden file, or of those in a hidden folder; links are not followed."""
        waiting: list[tuple[os.DirEntry[str], tuple[str, ...]]] = [(entry, (entry.name,))]
        while waiting:
            entry, parts = waiting.pop()
            if not is_hidden(parts):
                continue
            if not entry.is_dir(follow_symlinks=False):
                if entry.is_file():
                    self.hidden(entry.name)
                continue
            try:
                with os.scandir(entry.path) as entries:
                    waiting += [(inner, (*parts, inner.name)) for inner in entries]
            except OSError:
                continue  # nothing in it would have been read

    def _add_shared_files(self) -> None:
        """Add what links lead to, once in folders of one name."""
        seen: set[tuple[int, int, str]] = set()
        # Hard links before symbolic ones, each in the order of their paths.
        for place, name, found, is_link in sorted(
            self._shared_files, key=lambda shared: (shared[3], shared[0].parts, shared[1])
        ):
            key = (found.st_dev, found.st_ino, _name(place.folder))
            if key in seen or (is_link and self._is_read(place, name)):
                self.tell(READ_ALREADY, "/".join((*place.parts, name)))
                continue
            seen.add(key)
            place.files.append((name, found.st_size))
            if is_link:
                target = os.path.realpath(os.path.join(place.folder, name))
                place.linked.add(os.path.dirname(target))
        for place in {id(place): place for place, *_ in self._shared_files}.values():
            place.files.sort()

    def _is_read(self, place: Place, name: str) -> bool:
        """Whether a link leads to a file in a folder that was visited under the same name."""
        target = os.path.realpath(os.path.join(place.folder, name))
        folder, file = os.path.split(target)
        found = os.stat(folder)
        return (
            found.st_dev,
            found.st_ino,
            _name(place.folder),
        ) in self._folders and not is_ignored((file,))


def _name(folder: str) -> str:
    name = os.path.basename(folder)
    return os.path.basename(os.path.realpath(folder)) if name in ("", ".", "..") else name


def _is_above(folder: str, other: str) -> bool:
    """Whether a folder is another one or contains it; both are real paths."""
    return Path(other).is_relative_to(folder)


def _unreadable(path: str, error: OSError) -> InputError:
    return InputError(
        f"cannot be read ({os_errors.reason(error)})",
        where=path if len(path) <= _SHOWN_PATH else f"{path[:_SHOWN_PATH]}...",
        remedy=os_errors.remedy(error),
    )
