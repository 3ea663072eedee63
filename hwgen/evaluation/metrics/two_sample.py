"""1-nearest-neighbour two-sample test of two sets of features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.errors import InputError
from hwgen.evaluation.metrics.nearest_neighbours import Points, nearest


@dataclass(frozen=True)
class TwoSample:
    """Leave-one-out accuracy of the 1-nearest-neighbour classifier between two sets.

    Attributes:
        accuracy: over both sets; 0.5 where they are indistinguishable, 1 where they are separate,
            below 0.5 where the second set repeats samples of the first.
        first: fraction of the first set with the nearest neighbour in the first set.
        second: the same of the second set; near 1 where it has collapsed to a few modes.
    """

    accuracy: float
    first: float
    second: float


def nearest_neighbour_test(first: Points, second: Points) -> TwoSample:
    """1-NN two-sample test (Lopez-Paz & Oquab 2017, section 2; per set: Xu et al. 2018).

    Args:
        first: float32 [n, d].
        second: float32 [n, d]; of equal size, so that chance is 0.5.

    Raises:
        InputError: the sets differ in size, or are empty.
    """
    if len(first) != len(second) or not len(first):
        raise InputError(
            f"the 1-NN test needs two sets of equal size, found {len(first)} and {len(second)} "
            "samples",
            remedy="Give equally many samples of both",
        )
    both = np.concatenate([first, second])
    in_first = np.arange(len(both)) < len(first)
    same = in_first[nearest(both, both, itself=True)[1][:, 0]] == in_first
    return TwoSample(
        accuracy=float(same.mean()),
        first=float(same[in_first].mean()),
        second=float(same[~in_first].mean()),
    )
