"""In: a number of records, or their classes, and a seed. Out: the order in which they are drawn."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hwgen.errors import InputError

CHUNK = 8192
"""Consecutive records that stay together, so that a file is read some megabytes at a time."""


class Order(Protocol):
    """Which records make each batch: a function of the order's seed and the step alone."""

    @property
    def batch(self) -> int:
        """Records a batch."""

    def indices(self, step: int) -> Tensor:
        """Record numbers of batch `step`, int64 [batch]."""


class Shuffled:
    """Endless epochs over `count` records: batch k is a function of (seed, k) alone.

    So a resumed run sees what an uninterrupted one would have seen. Batches cross the borders of
    epochs; each epoch has its own order.

    The order is local, so that a set larger than memory can be read in long pieces instead of
    record by record: each epoch deals the set's chunks at random into windows of about equal size,
    and shuffles the records of each window. What it costs: records meet in a batch only if their
    chunks fell into one window, so that with n windows a batch looks like a draw from one n-th of
    the set, another n-th each epoch. A set that fits into one window is shuffled as a whole. The
    order does not depend on whether the pictures are streamed or resident.

    Args:
        count: number of records, at least 1.
        batch: records a batch.
        seed: of the orders.
        window: records that are shuffled together, at most, to within one chunk; None shuffles
            all.
        chunk: consecutive records that stay in one window.

    Raises:
        InputError: there are no records.
    """

    def __init__(
        self, count: int, batch: int, seed: int, *, window: int | None = None, chunk: int = CHUNK
    ) -> None:
        if count < 1:
            raise InputError("the store is empty, there is nothing to draw batches from")
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
        """Where the records of batch `step` lie, in its order.

        Returns:
            Numbers of windows, counted over all epochs, each with places int64 [n] among that
            window's records as `pieces` lists them.
        """
        return [(number, self._window(number).places[part]) for number, part in self._parts(step)]

    def pieces(self, number: int) -> list[range]:
        """The records of window `number` as runs of consecutive ones, in rising order."""
        epoch, window = divmod(number, self.windows)
        starts = self._epoch(epoch).chunks[window] * self._chunk
        return [range(start, min(start + self._chunk, self.count)) for start in starts.tolist()]

    def _parts(self, step: int) -> list[tuple[int, slice]]:
        """Numbers of the windows that batch `step` is drawn from, and which of their draws."""
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
            # An index that no window has sets this apart from the windows' own orders.
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
            # Numpy takes the seed (s, e, 0) for (s, e): the first window of an epoch, which may be
            # the only one, is shuffled as the whole set was before there were windows.
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

    Rounds of all classes follow each other, each in an order of its own and across the borders of
    batches; so any two classes have been drawn equally often, but for the round that is not over.
    The records of a class come in shuffled epochs of their own: each once before any twice. A class
    of one record is that record each time, so give what is drawn changes that leave its class.

    The records of a batch lie anywhere in the set. Pictures held in memory (ResidentImages) lose
    nothing by that; streamed ones are read record by record.

    Args:
        labels: class of each record, int [records]; what no record has is no class.
        batch: records a batch.
        seed: of the orders.

    Raises:
        InputError: there are no records.
    """

    def __init__(self, labels: npt.ArrayLike, batch: int, seed: int) -> None:
        labels = np.asarray(labels)
        if not len(labels):
            raise InputError("the store is empty, there is nothing to draw batches from")
        self.batch, self.seed = batch, seed
        _, counts = np.unique(labels, return_counts=True)
        # The records of each class, in rising order.
        self._records = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])
        self._rounds: dict[int, npt.NDArray[np.int64]] = {}
        self._epochs: list[dict[int, npt.NDArray[np.int64]]] = [{} for _ in self._records]

    def indices(self, step: int) -> Tensor:
        """Record numbers of batch `step`, int64 [batch]."""
        positions = range(step * self.batch, (step + 1) * self.batch)
        return torch.tensor([self._at(position) for position in positions])

    def _at(self, position: int) -> int:
        number, place = divmod(position, len(self._records))
        if number not in self._rounds:
            _keep_neighbours(self._rounds, number)
            rng = np.random.default_rng((self.seed, number, 1))
            self._rounds[number] = rng.permutation(len(self._records))
        kind = int(self._rounds[number][place])
        # This is the class's draw of that number, as it is drawn once a round.
        epoch, within = divmod(number, len(self._records[kind]))
        epochs = self._epochs[kind]
        if epoch not in epochs:
            _keep_neighbours(epochs, epoch)
            rng = np.random.default_rng((self.seed, kind, epoch, 2))
            epochs[epoch] = rng.permutation(self._records[kind])
        return int(epochs[epoch][within])


@dataclass(frozen=True)
class _Epoch:
    chunks: list[npt.NDArray[np.int64]]
    """The chunks of each window, in rising order."""
    ends: list[int]
    """Records drawn by the end of each window."""


@dataclass(frozen=True)
class _Window:
    places: Tensor
    """A permutation of the window's records, int64 [n]."""
    records: Tensor
    """The same as numbers in the whole set, int64 [n]."""


Held = TypeVar("Held")


def _keep_neighbours(held: dict[int, Held], number: int) -> None:
    for far in [other for other in held if abs(other - number) > 1]:
        del held[far]
