"""Variety within a class, and that of synthetic samples relative to real ones.

A generator that ignores z makes one image per class, and each class has deviation 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Diversity:
    """Within-class deviation of synthetic samples divided by that of real ones.

    Attributes:
        ratio: mean synthetic over mean real deviation, over the classes of both sets.
        per_class: the same for each of these classes.
    """

    ratio: float
    per_class: dict[str, float]


def feature_deviation(features: npt.NDArray[np.float32]) -> float:
    """Root of the summed variances (n - 1) of the features of one class.

    Args:
        features: float32 [n, d], n >= 2, all of one class.
    """
    return float(np.sqrt(features.astype(np.float64).var(axis=0, ddof=1).sum()))


def diversity(synthetic: Mapping[str, float], real: Mapping[str, float]) -> Diversity | None:
    """Compare the deviations of the classes of both sets.

    Args:
        synthetic: `pixel_deviation` or `feature_deviation` by label.
        real: likewise, at the same image size.

    Returns:
        None where the sets have no class in common, or no real class varies.
    """
    common = [label for label in real if label in synthetic and real[label] > 0]
    if not common:
        return None
    total = sum(real[label] for label in common)
    return Diversity(
        ratio=sum(synthetic[label] for label in common) / total,
        per_class={label: synthetic[label] / real[label] for label in common},
    )
