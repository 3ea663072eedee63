"""Selection of the records of an export by class and writer, and their split into subsets."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.io.class_folders import is_device
from hwgen.schema import check_numbers, check_seed
from hwgen.sources.writer_selection import named_writers
from hwgen.store import Store

Numbers = npt.NDArray[np.int64]
SplitBy = Literal["writer", "record"]
_MAX_NAME = 100  # characters


@dataclass(frozen=True)
class Selection:
    """Which records to export, and into which subsets.

    Attributes:
        classes: labels; None selects all classes of the store. The charset of the export is these
            classes in the store's order, so that class ids run from 0 without gaps.
        writers: ids and ranges of numbers, such as "1001-1050,1055"; "" selects every record.
        split: names and fractions of the subsets; the fractions sum to 1. () does not split.
        split_seed: each seed gives another split.
        split_by: "writer" puts all records of a writer into one subset, so that no writer is in
            two; "record" splits the records of each class.

    Raises:
        InputError: a number is out of range.
    """

    classes: tuple[str, ...] | None = None
    writers: str = ""
    split: tuple[tuple[str, float], ...] = ()
    split_seed: int = 0
    split_by: SplitBy = "writer"

    def __post_init__(self) -> None:
        check_seed(self.split_seed)
        check_numbers(self.split, "split")

    def charset(self, store: Store) -> Charset:
        """The classes of the export.

        Raises:
            CharsetError: the store lacks one of them.
        """
        if self.classes is None:
            return store.charset
        return Charset(tuple(store.charset[i] for i in sorted(store.charset.ids(self.classes))))

    def subsets(self, store: Store) -> dict[str, Numbers]:
        """Record numbers of each subset, in the store's order; without a split, one named "".

        Raises:
            InputError: a subset would be empty, the store does not have a writer, or the writers of
                its records are needed but not known.
        """
        names = store.manifest.tables["writers"]
        writers = store.columns["writer"]
        chosen = np.isin(store.labels, store.charset.ids(self.charset(store).labels))
        if self.writers:
            if not store.writers:
                raise InputError(
                    "does not know the writers of its records, so none can be selected",
                    where=str(store.path),
                    remedy="Leave --writers out",
                )
            wanted = set(named_writers(self.writers, [name for name in names if name]))
            chosen &= np.isin(writers, [i for i, name in enumerate(names) if name in wanted])
        numbers = np.flatnonzero(chosen)
        if not len(numbers):
            raise InputError(
                "no record is selected for export",
                where=str(store.path),
                remedy="Select other classes or writers",
            )
        if not self.split:
            return {"": numbers}
        if self.split_by == "writer":
            assigned = self._by_writer(store, writers[numbers])
        else:
            assigned = self._by_record(store.labels[numbers], numbers)
        subsets = {name: numbers[assigned == i] for i, (name, _) in enumerate(self.split)}
        for name, own in subsets.items():
            if not len(own):
                raise InputError(
                    f"the subset {name} would be empty",
                    where=str(store.path),
                    remedy="Give it a larger fraction",
                )
        return subsets

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that determines the records, given a store and the charset of the export."""
        split = {"seed": self.split_seed, "by": self.split_by, "shares": dict(self.split)}
        return {"writers": self.writers, "split": split if self.split else None}

    def _by_writer(self, store: Store, writers: npt.NDArray[np.uint32]) -> Numbers:
        names = store.manifest.tables["writers"]
        present = np.unique(writers).tolist()
        nameless = sum(int((writers == i).sum()) for i in present if not names[i])
        if nameless:
            raise InputError(
                f"the writers of {nameless:,} of {len(writers):,} records are not known, so they "
                "cannot be split by writer",
                where=str(store.path),
                remedy="Split by record (--split-by record); a writer may then be in several "
                "subsets",
            )
        # Ranked by hash, so that the split does not depend on the order of writers in the store.
        ranked = sorted(present, key=lambda i: _rank(names[i], self.split_seed))
        ends = np.rint(self._ends() * len(ranked))
        assigned = np.empty(len(names), np.int64)
        assigned[ranked] = np.searchsorted(ends, np.arange(len(ranked)), side="right")
        return assigned[writers]

    def _by_record(self, labels: Numbers, numbers: Numbers) -> Numbers:
        ranks = [_rank(str(number), self.split_seed) for number in numbers.tolist()]
        order = np.lexsort((np.array(ranks), labels))
        _, first, counts = np.unique(labels[order], return_index=True, return_counts=True)
        within = np.arange(len(order)) - np.repeat(first, counts)
        quantile = (within + 0.5) / np.repeat(counts, counts)
        assigned = np.empty(len(order), np.int64)
        assigned[order] = np.searchsorted(self._ends()[:-1], quantile, side="right")
        return assigned

    def _ends(self) -> npt.NDArray[np.float64]:
        """Cumulative fractions: where each subset ends, in [0, 1]."""
        return np.cumsum([fraction for _, fraction in self.split])


def parse_split(text: str) -> tuple[tuple[str, float], ...]:
    """Names and fractions of a split such as `train=0.9,test=0.1`.

    Raises:
        InputError: it has another form, a name occurs twice, or the fractions do not sum to 1.
    """
    remedy = "Write it as train=0.9,test=0.1"
    fractions: dict[str, float] = {}
    for item in text.split(","):
        match = re.fullmatch(r"\s*([A-Za-z0-9_-]+)\s*=\s*([0-9]*\.?[0-9]+)\s*", item)
        if match is None:
            raise InputError(f"{item.strip()!r} is not of the form NAME=FRACTION", remedy=remedy)
        if match[1].lower() in map(str.lower, fractions):
            raise InputError(f"the split names {match[1]} twice", remedy=remedy)
        if is_device(match[1]) or len(match[1]) > _MAX_NAME:
            raise InputError(f"{match[1]:.40} is not possible as a folder's name", remedy=remedy)
        fractions[match[1]] = float(match[2])
    if min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-6:
        raise InputError(
            "the fractions of a split must be above 0 and sum to 1, found "
            f"{', '.join(map(str, fractions.values()))}",
            remedy=remedy,
        )
    return tuple(fractions.items())


def _rank(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode()).digest()
