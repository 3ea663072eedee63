"""In: samples of a generator, and real pictures. Out: whether it collapsed, as numbers.

The rule was fixed before the runs. A run has collapsed where, at its end, one of these holds:

- a loss or a weight is not finite;
- the samples have become alike, by the rule that stops `hwgen train`
(hwgen.generators.gan.collapse): they vary
  by less than 15 % of what real pictures do, or by less than a third of what they did at best;
- the distance is 1 or more: they are no nearer to the real pictures than their mean picture is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hwgen.data import average_down, to_images, to_tensor
from hwgen.evaluation.metrics.frechet import frechet_distance
from hwgen.generators.gan.collapse import collapse
from hwgen.imaging.pixel_deviation import pixel_deviation
from hwgen.record import Image
from hwgen.store import Store

SMALL = 8
"""Side of the pictures whose moments are compared."""

SAMPLES = 1_000
"""Pictures that are measured, real ones and samples."""


@dataclass(frozen=True)
class Real:
    """What samples are compared with.

    Attributes:
        features: of real pictures, [n, d].
        variance: of the features, summed.
        deviation: see pixel_deviation.
        own_distance: of other real pictures, as `measures` has it: as small as it can get.
        saturated: share of numbers that are 0 or 255.
    """

    features: npt.NDArray[np.float64]
    variance: float
    deviation: float
    own_distance: float
    saturated: float


def real_of(store: Store, size: int) -> Real:
    """Two halves of at most 2 * SAMPLES records, taken at random, shrunk to the size."""
    chosen = np.random.default_rng(0).permutation(len(store))[: 2 * SAMPLES]
    tensor = to_tensor(store.images(np.sort(chosen)), torch.device("cpu"))
    images = to_images(average_down(tensor, size))
    features, other = small(images[::2]), small(images[1::2])
    variance = float(features.var(axis=0, ddof=1).sum())
    return Real(
        features=features,
        variance=variance,
        deviation=pixel_deviation(images[::2]),
        own_distance=frechet_distance(other, features) / variance,
        saturated=saturated(images),
    )


def small(images: Image) -> npt.NDArray[np.float64]:
    """Pictures averaged down to SMALL pixels a side, as rows of numbers."""
    shrunk = average_down(to_tensor(images, torch.device("cpu")), SMALL)
    return shrunk.flatten(1).double().numpy()


def saturated(images: Image) -> float:
    """Share of the numbers that are 0 or 255."""
    return float(((images == 0) | (images == 255)).mean())


def measures(images: Image, real: Real) -> dict[str, float]:
    """Figures of one snapshot.

    Args:
        images: samples, uint8 [n, S, S, 3], as many as there are real features.
        real: what they are compared with.

    Returns:
        variety: mean deviation of a pixel, as a share of the real one.
        distance: Fréchet distance of the pictures averaged down, over the variance of the real
            ones: 0 for the same mean and covariance, 1 for nothing but the real mean picture, more
            for any other single picture.
        saturated: share of numbers that are 0 or 255.
    """
    return {
        "variety": pixel_deviation(images) / real.deviation,
        "distance": frechet_distance(small(images), real.features) / real.variance,
        "saturated": saturated(images),
    }


def verdict(snapshots: Sequence[Mapping[str, Any]], diverged: str = "") -> str:
    """Why a run counts as collapsed, by the rule above; "" where it does not.

    Args:
        snapshots: `measures` of the whole run, the end last.
        diverged: what was not finite.
    """
    if diverged:
        return f"diverged: {diverged}"
    end = snapshots[-1]
    # In units of the real deviation, so that the real one is 1.
    before = [{"deviation": snapshot["variety"]} for snapshot in snapshots[:-1]]
    if collapse({"deviation": end["variety"]}, before, real=1.0, done=1.0):
        best = max(snapshot["variety"] for snapshot in snapshots)
        return f"alike: {end['variety']:.0%} of the real variety, at best {best:.0%}"
    if end["distance"] >= 1:
        return f"no nearer than the mean picture: distance {end['distance']:.2f}"
    return ""
