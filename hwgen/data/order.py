"""Data order: which records make each batch."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hwgen.errors import InputError

CHUNK = 8192
"""Consecutive records in one window, so that a file is read a few megabytes at a time."""


class Order(Protocol):
    """Which records make each batch: a function of the order's seed and the step alone."""

    @property
    def batch(self) -> int:
        """Records per batch."""

    def indices(self, step: int) -> Tensor:
        """Record numbers of batch `step`, int64 [batch]."""


class Shuffled:
    """Endless epochs over `count` records: batch k is a function of (seed, k) alone.

    So a resumed run sees the same batches as an uninterrupted one. Batches may span two epochs;
    each epoch has its own order.

    The order is local, so that a store larger than memory can be read in long ranges: each epoch
    assigns the chunks at random to windows of about equal size, and shuffles the records of each
    window. The cost: two records can be in the same batch only if their chunks are in the same
    window, so with n windows a batch is a sample of one n-th of the store, a different one each
    epoch. A store that fits into one window is shuffled as a whole. The order is the same for
    streamed and for resident images.

    Args:
        count: number of records, at least 1.
        batch: records per batch.
        seed: random seed.
        window: maximum number of records shuffled together, up to one chunk more; None shuffles
            all.
        chunk: consecutive records in one window.

    Raises:
        InputError: there are no records.
    """

    def __init__(
        self, count: int, batch: int, seed: int, *, window: int | None = None, chunk: int = CHUNK
    ) -> None:
        if count < 1:
            raise InputError("the store is empty, expected at least one record")
        self.count, self.batch, self.seed = count, batch, seed
        self._chunk, self._chunks = chunk, -(-count // chunk)
        self.windows = min(self._chunks, -(-count // max(1, window or count)))
        self._epochs: dict[int, _Epoch] = {}
        self._windows: dict[int, _Window] = {}

    def indices(self, step: int) -> Tensor:
        """Record numbers of batch `step`, int64 [batch]."""
        parts = [self._window(number).records[part] for number, part in self._parts(step)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def places(self, step: int) -> list[tuple[int, Tensor]]:
        """Where the records of batch `step` are, in its order.

        Returns:
            Windows, numbered over all epochs, each with positions int64 [n] among the window's
            records as `pieces` lists them.
        """
        return [(number, self._window(number).places[part]) for number, part in self._parts(step)]

    def pieces(self, number: int) -> list[range]:
        """The records of window `number` as ranges, ascending."""
        epoch, window = divmod(number, self.windows)
        starts = self._epoch(epoch).chunks[window] * self._chunk
        return [range(start, min(start + self._chunk, self.count)) for start in starts.tolist()]

    def _parts(self, step: int) -> list[tuple[int, slice]]:
        """The windows of batch `step`, and which part of each."""
        parts = []
        position, end = step * self.batch, (step + 1) * self.batch
        while position < end:
            epoch, within = divmod(position, self.count)
            ends = self._epoch(epoch).ends
            window = bisect_right(ends, within)
            taken = min(ends[window] - within, end - position)
            first = within - (ends[window - 1] if window else 0)
            parts.append((epoch * self.windows + window, slice(first, first + taken)))
            position += taken
        return parts

    def _epoch(self, epoch: int) -> _Epoch:
        if epoch not in self._epochs:
            # self.windows is no window's index, so this seed is not one of theirs.
            rng = np.random.default_rng((self.seed, epoch, self.windows))
            dealt = np.array_split(rng.permutation(self._chunks), self.windows)
            chunks = [np.sort(part) for part in dealt]
            lengths = [int(self._records(part).size) for part in chunks]
            _keep_neighbours(self._epochs, epoch)
            self._epochs[epoch] = _Epoch(chunks, np.cumsum(lengths).tolist())
        return self._epochs[epoch]

    def _window(self, number: int) -> _Window:
        if number not in self._windows:
            epoch, window = divmod(number, self.windows)
            records = self._records(self._epoch(epoch).chunks[window])
            # NumPy treats the seed (s, e, 0) as (s, e), so a store of one window has the order that
            # it had before there were windows.
            rng = np.random.default_rng((self.seed, epoch, window))
            places = rng.permutation(len(records))
            _keep_neighbours(self._windows, number)
            self._windows[number] = _Window(
                torch.from_numpy(places), torch.from_numpy(records[places])
            )
        return self._windows[number]

    def _records(self, chunks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        numbers = (chunks[:, None] * self._chunk + np.arange(self._chunk)).ravel()
        return numbers[numbers < self.count]


class Balanced:
    """Every class equally often, however many records it has: batch k is a function of (seed, k).

    Each round has every class once, in a random order; rounds may span two batches. So any two
    classes have occurred equally often, except in the current round. Each class has shuffled epochs
    of its own: every record once before any twice. A class with one record always has that record,
    so use augmentation.

    The records of a batch can be anywhere in the store. That costs resident images nothing;
    streamed images are read record by record.

    Args:
        labels: class of each record, int [records]; classes without records do not count.
        batch: records per batch.
        seed: random seed.

    Raises:
        InputError: there are no records.
    """

    def __init__(self, labels: npt.ArrayLike, batch: int, seed: int) -> None:
        labels = np.asarray(labels)
        if not len(labels):
            raise InputError("the store is empty, expected at least one record")
        self.batch, self.seed = batch, seed
        _, self._counts = np.unique(labels, return_counts=True)
        self._starts = np.cumsum(self._counts) - self._counts
        # The records of each class, ascending, one class after the other; and as they are shuffled
        # in the epoch of the class that was needed last.
        self._records = np.argsort(labels, kind="stable")
        self._shuffled = self._records.copy()
        self._epochs = np.where(self._counts == 1, 0, -1)
        self._rounds: dict[int, npt.NDArray[np.int64]] = {}

    def indices(self, step: int) -> Tensor:
        """Record numbers of batch `step`, int64 [batch]."""
        positions = np.arange(step * self.batch, (step + 1) * self.batch)
        numbers, places = np.divmod(positions, len(self._counts))
        rounds = range(int(numbers[0]), int(numbers[-1]) + 1)
        kinds = np.stack([self._round(number) for number in rounds])[numbers - numbers[0], places]
        # Each class occurs once per round, so the round's number is that of the occurrence.
        epochs, within = np.divmod(numbers, self._counts[kinds])
        epochs[self._counts[kinds] == 1] = 0  # one record needs no shuffling
        places = self._starts[kinds] + within
        records = self._shuffled[places]
        for n in np.flatnonzero(self._epochs[kinds] != epochs).tolist():
            self._shuffle(int(kinds[n]), int(epochs[n]))
            records[n] = self._shuffled[places[n]]
        return torch.from_numpy(records)

    def _round(self, number: int) -> npt.NDArray[np.int64]:
        """The order of the classes in a round."""
        if number not in self._rounds:
            _keep_neighbours(self._rounds, number)
            rng = np.random.default_rng((self.seed, number, 1))
            self._rounds[number] = rng.permutation(len(self._counts))
        return self._rounds[number]

    def _shuffle(self, kind: int, epoch: int) -> None:
        """Shuffle the records of a class as in this epoch of it."""
        if self._epochs[kind] != epoch:
            part = slice(self._starts[kind], self._starts[kind] + self._counts[kind])
            rng = np.random.default_rng((self.seed, kind, epoch, 2))
            self._shuffled[part] = rng.permutation(self._records[part])
            self._epochs[kind] = epoch


@dataclass(frozen=True)
class _Epoch:
    chunks: list[npt.NDArray[np.int64]]
    """The chunks of each window, ascending."""
    ends: list[int]
    """Records up to the end of each window."""


@dataclass(frozen=True)
class _Window:
    places: Tensor
    """A permutation of the window's records, int64 [n]."""
    records: Tensor
    """The same as record numbers, int64 [n]."""


Held = TypeVar("Held")


def _keep_neighbours(held: dict[int, Held], number: int) -> None:
    for far in [other for other in held if abs(other - number) > 1]:
        del held[far]


class Joined:
    """Batches from several orders, one after the other.

    Args:
        orders: at least one; each batch has a batch of each.
    """

    def __init__(self, orders: Sequence[Order]) -> None:
        self._orders = orders

    @property
    def batch(self) -> int:
        """Records per batch."""
        return sum(order.batch for order in self._orders)

    def indices(self, step: int) -> Tensor:
        """See Order."""
        return torch.cat([order.indices(step) for order in self._orders])


class Chosen:
    """An order over some records of a store.

    Args:
        order: over positions in `records`.
        records: record numbers, int64 [n].
    """

    def __init__(self, order: Order, records: npt.NDArray[np.int64]) -> None:
        self._order, self._records = order, torch.from_numpy(records)

    @property
    def batch(self) -> int:
        """Records per batch."""
        return self._order.batch

    def indices(self, step: int) -> Tensor:
        """See Order."""
        return self._records.index_select(0, self._order.indices(step))


def make_order(
    labels: npt.ArrayLike,
    parts: Sequence[npt.NDArray[np.int64]] | None,
    batch: int,
    seed: int,
    *,
    window: int | None = None,
    balanced: bool = False,
) -> Order:
    """Shuffled or balanced batches, to which parts of the records contribute equally.

    Args:
        labels: class of each record, int [records].
        parts: numbers of the records of each part, such as a store, int64. Each batch has equally
            many of each, one part after the other; the first parts have one more where `batch` is
            not a multiple of their number. None for all records, as one part.
        batch: records per batch, at least one for each part.
        seed: random seed.
        window: see Shuffled.
        balanced: every class of a part equally often, see Balanced.

    Raises:
        InputError: a part has no records.
    """
    labels = np.asarray(labels)

    def one(labels: npt.NDArray[np.int64], batch: int, seed: int) -> Order:
        if balanced:
            return Balanced(labels, batch, seed)
        return Shuffled(len(labels), batch, seed, window=window)

    if parts is None:
        return one(labels, batch, seed)
    fewest, more = divmod(batch, len(parts))
    orders = [
        # Each part has an order of its own; that of the first is as if it were alone.
        Chosen(one(labels[part], fewest + (n < more), seed + (n << 64)), part)
        for n, part in enumerate(parts)
    ]
    return orders[0] if len(orders) == 1 else Joined(orders)
