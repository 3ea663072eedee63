"""Scores of samples on the ring: modes covered, distance from them, distribution over them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

STRICT = 3.0
"""A sample is of high quality within this many standard deviations of a mode's centre."""

NEAR = 0.2
"""A sample is near a mode within this distance of its centre, in radii of the ring: about the
bandwidth of the density plots. Neighbouring modes are 0.77 apart."""

COUNTS = 20 / 2500
"""Least fraction of the samples that covers a mode; the true fraction is 1/8."""

Values = npt.NDArray[np.floating[Any]]


def scores(samples: Values, centres: Values, probabilities: Values, sd: float) -> dict[str, float]:
    """Scores of one snapshot.

    Args:
        samples: [N, 2].
        centres: of the modes, [M, 2].
        probabilities: of the modes, [M].
        sd: of a mode, in each direction.

    Returns:
        modes: modes with COUNTS of the samples within STRICT standard deviations.
        share: fraction of samples that close to a mode; of true samples 1 - exp(-4.5) = 98.9 %.
        modes_near: modes with COUNTS of the samples within NEAR.
        share_near: fraction of samples within NEAR of a mode; 51 % for points that are uniform on
            the circle.
        kl: Kullback-Leibler divergence in nats of the histogram of nearest modes from the
            probabilities; 0 if they agree, log M if all samples are at one of M equal modes.
        spread: root mean square distance of the near samples from their centres, over that of
            true samples; 0 without near samples.
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
    present = histogram > 0
    ratio = histogram[present] / probabilities[present]
    found["kl"] = float((histogram[present] * np.log(ratio)).sum())
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
