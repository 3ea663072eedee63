"""Characters by a generator: each line in one hand of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from hwgen.charset import UNLABELLED
from hwgen.errors import InputError
from hwgen.generators.samplers import Sampler, WriterSampler
from hwgen.lines.cropping import glyph_of, pen_of
from hwgen.lines.glyphs import Glyph, Handwriting
from hwgen.record import check_channels

_TRIES = 8
"""Samples of a character that are made until one has ink."""

_LATER = 1 << 20
"""Distance between the indices of these samples."""


class GeneratedCharacters:
    """The samples of a generator: line n is by hand n.

    Args:
        sampler: in grey, of a kind that has hands.
        full_size: pixels of a full-size character in a sample.

    Raises:
        InputError: samples are in colour, or have no labels.
    """

    def __init__(self, sampler: Sampler, full_size: float) -> None:
        check_channels(sampler.channels, 1, sampler.provenance)
        if sampler.charset == UNLABELLED:
            raise InputError(
                "a generator that was trained without labels cannot write a text",
                where=sampler.provenance,
                remedy="Give a RUN that was trained with labels, or the simulator: simulated",
            )
        self._sampler, self._full_size = sampler, full_size
        self.known = frozenset(label for label in sampler.characters if len(label) == 1)

    @property
    def settings(self) -> Mapping[str, Any]:
        """See Characters."""
        own = self._sampler.origin if isinstance(self._sampler, WriterSampler) else {}
        return {"provenance": self._sampler.provenance, **own}

    def writers(self, texts: Sequence[str], first: int, seed: int) -> list[str]:
        """See Characters."""
        return [f"hand-{first + row:04d}-seed-{seed}" for row in range(len(texts))]

    def write(self, texts: Sequence[str], first: int, seed: int) -> list[Handwriting]:
        """See Characters."""
        writers = self.writers(texts, first, seed)
        return [
            self._line(text, first + row, writer, seed)
            for row, (text, writer) in enumerate(zip(texts, writers, strict=True))
        ]

    def _line(self, text: str, hand: int, writer: str, seed: int) -> Handwriting:
        labels = [label for label in text if label in self.known]
        found = iter(self._glyphs(labels, hand, seed) if labels else [])
        glyphs = [next(found) if label in self.known else None for label in text]
        return Handwriting(glyphs, writer, pen_of(glyphs))

    def _glyphs(self, labels: Sequence[str], hand: int, seed: int) -> list[Glyph]:
        """Glyphs of characters in one hand, which does not write one the same twice if it can."""
        indices = _occurrences(labels)
        glyphs: list[Glyph | None] = [None] * len(labels)
        for attempt in range(_TRIES):
            left = [place for place, glyph in enumerate(glyphs) if glyph is None]
            if not left:
                break
            images = self._sampler.sample(
                [labels[place] for place in left],
                [indices[place] + attempt * _LATER for place in left],
                hand=hand,
                seed=seed,
            )
            for place, image in zip(left, images, strict=True):
                glyphs[place] = glyph_of(image, labels[place], self._full_size)
        without = sorted({labels[n] for n, glyph in enumerate(glyphs) if glyph is None})
        if without:
            raise InputError(
                f"samples of {''.join(without)} have no ink",
                where=self._sampler.provenance,
                remedy="Leave these characters out of --corpus, or train longer",
            )
        return [glyph for glyph in glyphs if glyph]


def _occurrences(labels: Sequence[str]) -> list[int]:
    """How often each label occurred before."""
    seen: Counter[str] = Counter()
    found = []
    for label in labels:
        found.append(seen[label])
        seen[label] += 1
    return found
