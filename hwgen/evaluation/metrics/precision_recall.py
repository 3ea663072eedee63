"""In: features of a real and of another set. Out: precision, recall, density, coverage.

Balls around the points of a set, out to each one's k-th neighbour, stand for where the set is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.errors import InputError
from hwgen.evaluation.metrics.nearest_neighbours import Points, inside, nearest

K = 5
"""The neighbour that ends a ball: what Naeem et al. take."""


@dataclass(frozen=True)
class Manifolds:
    """How another set lies to a real one; for two samples of one distribution all are near 1.

    Attributes:
        precision: share of the other set within a ball of the real one, in [0, 1].
        recall: share of the real set within a ball of the other one, in [0, 1].
        density: real balls that a point of the other set lies in, over k; may exceed 1.
        coverage: share of real balls that hold a point of the other set, in [0, 1].
    """

    precision: float
    recall: float
    density: float
    coverage: float


def compare_manifolds(real: Points, other: Points, k: int = K) -> Manifolds:
    """Precision and recall (Kynkäänniemi et al. 2019, Eq. 1 and 2); the rest: Naeem et al. 2020.

    Density is Naeem's Eq. 3, coverage Eq. 4. Borders belong to the balls.

    Args:
        real: float32 [n, d], n > k.
        other: float32 [m, d], m > k.
        k: which neighbour's distance is a ball's radius.

    Raises:
        InputError: a set has k points or fewer.
    """
    if min(len(real), len(other)) <= k:
        raise InputError(
            f"{len(real)} and {len(other)} samples are too few for balls out to neighbour {k}",
            remedy=f"Give at least {k + 1} of each",
        )
    real_radii = nearest(real, real, k, itself=True)[0][:, -1]
    other_radii = nearest(other, other, k, itself=True)[0][:, -1]
    held = inside(other, real, real_radii)
    to_other = nearest(real, other)[0][:, 0]
    return Manifolds(
        precision=float((held > 0).mean()),
        recall=float((inside(real, other, other_radii) > 0).mean()),
        density=float(held.mean() / k),
        coverage=float(np.mean(to_other <= real_radii)),
    )
