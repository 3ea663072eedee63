"""Simulated samples by class and index: those of a simulator, and where a refiner starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.imaging.framing import Framing
from hwgen.imaging.hash_noise import Floats, Keys, combined, normal, uniform
from hwgen.record import Image
from hwgen.sources.simulation.handwriting import simulate_framed
from hwgen.sources.simulation.pen import Item, character_number
from hwgen.sources.strokes.data import Strokes

HANDS = 1000
"""Number of simulated hands among which each sample's is chosen."""

_OF_HAND = 1 << 32  # indices of z are below

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SimulatedSamples:
    """Who writes a sample, and how: hand, simulated image and noise of each.

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

    def writers(self, class_ids: Ids, indices: Ids, seed: int) -> list[str]:
        """Name of the hand of each sample, such as "hand-0017-seed-0"."""
        hands = self.hands(class_ids, indices, seed).tolist()
        return [f"hand-{hand:04d}-seed-{seed}" for hand in hands]

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
