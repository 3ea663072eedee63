"""Variation among images of one class, as standard deviation in grey levels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hwgen.record import Image

SAMPLES = 50
"""Maximum number of images per class."""


def pixel_deviation(images: Image) -> float:
    """Standard deviation (n - 1) over the images, averaged over the pixels; grey levels.

    Args:
        images: uint8 [n, ...], n >= 2, all of one class and size.
    """
    return float(images.astype(np.float32).std(axis=0, ddof=1).mean())


def evenly_spaced_records(labels: npt.NDArray[np.int64], class_id: int) -> npt.NDArray[np.int64]:
    """Record numbers of at most SAMPLES images of a class, evenly spaced."""
    found = np.flatnonzero(labels == class_id)
    if len(found) <= SAMPLES:
        return found
    return found[np.arange(SAMPLES) * len(found) // SAMPLES]
