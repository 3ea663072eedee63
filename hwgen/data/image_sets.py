"""In: one or more stores. Out: their pictures of one size as uint8, drawn in a given order."""

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
from hwgen.store import Store

RESIDENT_SHARE = 0.5
"""A set is held on the device while it takes at most this share of the device's free memory."""

WINDOW_BYTES = 1 << 30
"""Pictures that are shuffled together; streaming takes twice as much of the computer's memory."""

_PIECE = 1024  # records read, and averaged down, at a time


class ImageSet(Protocol):
    """uint8 pictures of one size, numbered through the stores they come from."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one picture: (C, size, size)."""

    def __len__(self) -> int:
        """Number of pictures."""

    def batch(self, order: Order, step: int) -> Tensor:
        """Pictures of batch `step` of `order`: uint8 [batch, C, size, size] on the device."""


class ResidentImages:
    """Whole stores as one uint8 tensor on the device: no loader is faster.

    Raises:
        InputError: a store's pictures are smaller than `size`.
        StoreError: a store is damaged.
    """

    def __init__(self, stores: Sequence[Store], size: int, device: torch.device) -> None:
        joined = _Joined(stores, size)
        self.images = _empty(len(joined), joined.shape, device)
        joined.read([range(len(joined))], into=self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """See ImageSet.shape."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, order: Order, step: int) -> Tensor:
        """See ImageSet.batch."""
        indices = order.indices(step).to(self.images.device, non_blocking=True)
        return self.images.index_select(0, indices)


class StreamedImages:
    """Stores larger than memory: the order's present window is in memory, the next one comes.

    A thread reads the next window, averaged down to `size`, while batches are drawn from the
    present one, so that drawing waits only where it is faster than reading, for the very first
    window, and after a jump. Windows are in the computer's memory, whatever the device: two of
    them at a time. What goes wrong in the thread is raised by the draw that needs the window.
    Any order but Shuffled has no windows: its records are read one by one as they are drawn, which
    is right but slow.
    The thread ends with this object, which must not be used across a fork.
    """

    def __init__(self, stores: Sequence[Store], size: int, device: torch.device) -> None:
        self._joined, self._device = _Joined(stores, size), device
        self._held: dict[tuple[Shuffled, int], Future[Tensor]] = {}
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hwgen-pictures")
        self._dropped = threading.Event()
        weakref.finalize(self, self._dropped.set)

    @property
    def shape(self) -> tuple[int, int, int]:
        """See ImageSet.shape."""
        return self._joined.shape

    def __len__(self) -> int:
        return len(self._joined)

    def batch(self, order: Order, step: int) -> Tensor:
        """See ImageSet.batch.

        Raises:
            InputError: a store's pictures are smaller than `size`.
            StoreError: a store is damaged.
        """
        # Pinned, so that a GPU fetches it while the CPU goes on.
        pin = self._device.type == "cuda"
        out = torch.empty((order.batch, *self.shape), dtype=torch.uint8, pin_memory=pin)
        if not isinstance(order, Shuffled):
            records = order.indices(step).tolist()
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
        """Have windows `first` to `last`, and one more where that is one, read or being read."""
        wanted = [(order, number) for number in range(first, max(first + 1, last) + 1)]
        for key in [key for key in self._held if key not in wanted]:
            self._held.pop(key).cancel()
        for key in wanted:
            if key not in self._held:
                self._held[key] = self._reader.submit(
                    _read_window, self._joined, order.pieces(key[1]), self._dropped
                )


def open_images(stores: Sequence[Store], size: int, device: torch.device) -> ImageSet:
    """The stores' pictures at `size`, one store after the other: resident where they fit.

    They fit if they take at most RESIDENT_SHARE of the device's free memory, or one window, of
    which a stream would hold two.

    Args:
        stores: of one number of channels; at least one.
        size: side of the pictures wanted, pixels.
        device: where batches shall be.
    """
    needed = sum(map(len, stores)) * stores[0].channels * size * size
    fits = needed <= max(RESIDENT_SHARE * _free_bytes(device), WINDOW_BYTES)
    return (ResidentImages if fits else StreamedImages)(stores, size, device)


def window_of(shape: tuple[int, int, int]) -> int:
    """How many pictures of this shape are shuffled together, see Shuffled."""
    channels, height, width = shape
    return max(1, WINDOW_BYTES // (channels * height * width))


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo") as file:
            fields = dict(line.split(":") for line in file)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):  # not Linux: assume a small laptop
        return 8 << 30


class _Joined:
    """Stores one after the other, read in runs."""

    def __init__(self, stores: Sequence[Store], size: int) -> None:
        self._stores, self._size = tuple(stores), size
        self.shape = (stores[0].channels, size, size)

    def __len__(self) -> int:
        return sum(map(len, self._stores))

    def read(
        self, runs: Sequence[range], into: Tensor, until: threading.Event | None = None
    ) -> None:
        """Put the pictures of runs of records, one run after the other, where `into` is.

        Args:
            runs: of records.
            into: uint8 [records in all runs, C, size, size], on any device.
            until: set by whoever no longer wants them.
        """
        end = 0
        for store, start, count in self._pieces(runs):
            if until is not None and until.is_set():
                return
            part = into[end : end + count]
            end += count
            if store.image_shape == into.shape[2:] and into.device.type == "cpu":
                store.read(start, into=part[:, 0].numpy())  # straight to its place
            else:
                block = np.empty((count, *store.image_shape), np.uint8)
                store.read(start, into=block)
                part.copy_(average_down(to_tensor(block, into.device), self._size))

    def _pieces(self, runs: Sequence[range]) -> Iterator[tuple[Store, int, int]]:
        """Stores, first records in them, and how many, at most _PIECE, in the order of the runs."""
        for run in runs:
            first = 0
            for store in self._stores:
                stop = min(run.stop - first, len(store))
                for start in range(max(run.start - first, 0), stop, _PIECE):
                    yield store, start, min(_PIECE, stop - start)
                first += len(store)


def _empty(count: int, shape: tuple[int, int, int], device: torch.device) -> Tensor:
    if device.type == "cpu":
        # Numpy asks for large pages, which makes random rows twice as fast to fetch.
        return torch.from_numpy(np.empty((count, *shape), np.uint8))
    return torch.empty((count, *shape), dtype=torch.uint8, device=device)


def _read_window(joined: _Joined, runs: Sequence[range], until: threading.Event) -> Tensor:
    count = sum(map(len, runs))
    window = _empty(count, joined.shape, torch.device("cpu"))
    joined.read(runs, window, until)
    return window
