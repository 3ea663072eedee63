"""In: samples of one class. Out: how much they vary, and synthetic variety as a share of real one.

A generator that ignores z draws one picture a class, and each class has deviation 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Diversity:
    """Variety within classes, synthetic as a share of real.

    Attributes:
        ratio: mean synthetic deviation over mean real deviation, over the shared classes.
        per_class: the same for each shared class.
    """

    ratio: float
    per_class: dict[str, float]


def feature_deviation(features: npt.NDArray[np.float32]) -> float:
    """Root of the summed variances (n - 1): the size of the cloud of one class.

    Args:
        features: float32 [n, d], n >= 2, all of one class.
    """
    return float(np.sqrt(features.astype(np.float64).var(axis=0, ddof=1).sum()))


def diversity(synthetic: Mapping[str, float], real: Mapping[str, float]) -> Diversity | None:
    """Compare the deviations of the classes that both have.

    Args:
        synthetic: `pixel_deviation` by label.
        real: likewise, of pictures of the same size.

    Returns:
        None where no class is shared, or none of the real ones varies.
    """
    shared = [label for label in real if label in synthetic and real[label] > 0]
    if not shared:
        return None
    total = sum(real[label] for label in shared)
    return Diversity(
        ratio=sum(synthetic[label] for label in shared) / total,
        per_class={label: synthetic[label] / real[label] for label in shared},
    )
