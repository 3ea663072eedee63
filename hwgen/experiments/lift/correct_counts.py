"""Test samples that a trained recogniser reads as their label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hwgen.experiments.lift.subsets import Ids
from hwgen.recogniser.inference import Recogniser
from hwgen.store import Store


@dataclass(frozen=True)
class CorrectCounts:
    """Samples by class id.

    Attributes:
        correct: read as their label.
        total: all.
        among_rare: of the rare classes, read as their label where only these are candidates; 0 for
            other classes. None without rare classes.
    """

    correct: list[int]
    total: list[int]
    among_rare: list[int] | None


def count_correct(recogniser: Recogniser, store: Store, rare: Sequence[int] = ()) -> CorrectCounts:
    """Read all samples of a store once.

    Args:
        recogniser: of the store's classes.
        store: samples to test on.
        rare: ids of the rare classes.
    """
    labels, classes, few = store.labels, len(store.charset), np.asarray(rare, np.int64)
    best, best_rare = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for block in store.image_blocks():
        probabilities = recogniser.read(block)
        best.append(probabilities.argmax(axis=1))
        if len(few):
            best_rare.append(few[probabilities[:, few].argmax(axis=1)])

    def correct(read: Ids) -> list[int]:
        counts: list[int] = np.bincount(labels[read == labels], minlength=classes).tolist()
        return counts

    return CorrectCounts(
        correct(np.concatenate(best)),
        np.bincount(labels, minlength=classes).tolist(),
        correct(np.concatenate(best_rare)) if len(few) else None,
    )
