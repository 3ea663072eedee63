"""Stores that benchmarks make from arrays and from other stores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from hwgen.charset import Charset
from hwgen.data import average_down, to_images, to_tensor
from hwgen.record import Image
from hwgen.store import Store, StoreWriter, is_store

CPU = torch.device("cpu")


def images_at(store: Store, records: npt.NDArray[np.int64], size: int) -> Image:
    """Images of these records, averaged down to `size`: uint8 [n, size, size] or [..., 3]."""
    return to_images(average_down(to_tensor(store.images(records), CPU), size))


def write_store(
    path: Path,
    images: Image,
    labels: Sequence[str],
    charset: Charset,
    *,
    kind: str,
    positions: Sequence[int] | npt.NDArray[np.int64] | None = None,
) -> Store:
    """A store of these images; an existing store at `path` is returned as it is.

    Args:
        path: of the store.
        images: uint8 [n, S, S] or [n, S, S, 3].
        labels: n texts.
        charset: classes of the store, in this order.
        kind: of origin, recorded in the manifest.
        positions: of the records in their source; None numbers them from 0.
    """
    if is_store(path):
        return Store(path)
    none = [""] * len(images)
    channels = images.shape[3] if images.ndim == 4 else 1
    with StoreWriter(
        path, size=images.shape[1], channels=channels, recipe={}, overwrite=True
    ) as writer:
        writer.add_batch(
            images,
            labels=labels,
            writers=none,
            sources=none,
            positions=np.arange(len(images)) if positions is None else positions,
        )
        return writer.finish(charset=charset, origin={"kind": kind})
