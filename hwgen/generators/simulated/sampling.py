"""Sampling from the simulator: any character that has strokes, by any number of hands.

A sample is a function of (strokes, seed, label, index, hand) alone, as those of a refiner, which
starts from the same images.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset, parse_charset
from hwgen.errors import InputError
from hwgen.generators.samplers import (
    Labels,
    SamplerBase,
    check_hand,
    ids_and_indices,
    names_of,
)
from hwgen.imaging.framing import Framing
from hwgen.record import Image
from hwgen.sources.simulation.samples import SimulatedSamples
from hwgen.sources.strokes.choice import stroke_data
from hwgen.sources.strokes.data import StrokeData, Strokes, chinese
from hwgen.sources.strokes.rounding import fingerprint

SIZE = 64
"""Default size of the images, pixels, as of `hwgen prepare-strokes`."""

MIN_SIZE, MAX_SIZE = 4, 1024

TITLE = "simulator"
OPTIONS = frozenset({"charset", "strokes", "hand", "size"})
"""See hwgen.generators.built_in.BUILT_IN."""


class SimulatedSampler(SamplerBase):
    """The simulator as a WriterSampler.

    Args:
        strokes: of the characters.
        charset: classes to sample; None for all Chinese characters that have strokes, everyday ones
            first.
        framing: size and margin of the images.
        hand: number of the hand that writes all samples; None chooses one for each sample.

    Raises:
        InputError: reading the strokes fails, or `hand` is not a number from 0.
        CharsetError: lists every class that has no strokes.
    """

    title = TITLE
    generates = True
    channels = 1
    preset = "simulated"
    provenance = "simulated handwriting"
    data: tuple[str, ...] = ()

    def __init__(
        self,
        strokes: StrokeData,
        charset: Charset | None = None,
        *,
        framing: Framing,
        hand: int | None = None,
    ) -> None:
        check_hand(hand)
        self._source, self._framing, self._hand = strokes, framing, hand
        self._strokes: dict[str, Strokes] = {}
        if charset is None:
            charset = Charset(chinese(strokes.characters()))
        else:
            self._have(charset)
        self.charset, self.size, self.framing = charset, framing.size, framing.to_json()

    @property
    def characters(self) -> Set[str]:
        """See Sampler: all that have strokes."""
        return self._source.characters()

    @property
    def origin(self) -> dict[str, Any]:
        """See WriterSampler; the samples are simulated, not synthetic."""
        return {
            "kind": "simulated",
            "simulated": True,
            "charset": self.charset.fingerprint,
            "strokes": fingerprint(self._have(self.charset), self.charset),
            **({} if self._hand is None else {"hand": self._hand}),
            "framing": self._framing.to_json(),
            "notice": self._source.notice,
        }

    def sample(
        self,
        labels: Labels,
        indices: npt.ArrayLike | None = None,
        *,
        hand: int | None = None,
        seed: int = 0,
        batch: int = 512,
    ) -> Image:
        """See hwgen.generators.samplers.Sampler.sample.

        Text and labels may have any character that has strokes, also outside `charset`. A hand's
        images of a character vary. `batch` has no effect.

        Raises:
            CharsetError: lists every label that has no strokes.
        """
        check_hand(hand, seed)
        names, charset = names_of(labels) or [], self.charset
        self._have(names)
        if new := [one for one in dict.fromkeys(names) if one not in charset]:
            charset = Charset((*charset, *new))
        ids, numbers = ids_and_indices(charset, labels, indices)
        self._have(charset[number] for number in np.unique(ids).tolist())
        return self._start(charset, self._hand if hand is None else hand).images(ids, numbers, seed)

    def writers(
        self, class_ids: npt.ArrayLike, indices: npt.ArrayLike, *, seed: int = 0
    ) -> list[str]:
        """See WriterSampler; such as "hand-0017-seed-0"."""
        ids, numbers = np.asarray(class_ids, np.int64), np.asarray(indices, np.int64)
        return self._start(self.charset, self._hand).writers(ids, numbers, seed)

    def _start(self, charset: Charset, hand: int | None) -> SimulatedSamples:
        return SimulatedSamples(charset, self._strokes, self._framing, hand)

    def _have(self, labels: Iterable[str]) -> dict[str, Strokes]:
        """The strokes read so far, with those of these labels."""
        wanted = dict.fromkeys(labels)
        if wanted.keys() - self._strokes.keys():
            self._strokes.update(self._source.load(wanted))
        return self._strokes


def load(
    *,
    charset: Charset | str | None = None,
    strokes: StrokeData | Path | str | None = None,
    hand: int | None = None,
    size: int = SIZE,
) -> SimulatedSampler:
    """The simulator.

    Args:
        charset: see SimulatedSampler; text, too.
        strokes: of the characters, see hwgen.sources.strokes.choice.stroke_data.
        hand: see SimulatedSampler.
        size: width and height of the images, pixels.

    Raises:
        InputError: the size is out of range; or see SimulatedSampler.
        CharsetError: see SimulatedSampler.
    """
    if not isinstance(size, int) or not MIN_SIZE <= size <= MAX_SIZE:
        raise InputError(
            f"expected a size from {MIN_SIZE} to {MAX_SIZE} pixels, found {size!r:.40}"
        )
    if isinstance(charset, str):
        charset = parse_charset(charset)
    return SimulatedSampler(stroke_data(strokes), charset, framing=Framing(size), hand=hand)
