"""In: samples of G on the ring. Out: how many modes they cover, and how well."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

STRICT = 3.0
"""A sample within so many standard deviations of the nearest mode's centre is of high quality."""

NEAR = 0.2
"""A sample so near to a centre, in radii of the ring, is seen there in a density plot: it is about
the plot's bandwidth. Neighbouring modes are 0.77 apart."""

COUNTS = 20 / 2500
"""A mode is covered by this share of the samples at least; a true one has 1/8 of them."""

Values = npt.NDArray[np.floating[Any]]


def scores(samples: Values, centres: Values, probabilities: Values, sd: float) -> dict[str, float]:
    """Figures of one snapshot.

    Args:
        samples: [N, 2].
        centres: of the modes, [M, 2].
        probabilities: of the modes, [M].
        sd: of a mode, in each direction.

    Returns:
        modes: modes with COUNTS of the samples within STRICT standard deviations.
        share: of samples that near to a mode; of true samples 1 - exp(-4.5) = 98.9 %.
        modes_near: modes with COUNTS of the samples within NEAR.
        share_near: of samples that near to a mode; of samples spread evenly over the circle, as if
            it had no modes, 51 %.
        kl: Kullback-Leibler divergence in nats of the histogram of nearest modes from the
            probabilities; 0 where they agree, log M where all are at one of M even modes.
        spread: root mean square distance of the near samples from their centres, over what it is
            for true ones; 0 where there are none.
    """
    near = NEAR * np.linalg.norm(centres[0])
    distances = np.linalg.norm(samples[:, None].astype(np.float64) - centres, axis=2)
    mode, distance = distances.argmin(axis=1), distances.min(axis=1)
    found: dict[str, float] = {}
    for suffix, reach in (("", STRICT * sd), ("_near", near)):
        counts = np.bincount(mode[distance <= reach], minlength=len(centres))
        found[f"modes{suffix}"] = int((counts >= COUNTS * len(samples)).sum())
        found[f"share{suffix}"] = float(counts.sum() / len(samples))
    histogram = np.bincount(mode, minlength=len(centres)) / len(samples)
    there = histogram > 0
    ratio = histogram[there] / probabilities[there]
    found["kl"] = float((histogram[there] * np.log(ratio)).sum())
    close = distance[distance <= near]
    found["spread"] = float(np.sqrt((close**2).mean()) / (sd * math.sqrt(2))) if len(close) else 0.0
    return found


def density(samples: Values, bandwidth: float, limit: float, pixels: int) -> Values:
    """Gaussian kernel density on a grid over [-limit, limit]^2, [y, x]."""
    ticks = np.linspace(-limit, limit, pixels)
    x, y = (np.exp(-0.5 * ((ticks[:, None] - s) / bandwidth) ** 2) for s in samples.T)
    return y @ x.T / (len(samples) * 2 * math.pi * bandwidth**2)


def scott(count: int, deviation: float) -> float:
    """Scott's bandwidth of a density in the plane (Scott 1992)."""
    return float(deviation * count ** (-1 / 6))
