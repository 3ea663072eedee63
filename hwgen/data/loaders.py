"""Labelled batches of a store, for training and as a torch Dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hwgen.data.image_sets import open_images, window_of
from hwgen.data.order import make_order
from hwgen.data.pixels import average_down, to_float, to_tensor
from hwgen.record import PixelRange
from hwgen.store import Store

Ids = npt.NDArray[np.int64]


class Batches:
    """Shuffled labelled batches of a store, or of several, in the value range of a recipe.

    Of several stores every batch has equally many records, one store after the other; the classes
    of a later store are numbered on.

    Args:
        stores: to read from, at least one.
        size: width and height of the images, pixels.
        pixels: float values of paper and ink.
        batch: images per batch, a multiple of the number of stores.
        seed: of the order, see Shuffled and Balanced.
        device: of the batches.
        balanced: every class of a store equally often.
        records: of each store, numbers of the records to use, int64; None for all of it. All of
            all stores by default.
        local_slice: the rows of a whole batch that this process takes, such as
            `Ranks.local_slice`; all by default.

    Attributes:
        images: of the stores, one after the other.
    """

    def __init__(
        self,
        stores: Sequence[Store],
        *,
        size: int,
        pixels: PixelRange,
        batch: int,
        seed: int,
        device: torch.device,
        balanced: bool = False,
        records: Sequence[Ids | None] | None = None,
        local_slice: Callable[[Tensor], Tensor] = lambda rows: rows,
    ) -> None:
        self.images = open_images(stores, size, device)
        classes = [len(store.charset) for store in stores]
        labels = [store.labels + sum(classes[:n]) for n, store in enumerate(stores)]
        self._labels = torch.from_numpy(np.concatenate(labels)).to(device)
        self._order = make_order(
            np.concatenate(labels),
            parts_of(stores, records),
            batch,
            seed,
            window=window_of(self.images.shape),
            balanced=balanced,
        )
        self._pixels, self._local_slice = pixels, local_slice

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The local slice of batch `step`: x float32 [n, C, size, size], y int64 [n]."""
        indices = self._local_slice(self._order.indices(step))
        y = self._labels.index_select(0, indices.to(self._labels.device, non_blocking=True))
        return to_float(self._local_slice(self.images.batch(self._order, step)), self._pixels), y


def parts_of(
    stores: Sequence[Store], records: Sequence[Ids | None] | None = None
) -> list[Ids] | None:
    """The records of each store, for `make_order`, numbered over all stores.

    Args:
        stores: at least one.
        records: of each store, numbers of the records to use, int64; None for all.

    Returns:
        None for all records of one store, which can be read in windows.
    """
    chosen = records or [None] * len(stores)
    if len(stores) == 1 and chosen[0] is None:
        return None
    starts = np.cumsum([0, *map(len, stores)])[:-1].tolist()
    return [
        start + (np.arange(len(store)) if numbers is None else numbers)
        for start, store, numbers in zip(starts, stores, chosen, strict=True)
    ]


class StoreDataset(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """A store as a map-style torch Dataset: item i is (x float32 [C, size, size], class id).

    A DataLoader may use it with any number of workers; each opens the store itself.

    Args:
        store: to read from.
        size: width and height of the images, pixels; None for the store's.
        pixels: float values of paper and ink; 1 and 0 by default.
    """

    def __init__(
        self, store: Store, *, size: int | None = None, pixels: PixelRange | None = None
    ) -> None:
        self.store = store
        self.size = size or store.size
        self.pixels = pixels or PixelRange(paper=1.0, ink=0.0)
        self._labels = store.labels

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, int]]:
        """The items of a batch, for a DataLoader; much faster than one by one."""
        if not all(0 <= index < len(self) for index in indices):
            raise IndexError(indices)
        images = to_tensor(self.store.images(indices), torch.device("cpu"))
        x = to_float(average_down(images, self.size), self.pixels)
        return list(zip(x.unbind(), self._labels[list(indices)].tolist(), strict=True))
