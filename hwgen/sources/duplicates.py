"""Removing inputs that are given twice, and refusing two of the same name."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

from hwgen.errors import InputError
from hwgen.io.walk import READ_ALREADY
from hwgen.sources.unread import Unread


class Found(Protocol):
    """Something found in an input."""

    @property
    def name(self) -> str:
        """Its name in records and reports."""

    @property
    def path(self) -> Path:
        """The file, folder or archive on the disk."""


T = TypeVar("T", bound=Found)


def unique_by_name(found: Iterable[tuple[Hashable, T]], unread: Unread | None = None) -> list[T]:
    """Each thing once, in the order of first appearance.

    Args:
        found: things, each with a key that identifies it within its path.
        unread: counts the things that were given twice.

    Raises:
        InputError: two different things have the same name.
    """
    seen: set[tuple[Hashable, Hashable]] = set()
    by_name: dict[str, T] = {}
    for inner, thing in found:
        key = (_identity(thing.path), inner)
        if key in seen:
            if unread is not None:
                unread.add(READ_ALREADY, thing.name, may_be_data=False)
            continue
        seen.add(key)
        if thing.name in by_name:
            raise InputError(
                f"two inputs are called {thing.name}",
                where=f"{by_name[thing.name].path} and {thing.path}",
                remedy="Give the folder that holds both, or rename one",
            )
        by_name[thing.name] = thing
    return list(by_name.values())


def _identity(path: Path) -> Hashable:
    """The same for all links to a file or folder, hard links included."""
    with suppress(OSError):
        found = path.stat()
        if found.st_ino:
            return found.st_dev, found.st_ino
    return path.resolve()
