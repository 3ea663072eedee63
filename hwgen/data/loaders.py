"""Labelled batches of a store, for training and as a torch Dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image as PilImage
from torch import Tensor

from hwgen.data.image_sets import open_images, window_of
from hwgen.data.order import make_order
from hwgen.data.pixels import average_down, to_float, to_images, to_tensor
from hwgen.pixel_range import PixelRange
from hwgen.store import Store, open_store, record_number

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
        indices = self._order.indices(step).to(self._labels.device, non_blocking=True)
        y = self._labels.index_select(0, self._local_slice(indices))
        images = self.images.batch(self._order, step, indices)
        return to_float(self._local_slice(images), self._pixels), y


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


class StoreDataset(torch.utils.data.Dataset[tuple[Any, Any]]):
    """A store as a map-style torch Dataset, as torchvision's are: item i is (image, target).

    The image is a PIL image, in mode L or RGB, and the target a class id, unless a transform
    changes them. A DataLoader reads a whole batch at once, and may have any number of workers;
    each opens the store itself.

    Args:
        store: to read from, or its path.
        transform: applied to each image.
        target_transform: applied to each class id.
        size: width and height of the images, pixels, at most the store's; None for the store's.
        pixels: images are float32 tensors [C, size, size] with these values of paper and ink, which
            is much faster than a transform of PIL images; None for PIL images.

    Attributes:
        store: that is read.

    Raises:
        StoreError: no store is there.
    """

    def __init__(
        self,
        store: Store | Path | str,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        *,
        size: int | None = None,
        pixels: PixelRange | None = None,
    ) -> None:
        self.store = open_store(store)
        self.transform, self.target_transform = transform, target_transform
        self.size = size or self.store.size
        self.pixels = pixels
        self._labels = self.store.labels

    @property
    def classes(self) -> list[str]:
        """The labels, in the order of the class ids."""
        return self.store.classes

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Label -> class id."""
        return self.store.class_to_idx

    @property
    def targets(self) -> list[int]:
        """Class id of every item, before `target_transform`."""
        return self._labels.tolist()

    def __len__(self) -> int:
        return len(self.store)

    def __repr__(self) -> str:
        lines = [type(self).__name__, f"    {self.store}"]
        for name in ("transform", "target_transform"):
            if (value := getattr(self, name)) is not None:
                lines.append(f"    {name}: {value}".replace("\n", "\n    "))
        return "\n".join(lines)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Any, Any]]:
        """The items of a batch, for a DataLoader; much faster than one by one.

        Raises:
            IndexError: there is no such item; negative numbers count from the end.
        """
        numbers = [record_number(index, len(self)) for index in indices]
        images: Sequence[Any] = self._images(numbers)
        targets: list[Any] = self._labels[numbers].tolist()
        if self.transform is not None:
            images = [self.transform(image) for image in images]
        if self.target_transform is not None:
            targets = [self.target_transform(target) for target in targets]
        return list(zip(images, targets, strict=True))

    def _images(self, numbers: list[int]) -> Sequence[Any]:
        images = self.store.images(numbers)
        if self.pixels is None and self.size == self.store.size:
            return [PilImage.fromarray(image) for image in images]
        small = average_down(to_tensor(images, torch.device("cpu")), self.size)
        if self.pixels is None:
            return [PilImage.fromarray(image) for image in to_images(small)]
        return to_float(small, self.pixels).unbind()
