"""In: features of two sets. Out: how often a sample's nearest neighbour is of its own set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.errors import InputError
from hwgen.evaluation.metrics.nearest_neighbours import Points, nearest


@dataclass(frozen=True)
class TwoSample:
    """Leave-one-out accuracy of the 1-nearest-neighbour classifier "which set is it from?".

    Attributes:
        accuracy: over both sets; 0.5 where they cannot be told apart, 1 where they lie apart,
            below 0.5 where the second set repeats samples of the first.
        first: share of the first set whose nearest neighbour is of the first set.
        second: likewise of the second; near 1 where it is a few modes.
    """

    accuracy: float
    first: float
    second: float


def nearest_neighbour_test(first: Points, second: Points) -> TwoSample:
    """The 1-NN two-sample test (Lopez-Paz & Oquab 2017, section 2; apart: Xu et al. 2018).

    Args:
        first: float32 [n, d].
        second: float32 [n, d]: as many, or chance is not 0.5.

    Raises:
        InputError: the sets are not of one size, or empty.
    """
    if len(first) != len(second) or not len(first):
        raise InputError(
            f"sets of {len(first)} and {len(second)} samples cannot be compared by neighbours",
            remedy="Give two sets of one size",
        )
    both = np.concatenate([first, second])
    of_first = np.arange(len(both)) < len(first)
    same = of_first[nearest(both, both, itself=True)[1][:, 0]] == of_first
    return TwoSample(
        accuracy=float(same.mean()),
        first=float(same[of_first].mean()),
        second=float(same[~of_first].mean()),
    )
