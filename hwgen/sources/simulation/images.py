"""Simulated characters in the frame of a store, rendered by several processes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwgen.imaging.framing import Framing
from hwgen.imaging.framing_pool import batches, frame
from hwgen.record import Image
from hwgen.sources.simulation.handwriting import simulate_framed
from hwgen.sources.simulation.pen import Item

MAX_RAW = 1 << 20
"""Maximum size of a packed item, bytes; stroke data have at most 100 strokes of 1,000 points."""

_HEAD = 4  # rows before the points
_END = np.full((1, 2), np.inf, np.float32)  # after each stroke


@dataclass(frozen=True)
class PackedItem:
    """A character to write, as hwgen.imaging.framing_pool takes it.

    Attributes:
        label, writer, source, position: see hwgen.record.Record.
        item: who writes what.
    """

    label: str
    writer: str
    source: str
    position: int
    item: Item

    @cached_property
    def raw(self) -> Image:
        """The item as bytes, uint8 [n, 8]."""
        numbers = (self.item.character, self.item.seed, self.item.writer, self.item.repeat)
        head = np.array(numbers, np.uint64).view(np.uint8).reshape(_HEAD, 8)
        parts = [part for line in self.item.strokes for part in (line.astype(np.float32), _END)]
        return np.concatenate([head, np.concatenate(parts).view(np.uint8)])


@dataclass(frozen=True)
class SimulatedInk:
    """Renders raws of PackedItem, in any process.

    Attributes:
        framing: size and margin.
    """

    framing: Framing

    @property
    def size(self) -> int:
        """Width and height of the images, pixels."""
        return self.framing.size

    def apply_batch(self, raws: Sequence[Image], out: Image | None = None) -> Image:
        """Render n raws to uint8 [n, size, size], into `out` if given."""
        images = simulate_framed([_unpacked(raw) for raw in raws], self.framing)
        if out is None:
            return images
        out[:] = images
        return out


def _unpacked(raw: Image) -> Item:
    character, seed, writer, repeat = raw[:_HEAD].reshape(-1).view(np.uint64).tolist()
    points = raw[_HEAD:].reshape(-1).view(np.float32).reshape(-1, 2)
    ends = np.flatnonzero(np.isinf(points[:, 0]))
    lines = (line[:-1] for line in np.split(points, ends[:-1] + 1))
    return Item(tuple(line.astype(np.float64) for line in lines), character, seed, writer, repeat)


def render_items(
    items: Iterable[Item], framing: Framing, *, workers: int = 1
) -> Generator[Image, None, None]:
    """Write characters, in order; the images do not depend on `workers`.

    Close the generator if it is not exhausted, to end the processes.

    Args:
        items: who writes what.
        framing: size and margin.
        workers: number of processes.

    Yields:
        uint8 [n, size, size] of the next n items, 255 is paper; valid until the next step.

    Raises:
        HwgenError: a worker process died.
    """
    packed = (PackedItem("", "", "", 0, item) for item in items)
    rendered = frame(
        batches(packed, framing.size), SimulatedInk(framing), workers=workers, max_raw=MAX_RAW
    )
    with closing(rendered):
        for _, images in rendered:
            yield images
