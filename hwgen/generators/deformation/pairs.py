"""Random pairs of records of the same class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hwgen.errors import InputError

Ids = npt.NDArray[np.int64]


class Pairs:
    """Endless batches of pairs of different records of one class; every class equally often.

    Batch k is a function of (seed, k) alone. Classes with a single record are skipped.

    Args:
        labels: class ids, int64 [N].
        batch: pairs per batch.
        seed: random seed.

    Raises:
        InputError: no class has two records.
    """

    def __init__(self, labels: Ids, batch: int, seed: int) -> None:
        counts = np.bincount(labels)
        ends = np.cumsum(counts)
        several = counts > 1
        if not several.any():
            raise InputError(
                "no class has two records, expected pairs of samples to learn from",
                remedy="Give a store with several samples per class",
            )
        self._records = np.argsort(labels, kind="stable")
        self._starts, self._counts = (ends - counts)[several], counts[several]
        self._batch, self._seed = batch, seed

    def batch(self, step: int) -> tuple[Ids, Ids]:
        """Records of batch `step` and their partners, int64 [batch] each."""
        rng = np.random.default_rng((self._seed, step))
        chosen = rng.integers(len(self._counts), size=self._batch)
        starts, counts = self._starts[chosen], self._counts[chosen]
        first = rng.integers(counts)
        second = (first + 1 + rng.integers(counts - 1)) % counts
        return self._records[starts + first], self._records[starts + second]
