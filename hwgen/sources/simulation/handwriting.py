"""Simulated pen handwriting from the strokes of characters.

For pretraining of recognisers and generators, for generators that start from it, and for
demonstrations and tests of the pipeline.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from hwgen.imaging.framing import Framing
from hwgen.record import Image
from hwgen.sources.simulation.pen import Item, character_number
from hwgen.sources.simulation.rendering import framed, scans
from hwgen.sources.strokes.data import Strokes

BATCH = 128
"""Characters written together: arrays that fit the processor's cache."""


def simulate_writer(
    seed: int, writer: int, characters: Iterable[str], strokes: Mapping[str, Strokes]
) -> Iterator[tuple[str, Image]]:
    """The characters in one writer's hand, as (label, image) in the order given.

    An image is a function of (seed, writer, character): uint8 [h, w], cropped to the ink; 255 is
    paper, ink is 0 to 254.
    """
    rest = iter(characters)
    while some := list(islice(rest, BATCH)):
        items = [Item(strokes[one], character_number(one), seed, writer) for one in some]
        yield from zip(some, scans(items), strict=True)


def simulate_framed(items: Sequence[Item], framing: Framing) -> Image:
    """Characters in the frame of a store, about as `framing` makes them of their scans.

    Args:
        items: who writes what; each image depends on its own item alone.
        framing: size and margin.

    Returns:
        uint8 [n, size, size], 255 is paper.
    """
    out = np.empty((len(items), framing.size, framing.size), np.uint8)
    # Hands of similar flow together: their windows of averaging are as long.
    order = np.argsort([item.hand.flow for item in items], kind="stable")
    for start in range(0, len(items), BATCH):
        some = order[start : start + BATCH]
        out[some] = framed([items[number] for number in some.tolist()], framing)
    return out
