"""The simulated images that a refiner starts from, in training and when sampling."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from hwgen.charset import Charset
from hwgen.errors import RunError
from hwgen.generators.refiner.recipe import RefinerRecipe
from hwgen.imaging.framing import Framing
from hwgen.imaging.hash_noise import Floats, Keys, combined, normal, uniform
from hwgen.progress import NO_CONTROL, Control
from hwgen.record import PAPER, Image
from hwgen.sources.simulation.handwriting import simulate_framed
from hwgen.sources.simulation.images import render_items
from hwgen.sources.simulation.pen import Item, character_number
from hwgen.sources.strokes.data import Strokes

HANDS = 1000
"""Number of simulated hands among which each sample's is chosen."""

_OF_HAND = 1 << 32  # indices of z are below

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SimulatedSamples:
    """Where the samples of a refiner start: hand, simulated image and z of each.

    All are functions of (seed, label, index) alone.

    Attributes:
        charset: the classes, in the order of the class ids.
        strokes: label -> strokes, of the classes that are asked for.
        framing: how images are scaled.
        hand: every sample is by this hand, with the same z; None chooses them for each sample.
    """

    charset: Charset
    strokes: Mapping[str, Strokes]
    framing: Framing
    hand: int | None = None

    def hands(self, class_ids: Ids, indices: Ids, seed: int) -> Ids:
        """Number of the simulated hand of each sample, int64 [N]."""
        if self.hand is not None:
            return np.full(len(class_ids), self.hand)
        keys = self._keys(class_ids, indices, seed)
        return (uniform(keys, np.array(_OF_HAND)) * HANDS).astype(np.int64)

    def images(self, class_ids: Ids, indices: Ids, seed: int) -> Image:
        """Simulated images, uint8 [N, S, S]; 255 is paper."""
        return simulate_framed(self.items(class_ids, indices, seed), self.framing)

    def items(self, class_ids: Ids, indices: Ids, seed: int) -> list[Item]:
        """Who writes what in each of the images."""
        labels = [self.charset[number] for number in class_ids.tolist()]
        hands = self.hands(class_ids, indices, seed).tolist()
        return [
            Item(self.strokes[label], character_number(label), seed, hand, index)
            for label, hand, index in zip(labels, hands, indices.tolist(), strict=True)
        ]

    def noise(self, class_ids: Ids, indices: Ids, seed: int, z_dim: int) -> Floats:
        """Z of each sample, float32 [N, z_dim]."""
        if self.hand is None:
            keys = self._keys(class_ids, indices, seed)
        else:
            own = combined(np.array([seed], np.uint64), np.array([self.hand]))
            keys = np.repeat(own, len(class_ids))
        return normal(keys[:, None], np.arange(z_dim))

    def _keys(self, class_ids: Ids, indices: Ids, seed: int) -> Keys:
        labels = np.array([character_number(self.charset[number]) for number in class_ids.tolist()])
        return combined(combined(np.array([seed], np.uint64), labels), indices)


def simulate_classes(
    strokes: Mapping[str, Strokes],
    charset: Charset,
    class_ids: Ids,
    recipe: RefinerRecipe,
    seed: int,
    *,
    workers: int = 1,
    control: Control = NO_CONTROL,
) -> torch.Tensor:
    """Images of some classes by every hand, rendered by several processes.

    Args:
        strokes: label -> strokes, of these classes.
        charset: of the class ids.
        class_ids: to render.
        recipe: its hands and framing.
        seed: of the hands.
        workers: number of processes; the images do not depend on it.
        control: progress in images, and stop requests.

    Returns:
        uint8 [classes, hands, S, S]; other classes are paper.

    Raises:
        RunError: a stop was requested.
    """
    hands, size = recipe.hands, recipe.size
    items = (
        Item(strokes[charset[number]], character_number(charset[number]), seed, hand)
        for number in class_ids.tolist()
        for hand in range(hands)
    )
    out = torch.full((len(charset) * hands, size, size), PAPER, dtype=torch.uint8)
    rows = (class_ids[:, None] * hands + np.arange(hands)).reshape(-1)
    done = 0
    with closing(render_items(items, recipe.framing, workers=workers)) as batches:
        for images in batches:
            if done and control.stop():
                raise RunError(
                    "stopped while simulating characters; training has not begun",
                    remedy="Rerun the command",
                )
            out[torch.from_numpy(rows[done : done + len(images)])] = torch.from_numpy(images)
            done += len(images)
            control.progress(done, len(rows), "")
    return out.unflatten(0, (len(charset), hands))
