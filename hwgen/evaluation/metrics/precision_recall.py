"""Precision, recall, density and coverage of a set of features, relative to a real set.

The manifold of a set is the union of balls around its points, each with the distance to the k-th
nearest neighbour as its radius.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.errors import InputError
from hwgen.evaluation.metrics.nearest_neighbours import Points, inside, nearest

K = 5
"""The distance to the k-th neighbour is the radius of a ball; the k of Naeem et al. 2020."""


@dataclass(frozen=True)
class ManifoldComparison:
    """Agreement of two sets; all values are near 1 for two samples of one distribution.

    Attributes:
        precision: fraction of the other set inside the real manifold, in [0, 1].
        recall: fraction of the real set inside the other manifold, in [0, 1].
        density: number of real balls that a point of the other set lies in, divided by k; may
            exceed 1.
        coverage: fraction of real balls that contain a point of the other set, in [0, 1].
    """

    precision: float
    recall: float
    density: float
    coverage: float


def compare_manifolds(real: Points, other: Points, k: int = K) -> ManifoldComparison:
    """Precision and recall (Kynkäänniemi et al. 2019, Eq. 1 and 2), density and coverage.

    The latter are Eq. 3 and 4 of Naeem et al. 2020. Balls include their surface.

    Args:
        real: float32 [n, d], n > k.
        other: float32 [m, d], m > k.
        k: the distance to the k-th neighbour is the radius of a ball.

    Raises:
        InputError: a set has k points or fewer.
    """
    if min(len(real), len(other)) <= k:
        raise InputError(
            f"{len(real)} and {len(other)} samples are too few for {k} nearest neighbours",
            remedy=f"Give at least {k + 1} samples of each set",
        )
    real_radii = nearest(real, real, k, itself=True)[0][:, -1]
    other_radii = nearest(other, other, k, itself=True)[0][:, -1]
    balls = inside(other, real, real_radii)
    to_other = nearest(real, other)[0][:, 0]
    return ManifoldComparison(
        precision=float((balls > 0).mean()),
        recall=float((inside(real, other, other_radii) > 0).mean()),
        density=float(balls.mean() / k),
        coverage=float(np.mean(to_other <= real_radii)),
    )
