"""In: a store. Out: batches (x, y): x float [N, C, S, S] in the preset's range, y int64 [N].

The only place where grey values become floats and floats become grey values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hwgen.errors import InputError
from hwgen.presets import PixelRange
from hwgen.record import Image
from hwgen.store import Store

RESIDENT_SHARE = 0.5
"""A set is held on the device while it takes at most this share of the device's free memory."""


def to_float(images: Tensor, pixels: PixelRange) -> Tensor:
    """Grey values to the network's range: uint8 [...] -> float32 [...]."""
    return images.float().mul_((pixels.paper - pixels.ink) / 255).add_(pixels.ink)


def to_uint8(x: Tensor, pixels: PixelRange) -> Tensor:
    """The inverse of `to_float`, rounded to the nearest grey value and clipped."""
    grey = (x.float() - pixels.ink) * (255 / (pixels.paper - pixels.ink))
    return grey.round_().clamp_(0, 255).to(torch.uint8)


def average_down(images: Tensor, size: int) -> Tensor:
    """Area-average uint8 [N, C, H, H] to uint8 [N, C, size, size].

    Raises:
        InputError: the pictures are smaller than `size`.
    """
    side = images.shape[-1]
    if side == size:
        return images
    if side < size:
        raise InputError(
            f"the store's pictures are {side} pixels, {size} are needed",
            remedy=f"Prepare the store with --size {size} or more",
        )
    return F.interpolate(images.float(), size=(size, size), mode="area").round_().to(torch.uint8)


def to_tensor(images: Image, device: torch.device) -> Tensor:
    """uint8 [N, h, w] or [N, h, w, 3] -> uint8 [N, C, h, w] on the device."""
    tensor = torch.from_numpy(images).to(device)
    return tensor.unsqueeze(1) if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2).contiguous()


def to_images(tensor: Tensor) -> Image:
    """The inverse of `to_tensor`: uint8 [N, C, h, w] -> [N, h, w] or [N, h, w, 3]."""
    images = tensor.cpu().numpy()
    return images[:, 0] if images.shape[1] == 1 else images.transpose(0, 2, 3, 1)


class Pictures(Protocol):
    """Random access to uint8 pictures of one size on one device."""

    def __len__(self) -> int:
        """Number of pictures."""

    def gather(self, indices: Tensor) -> Tensor:
        """Pictures by number: int64 [n] on the CPU -> uint8 [n, C, size, size] on the device."""


class ResidentPictures:
    """A whole store as one uint8 tensor on the device: no loader is faster."""

    def __init__(self, store: Store, size: int, device: torch.device) -> None:
        shape = (len(store), store.channels, size, size)
        self.images = torch.empty(shape, dtype=torch.uint8, device=device)
        start = 0
        for block in store.image_blocks():
            # Copied first: the block is a view of LMDB's pages, which are read-only.
            part = average_down(to_tensor(block.copy(), device), size)
            self.images[start : start + len(part)] = part
            start += len(part)

    def __len__(self) -> int:
        return len(self.images)

    def gather(self, indices: Tensor) -> Tensor:
        """See Pictures.gather."""
        return self.images[indices.to(self.images.device, non_blocking=True)]


class StreamedPictures:
    """A store larger than memory: each picture is read when it is asked for."""

    def __init__(self, store: Store, size: int, device: torch.device) -> None:
        self._store, self._size, self._device = store, size, device

    def __len__(self) -> int:
        return len(self._store)

    def gather(self, indices: Tensor) -> Tensor:
        """See Pictures.gather."""
        images = self._store.images(indices.numpy())
        return average_down(to_tensor(images, self._device), self._size)


def pictures(store: Store, size: int, device: torch.device) -> Pictures:
    """A store's pictures at `size`: resident where they fit (RESIDENT_SHARE), else streamed."""
    needed = len(store) * store.channels * size * size
    kind = ResidentPictures if needed <= RESIDENT_SHARE * _free_bytes(device) else StreamedPictures
    return kind(store, size, device)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo") as file:
            fields = dict(line.split(":") for line in file)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):  # not Linux: assume a small laptop
        return 8 << 30


class Shuffled:
    """Endless epochs over `count` records: batch k is a function of (seed, k) alone.

    So a resumed run sees what an uninterrupted one would have seen. Batches cross the borders of
    epochs; each epoch has its own order.

    Args:
        count: number of records, at least 1.
        batch: records a batch.
        seed: of the orders.
    """

    def __init__(self, count: int, batch: int, seed: int) -> None:
        if count < 1:
            raise InputError("the store is empty, there is nothing to draw batches from")
        self.count, self.batch, self.seed = count, batch, seed
        self._orders: dict[int, Tensor] = {}

    def indices(self, step: int) -> Tensor:
        """Record numbers of batch `step`, int64 [batch]."""
        first, last = step * self.batch, (step + 1) * self.batch
        parts = [
            self._order(epoch)[
                max(first - epoch * self.count, 0) : min(last - epoch * self.count, self.count)
            ]
            for epoch in range(first // self.count, (last - 1) // self.count + 1)
        ]
        return torch.cat(parts)

    def _order(self, epoch: int) -> Tensor:
        if epoch not in self._orders:
            self._orders = {e: o for e, o in self._orders.items() if e == epoch - 1}
            rng = np.random.default_rng((self.seed, epoch))
            self._orders[epoch] = torch.from_numpy(rng.permutation(self.count))
        return self._orders[epoch]


class Batches:
    """Shuffled labelled batches of a store in a preset's range.

    Args:
        store: what to read.
        size: side of the pictures wanted.
        pixels: the float range wanted.
        batch: pictures a batch.
        seed: of the order, see Shuffled.
        device: where the batches shall be.
        share: picks from a batch's record numbers those that are wanted here, such as this
            process's slice of them; the default wants all.
    """

    def __init__(
        self,
        store: Store,
        *,
        size: int,
        pixels: PixelRange,
        batch: int,
        seed: int,
        device: torch.device,
        share: Callable[[Tensor], Tensor] = lambda indices: indices,
    ) -> None:
        self._share = share
        self._pictures = pictures(store, size, device)
        self._labels = torch.from_numpy(store.labels).to(device)
        self._order = Shuffled(len(store), batch, seed)
        self._pixels = pixels

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The share of batch `step`: x float32 [n, C, size, size], y int64 [n]."""
        indices = self._share(self._order.indices(step))
        y = self._labels[indices.to(self._labels.device, non_blocking=True)]
        return to_float(self._pictures.gather(indices), self._pixels), y


class StoreDataset(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """A store as a map-style torch Dataset: item i is (x float32 [C, size, size], class id).

    May be used by a DataLoader with any number of workers: each opens the store for itself.

    Args:
        store: what to read.
        size: side of the pictures; None keeps the store's.
        pixels: the float range; the default gives paper 1 and ink 0.
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
        if not 0 <= index < len(self):
            raise IndexError(index)
        image = to_tensor(self.store.images([index]), torch.device("cpu"))
        return to_float(average_down(image, self.size), self.pixels)[0], int(self._labels[index])
