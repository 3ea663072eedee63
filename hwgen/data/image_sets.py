"""The images of one or more stores at one size, in memory or streamed."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from hwgen.data.order import Order, Shuffled
from hwgen.data.pixels import average_down, to_tensor
from hwgen.errors import HwgenError
from hwgen.io import machine
from hwgen.store import Store

RESIDENT_FRACTION = 0.5
"""Images are held on the device if they take at most this fraction of its free memory."""

WINDOW_BYTES = 1 << 30
"""Size of a window of images that are shuffled together; streaming holds two in host memory."""

_ASSUMED_BYTES = 8 << 30  # free memory of a small laptop, where it is not known

_READ_RECORDS = 1024  # read and averaged down at a time


class ImageSet(Protocol):
    """uint8 images of one size, numbered consecutively over one or more stores."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image: (C, size, size)."""

    def __len__(self) -> int:
        """Number of images."""

    def batch(self, order: Order, step: int, indices: Tensor | None = None) -> Tensor:
        """Images of batch `step` of `order`: uint8 [batch, C, size, size] on the device.

        Args:
            order: of the records.
            step: number of the batch.
            indices: `order.indices(step)`, if the caller has them.
        """


class ImagesInMemory:
    """Images that are one tensor on the device, the fastest way to get batches.

    Args:
        images: uint8 [N, C, S, S].
    """

    def __init__(self, images: Tensor) -> None:
        self.images = images

    @property
    def shape(self) -> tuple[int, int, int]:
        """See ImageSet.shape."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, order: Order, step: int, indices: Tensor | None = None) -> Tensor:
        """See ImageSet.batch."""
        indices = order.indices(step) if indices is None else indices
        indices = indices.to(self.images.device, non_blocking=True)
        return self.images.index_select(0, indices)


class ResidentImages(ImagesInMemory):
    """All images of stores, one store after the other, in the device's memory.

    Raises:
        InputError: a store's images are smaller than `size`.
        StoreError: a store is damaged.
    """

    def __init__(self, stores: Sequence[Store], size: int, device: torch.device) -> None:
        joined = _Joined(stores, size)
        super().__init__(_empty(len(joined), joined.shape, device))
        joined.read([range(len(joined))], into=self.images)


class StreamedImages:
    """Images of stores larger than memory: one window is in memory while the next one is read.

    A thread reads the next window, averaged down to `size`, while batches are taken from the
    current one. `batch` waits only for the first window, after a jump, or where it is faster than
    reading. Two windows are held in host memory, whatever the device. An error in the thread is
    raised by the call of `batch` that needs the window. Orders other than Shuffled have no windows:
    their records are read one by one, which is slow.
    The thread ends with this object, which must not be used across a fork.
    """

    def __init__(self, stores: Sequence[Store], size: int, device: torch.device) -> None:
        self._joined, self._device = _Joined(stores, size), device
        self._held: dict[tuple[Shuffled, int], Future[Tensor]] = {}
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hwgen-images")
        self._dropped = threading.Event()
        weakref.finalize(self, self._dropped.set)

    @property
    def shape(self) -> tuple[int, int, int]:
        """See ImageSet.shape."""
        return self._joined.shape

    def __len__(self) -> int:
        return len(self._joined)

    def batch(self, order: Order, step: int, indices: Tensor | None = None) -> Tensor:
        """See ImageSet.batch.

        Raises:
            InputError: a store's images are smaller than `size`.
            StoreError: a store is damaged.
        """
        # Pinned, so that the copy to a GPU is asynchronous.
        pin = self._device.type == "cuda"
        out = torch.empty((order.batch, *self.shape), dtype=torch.uint8, pin_memory=pin)
        if not isinstance(order, Shuffled):
            records = (order.indices(step) if indices is None else indices).tolist()
            self._joined.read([range(number, number + 1) for number in records], into=out)
            return out.to(self._device, non_blocking=True)
        parts = order.places(step)
        self._hold(order, parts[0][0], parts[-1][0])
        start = 0
        for number, places in parts:
            window = self._held[order, number].result()
            torch.index_select(window, 0, places, out=out[start : start + len(places)])
            start += len(places)
        return out.to(self._device, non_blocking=True)

    def _hold(self, order: Shuffled, first: int, last: int) -> None:
        """Read windows `first` to `last`, or `first` and the next one; drop all others."""
        needed = [(order, number) for number in range(first, max(first + 1, last) + 1)]
        for key in [key for key in self._held if key not in needed]:
            self._held.pop(key).cancel()
        for key in needed:
            if key not in self._held:
                self._held[key] = self._reader.submit(
                    _read_window, self._joined, order.pieces(key[1]), self._dropped
                )


def open_images(stores: Sequence[Store], size: int, device: torch.device) -> ImageSet:
    """The images of stores, one store after the other: resident if they fit, else streamed.

    They fit if they take at most RESIDENT_FRACTION of the device's free memory, or one window, of
    which streaming would hold two. A CPU's free memory is that of the container.

    Args:
        stores: at least one, all with the same number of channels.
        size: width and height of the images, pixels.
        device: of the batches.

    Raises:
        HwgenError: they do not fit in the container, which would be killed.
    """
    needed = sum(map(len, stores)) * stores[0].channels * size * size
    fits = needed <= max(RESIDENT_FRACTION * _free_bytes(device), WINDOW_BYTES)
    if not fits or device.type == "cpu":
        _check_container(needed if fits else 2 * WINDOW_BYTES)
    return (ResidentImages if fits else StreamedImages)(stores, size, device)


def window_of(shape: tuple[int, int, int]) -> int:
    """Number of images of this shape in a window, see Shuffled."""
    channels, height, width = shape
    return max(1, WINDOW_BYTES // (channels * height * width))


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    memory = machine.memory()
    return memory.available if memory.total else _ASSUMED_BYTES


def _check_container(needed: int) -> None:
    memory = machine.memory()
    if memory.limit and needed > memory.available:
        raise HwgenError(
            f"the images need {needed / 2**30:.1f} GiB of memory, but the container, which is "
            f"limited to {memory.limit / 2**30:.1f} GiB, has {memory.available / 2**30:.1f} GiB",
            remedy="Allow it more memory, or use fewer or smaller images",
        )


class _Joined:
    """Stores one after the other, read in ranges of records."""

    def __init__(self, stores: Sequence[Store], size: int) -> None:
        self._stores, self._size = tuple(stores), size
        self.shape = (stores[0].channels, size, size)

    def __len__(self) -> int:
        return sum(map(len, self._stores))

    def read(
        self, runs: Sequence[range], into: Tensor, until: threading.Event | None = None
    ) -> None:
        """Read the images of ranges of records, one range after the other, into `into`.

        Args:
            runs: ranges of records.
            into: uint8 [records in all ranges, C, size, size], on any device.
            until: set to stop early.
        """
        end = 0
        for store, start, count in self._pieces(runs):
            if until is not None and until.is_set():
                return
            part = into[end : end + count]
            end += count
            if store.image_shape == into.shape[2:] and into.device.type == "cpu":
                store.read(start, into=part[:, 0].numpy())  # no copy
            else:
                block = np.empty((count, *store.image_shape), np.uint8)
                store.read(start, into=block)
                part.copy_(average_down(to_tensor(block, into.device), self._size))

    def _pieces(self, runs: Sequence[range]) -> Iterator[tuple[Store, int, int]]:
        """Store, first record and number of records of each read, in the order of the ranges."""
        for run in runs:
            first = 0
            for store in self._stores:
                stop = min(run.stop - first, len(store))
                for start in range(max(run.start - first, 0), stop, _READ_RECORDS):
                    yield store, start, min(_READ_RECORDS, stop - start)
                first += len(store)


def _empty(count: int, shape: tuple[int, int, int], device: torch.device) -> Tensor:
    if device.type == "cpu":
        # NumPy allocates huge pages, with which random rows are read twice as fast.
        return torch.from_numpy(np.empty((count, *shape), np.uint8))
    return torch.empty((count, *shape), dtype=torch.uint8, device=device)


def _read_window(joined: _Joined, runs: Sequence[range], until: threading.Event) -> Tensor:
    count = sum(map(len, runs))
    window = _empty(count, joined.shape, torch.device("cpu"))
    joined.read(runs, window, until)
    return window
