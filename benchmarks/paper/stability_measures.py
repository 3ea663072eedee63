"""Whether a generator collapsed: scores of its samples beside real images, and a fixed rule.

The rule was fixed before the runs. A run counts as collapsed if one of these holds at its end:

- a loss or a weight is not finite;
- the samples are alike by the rule that stops `hwgen train`
  (hwgen.generators.adversarial.collapse): their variety is below 15 % of that of real images, or
  below a third of its best value in the run;
- the distance is at least 1: they are no nearer to the real images than the mean real image is.
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
from hwgen.generators.adversarial.collapse import collapse
from hwgen.imaging.pixel_deviation import pixel_deviation
from hwgen.record import Image
from hwgen.store import Store

SMALL = 8
"""Size in pixels of the images whose moments are compared."""

SAMPLES = 1_000
"""Number of real images and of samples that are scored."""


@dataclass(frozen=True)
class Real:
    """Real images that samples are compared with.

    Attributes:
        features: of real images, [n, d].
        variance: of the features, summed.
        deviation: see pixel_deviation.
        own_distance: distance of other real images, see `measures`: the smallest to expect.
        saturated: fraction of pixel values that are 0 or 255.
    """

    features: npt.NDArray[np.float64]
    variance: float
    deviation: float
    own_distance: float
    saturated: float


def real_of(store: Store, size: int) -> Real:
    """Two random halves of at most 2 * SAMPLES records, averaged down to `size`."""
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
    """Images averaged down to SMALL x SMALL pixels, [n, values]."""
    shrunk = average_down(to_tensor(images, torch.device("cpu")), SMALL)
    return shrunk.flatten(1).double().numpy()


def saturated(images: Image) -> float:
    """Fraction of pixel values that are 0 or 255."""
    return float(((images == 0) | (images == 255)).mean())


def measures(images: Image, real: Real) -> dict[str, float]:
    """Scores of one snapshot.

    Args:
        images: samples, uint8 [n, S, S, 3], as many as real features.
        real: to compare with.

    Returns:
        variety: mean standard deviation of a pixel over that of real images.
        distance: Fréchet distance of the averaged images over the variance of the real ones: 0 for
            equal mean and covariance, 1 if all samples are the mean real image, more for any other
            single image.
        saturated: fraction of pixel values that are 0 or 255.
    """
    return {
        "variety": pixel_deviation(images) / real.deviation,
        "distance": frechet_distance(small(images), real.features) / real.variance,
        "saturated": saturated(images),
    }


def verdict(snapshots: Sequence[Mapping[str, Any]], diverged: str = "") -> str:
    """Why a run counts as collapsed by the rule above; "" if it does not.

    Args:
        snapshots: `measures` of the whole run in order.
        diverged: the value that was not finite.
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
        return f"no nearer than the mean image: distance {end['distance']:.2f}"
    return ""
