"""The simulated images that a refiner starts from, in training and when sampling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from hwgen.charset import Charset
from hwgen.generators.refiner.recipe import RefinerRecipe
from hwgen.imaging.framing import Framing
from hwgen.imaging.framing_pool import available_workers
from hwgen.imaging.hash_noise import Floats, Keys, combined, normal, uniform
from hwgen.record import Image
from hwgen.sources.simulation.handwriting import simulate_framed
from hwgen.sources.simulation.images import simulate_images
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
        labels = [self.charset[number] for number in class_ids.tolist()]
        hands = self.hands(class_ids, indices, seed).tolist()
        items = [
            Item(self.strokes[label], character_number(label), seed, hand, index)
            for label, hand, index in zip(labels, hands, indices.tolist(), strict=True)
        ]
        return simulate_framed(items, self.framing)

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
) -> torch.Tensor:
    """Images of some classes by every hand, rendered by several processes.

    Returns:
        uint8 [classes, hands, S, S]; other classes are paper.
    """
    items = [
        Item(strokes[charset[number]], character_number(charset[number]), seed, hand)
        for number in class_ids.tolist()
        for hand in range(recipe.hands)
    ]
    images = simulate_images(items, recipe.framing, workers=available_workers())
    shape = (len(charset), recipe.hands, recipe.size, recipe.size)
    out = torch.full(shape, 255, dtype=torch.uint8)
    out[torch.from_numpy(class_ids)] = torch.from_numpy(images).unflatten(0, (-1, recipe.hands))
    return out
