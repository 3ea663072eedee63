"""In: classes, writers and a split, as asked for. Out: which records of a store each part gets."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.sources.writer_selection import named_writers
from hwgen.store import Store

Numbers = npt.NDArray[np.int64]
SplitBy = Literal["writer", "record"]


@dataclass(frozen=True)
class Selection:
    """Which records to export, and into which parts.

    Attributes:
        classes: labels; None takes all classes of the store. The export's charset is these classes
            in the store's order, so that class ids run from 0 without gaps.
        writers: ids and ranges of numbers, such as "1001-1050,1055"; "" takes every record.
        split: names and shares of parts, which add up to 1; () makes one whole.
        split_seed: another seed is another split.
        split_by: "writer" puts all records of a writer into one part, so that nobody is in two;
            "record" deals the records of each class out by their shares.
    """

    classes: tuple[str, ...] | None = None
    writers: str = ""
    split: tuple[tuple[str, float], ...] = ()
    split_seed: int = 0
    split_by: SplitBy = "writer"

    def charset(self, store: Store) -> Charset:
        """The classes of the export.

        Raises:
            CharsetError: the store lacks one of them.
        """
        if self.classes is None:
            return store.charset
        return Charset(tuple(store.charset[i] for i in sorted(store.charset.ids(self.classes))))

    def parts(self, store: Store) -> dict[str, Numbers]:
        """Record numbers of each part, in the store's order; a whole is called "".

        Raises:
            InputError: a part would be empty, a writer is absent, or writers are needed and not
                known.
        """
        names = store.manifest.tables["writers"]
        writers = store.columns["writer"]
        chosen = np.isin(store.labels, store.charset.ids(self.charset(store).labels))
        if self.writers:
            if not store.writers:
                raise InputError(
                    "does not tell who wrote its records, so no writer can be chosen",
                    where=str(store.path),
                )
            wanted = set(named_writers(self.writers, [name for name in names if name]))
            chosen &= np.isin(writers, [i for i, name in enumerate(names) if name in wanted])
        numbers = np.flatnonzero(chosen)
        if not len(numbers):
            raise InputError("no record is left to export", where=str(store.path))
        if not self.split:
            return {"": numbers}
        if self.split_by == "writer":
            part = self._by_writer(store, writers[numbers])
        else:
            part = self._by_record(store.labels[numbers], numbers)
        parts = {name: numbers[part == i] for i, (name, _) in enumerate(self.split)}
        for name, those in parts.items():
            if not len(those):
                raise InputError(
                    f"the part {name} would be empty",
                    where=str(store.path),
                    remedy="Give it a larger share",
                )
        return parts

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that decides the choice, given a store and the export's charset."""
        split = {"seed": self.split_seed, "by": self.split_by, "shares": dict(self.split)}
        return {"writers": self.writers, "split": split if self.split else None}

    def _by_writer(self, store: Store, writers: npt.NDArray[np.uint32]) -> Numbers:
        names = store.manifest.tables["writers"]
        present = np.unique(writers).tolist()
        nameless = sum(int((writers == i).sum()) for i in present if not names[i])
        if nameless:
            raise InputError(
                f"{nameless:,} of {len(writers):,} records do not tell who wrote them, so they "
                "cannot be split by writer",
                where=str(store.path),
                remedy="Split by record (--split-by record), and keep in mind that the parts may "
                "then share writers",
            )
        # By a hash, so that the order of writers in the store is of no matter.
        ranked = sorted(present, key=lambda i: _rank(names[i], self.split_seed))
        ends = np.rint(self._ends() * len(ranked))
        part_of = np.empty(len(names), np.int64)
        part_of[ranked] = np.searchsorted(ends, np.arange(len(ranked)), side="right")
        return part_of[writers]

    def _by_record(self, labels: Numbers, numbers: Numbers) -> Numbers:
        ranks = [_rank(str(number), self.split_seed) for number in numbers.tolist()]
        order = np.lexsort((np.array(ranks), labels))
        _, first, counts = np.unique(labels[order], return_index=True, return_counts=True)
        within = np.arange(len(order)) - np.repeat(first, counts)
        share = (within + 0.5) / np.repeat(counts, counts)
        part = np.empty(len(order), np.int64)
        part[order] = np.searchsorted(self._ends()[:-1], share, side="right")
        return part

    def _ends(self) -> npt.NDArray[np.float64]:
        """Where each part ends, of all from 0 to 1."""
        return np.cumsum([share for _, share in self.split])


def parse_split(text: str) -> tuple[tuple[str, float], ...]:
    """Parts from what a user types: `train=0.9,test=0.1`.

    Raises:
        InputError: not of this form, a name twice, or shares that do not add up to 1.
    """
    remedy = "Write it as train=0.9,test=0.1"
    parts: dict[str, float] = {}
    for item in text.split(","):
        match = re.fullmatch(r"\s*([A-Za-z0-9_-]+)\s*=\s*([0-9]*\.?[0-9]+)\s*", item)
        if match is None:
            raise InputError(f"{item.strip()!r} is no part of a split", remedy=remedy)
        if match[1] in parts:
            raise InputError(f"the part {match[1]} stands twice", remedy=remedy)
        parts[match[1]] = float(match[2])
    if min(parts.values()) <= 0 or abs(sum(parts.values()) - 1) > 1e-6:
        raise InputError(
            f"the shares {', '.join(map(str, parts.values()))} are not above 0 with a sum of 1",
            remedy=remedy,
        )
    return tuple(parts.items())


def _rank(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode()).digest()
