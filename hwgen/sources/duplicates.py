"""In: what inputs hold, in order. Out: each once, or an error where two have one name."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Protocol, TypeVar

from hwgen.errors import InputError


class Found(Protocol):
    """Something that an input holds."""

    @property
    def name(self) -> str:
        """As records and reports call it."""

    @property
    def path(self) -> Path:
        """Of the file or folder on the disk, an archive where it lies in one."""


T = TypeVar("T", bound=Found)


def unique_by_name(found: Iterable[tuple[Hashable, T]]) -> list[T]:
    """Each thing once, in the order in which they were met first.

    Args:
        found: things, each with what is equal if it is the same thing met by another path.

    Raises:
        InputError: two different ones have the same name.
    """
    seen: set[tuple[Path, Hashable]] = set()
    by_name: dict[str, T] = {}
    for inner, thing in found:
        key = (thing.path.resolve(), inner)
        if key in seen:
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
