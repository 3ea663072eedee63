"""In: a store and record numbers. Out: pictures at the size at which they are compared."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch

from hwgen.data import average_down, to_images, to_tensor
from hwgen.evaluation.metrics.nearest_neighbours import Points
from hwgen.record import Image
from hwgen.store import Store

Numbers = npt.NDArray[np.int64]


def images_at(store: Store, numbers: Numbers, size: int) -> Image:
    """Pictures by record number, averaged down: uint8 [n, size, size(, 3)]."""
    return averaged(store.images(numbers), size)


def averaged(images: Image, size: int) -> Image:
    """Pictures uint8 [n, S, S(, 3)], averaged down to `size`."""
    return to_images(average_down(to_tensor(images, torch.device("cpu")), size))


def by_class(store: Store) -> list[Numbers]:
    """Record numbers of each class, in class order."""
    labels = store.labels
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=len(store.charset)))
    return np.split(order, ends[:-1])


def distinct(images: Image) -> Numbers:
    """Places of the pictures, ascending, that repeat no earlier one.

    HWDB's files hold some scans twice, and no distance is shorter.
    """
    _, first = np.unique(rows(images), axis=0, return_index=True)
    return np.sort(first)


def points(images: Image) -> Points:
    """Pictures as points, float32 [n, d], from 0 to 1."""
    return rows(images) / np.float32(255)


def rows(images: Image) -> npt.NDArray[np.uint8]:
    """Pictures as rows, uint8 [n, d]."""
    return images.reshape(len(images), math.prod(images.shape[1:]))
