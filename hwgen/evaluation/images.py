"""Images of a store at the size at which sets are compared."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch

from hwgen.data import average_down, to_images, to_tensor
from hwgen.evaluation.metrics.nearest_neighbours import Points
from hwgen.record import Image
from hwgen.store import Store

Indices = npt.NDArray[np.int64]


def images_at(store: Store, records: Indices, size: int) -> Image:
    """Images by record number, averaged down: uint8 [n, size, size(, 3)]."""
    return averaged(store.images(records), size)


def averaged(images: Image, size: int) -> Image:
    """Images uint8 [n, S, S(, 3)], averaged down to `size`."""
    return to_images(average_down(to_tensor(images, torch.device("cpu")), size))


def records_by_class(store: Store) -> list[Indices]:
    """Record numbers of each class, in class order."""
    labels = store.labels
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=len(store.charset)))
    return np.split(order, ends[:-1])


def first_occurrences(images: Image) -> Indices:
    """Indices, ascending, of the images that repeat no earlier one.

    HWDB holds some scans twice; their distance of 0 would hide copies.
    """
    _, first = np.unique(as_rows(images), axis=0, return_index=True)
    return np.sort(first)


def as_points(images: Image) -> Points:
    """Images as points, float32 [n, d] in [0, 1]."""
    return as_rows(images) / np.float32(255)


def as_rows(images: Image) -> npt.NDArray[np.uint8]:
    """Images as rows, uint8 [n, d]."""
    return images.reshape(len(images), math.prod(images.shape[1:]))
