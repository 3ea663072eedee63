"""Test samples that a trained recogniser reads as their label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwgen.recogniser.inference import Recogniser
from hwgen.results.lift import AMONG_RARE
from hwgen.results.trials import MOST_WRITERS, ByWriter
from hwgen.store import Store


@dataclass(frozen=True)
class CorrectCounts:
    """Samples by class id.

    Attributes:
        correct: read as their label.
        total: all.
        among_rare: of the rare classes, read as their label where only these are candidates; 0 for
            other classes. None without rare classes.
        by_writer: see TrialResult.
    """

    correct: list[int]
    total: list[int]
    among_rare: list[int] | None
    by_writer: ByWriter | None


def count_correct(
    recogniser: Recogniser, store: Store, groups: Mapping[str, Sequence[int]] | None = None
) -> CorrectCounts:
    """Read all samples of a store once.

    Args:
        recogniser: of the store's classes.
        store: samples to test on.
        groups: class ids by name, counted by writer; with AMONG_RARE, only the classes of that
            group are candidates there.
    """
    groups = groups or {}
    labels, classes = store.labels, len(store.charset)
    rare = np.asarray(groups.get(AMONG_RARE, ()), np.int64)
    best, best_rare = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for block in store.image_blocks():
        probabilities = recogniser.read(block)
        best.append(probabilities.argmax(axis=1))
        if len(rare):
            best_rare.append(rare[probabilities[:, rare].argmax(axis=1)])
    right = np.concatenate(best) == labels
    right_among_rare = np.concatenate(best_rare) == labels if len(rare) else None

    def by_class(of: npt.NDArray[np.bool_]) -> list[int]:
        counts: list[int] = np.bincount(labels[of], minlength=classes).tolist()
        return counts

    def in_group(name: str) -> npt.NDArray[np.bool_]:
        found = right_among_rare if name == AMONG_RARE else right
        assert found is not None  # AMONG_RARE has classes
        return found

    return CorrectCounts(
        by_class(right),
        np.bincount(labels, minlength=classes).tolist(),
        None if right_among_rare is None else by_class(right_among_rare),
        _by_writer(store, {name: (in_group(name), ids) for name, ids in groups.items()}),
    )


def _by_writer(
    store: Store, groups: Mapping[str, tuple[npt.NDArray[np.bool_], Sequence[int]]]
) -> ByWriter | None:
    """Counts of the right samples of each group; None if there are not several known writers."""
    names = store.manifest.tables["writers"]
    if not 2 <= len(names) <= MOST_WRITERS or "" in names or not groups:
        return None
    labels, writers = store.labels, store.columns["writer"]
    found: ByWriter = {}
    for name, (right, ids) in groups.items():
        inside = np.isin(labels, np.asarray(ids, np.int64))
        correct, total = (
            np.bincount(writers[which], minlength=len(names)).tolist()
            for which in (inside & right, inside)
        )
        found[name] = {
            writer: (correct[number], total[number])
            for number, writer in enumerate(names)
            if total[number]
        }
    return found
