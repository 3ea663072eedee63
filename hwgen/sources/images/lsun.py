"""Reader of LSUN's LMDB folders, one category each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hwgen.sources.images.collection import Collection, EncodedImage
from hwgen.sources.images.lmdb_files import Lmdb

_KEY = re.compile(rb"[0-9a-f]{40}")
_ENDING = re.compile(r"(_(train|val|test))?(_lmdb)?$")


@dataclass(frozen=True)
class Lsun(Collection):
    """One category: each value is an image file, its key 40 hex digits.

    Only one image is in memory at a time.
    """

    format: ClassVar[str] = "lsun"

    def items(self) -> Iterator[EncodedImage]:
        """See Collection; the label is the folder's name without `_train_lmdb`."""
        label = category_of(self.path)
        with Lmdb(self.path) as database:
            for position, (key, value) in enumerate(database.entries()):
                name = f"{self.name}[{key.decode('ascii', 'backslashreplace')}]"
                yield EncodedImage(label, self.name, position, name, value)


def is_lsun(database: Lmdb) -> bool:
    """Whether the keys of an LMDB are those of LSUN; an empty one may be."""
    first = next(database.entries(), None)
    return first is None or bool(_KEY.fullmatch(first[0]))


def category_of(path: Path) -> str:
    """`bedroom` for `bedroom_train_lmdb`; other names are unchanged."""
    return _ENDING.sub("", path.name) or path.name
