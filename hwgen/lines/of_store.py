"""Characters from a store: each line by one writer, as far as that writer wrote its characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hwgen.errors import InputError
from hwgen.exports.selection import Selection
from hwgen.imaging.contact_sheets import evenly_spaced
from hwgen.lines.cropping import full_size_of, glyph_of, pen_of
from hwgen.lines.glyphs import Glyph, Handwriting, Pen
from hwgen.lines.randomness import HAND, generator
from hwgen.record import check_channels
from hwgen.store import Store
from hwgen.store.origin import framing

Ids = npt.NDArray[np.int64]

_MEASURED = 8
"""Characters of a writer whose pen is measured."""

_TRIES = 8
"""Images of a character that are read until one has ink."""


class StoreCharacters:
    """The records of a store by character and writer.

    The writer of a line is drawn at random from those who wrote most of its characters. One that
    this writer did not write is by the writer of the most similar pen who did. Where no writers are
    known, every character is by any of them.

    Args:
        store: real, simulated or synthetic, in grey.
        writers: ids and ranges of ids, see Selection; "" for all.

    Raises:
        InputError: the store is in colour, its characters are stretched, or it lacks a writer.
    """

    def __init__(self, store: Store, writers: str = "") -> None:
        check_channels(store.channels, 1, str(store.path))
        self.store = store
        self._selected = writers
        self._full_size = full_size_of(store.size, framing(store.manifest.origin), str(store.path))
        numbers = Selection(writers=writers).subsets(store)[""]
        by, labels = store.columns["writer"][numbers].astype(np.int64), store.labels[numbers]
        order = np.lexsort((numbers, by, labels))
        self._numbers, self._by, labels = numbers[order], by[order], labels[order]
        classes = np.arange(len(store.charset) + 1)
        self._starts: list[int] = np.searchsorted(labels, classes).tolist()
        self._names = store.manifest.tables["writers"]
        self._pens: dict[int, Pen] = {}
        self._writers_of_class: dict[int, Ids] = {}

    @cached_property
    def known(self) -> frozenset[str]:
        """See Characters: the classes of one character that have records."""
        return frozenset(
            label
            for number, label in enumerate(self.store.charset)
            if len(label) == 1 and self._starts[number] < self._starts[number + 1]
        )

    @property
    def settings(self) -> Mapping[str, Any]:
        """See Characters."""
        content = self.store.manifest.content_sha256
        return {"content_sha256": content, "writers": self._selected}

    def writers(self, texts: Sequence[str], first: int, seed: int) -> list[str]:
        """See Characters."""
        return [
            self._names[self._writer(self._class_ids(text), generator(seed, first + row, HAND))]
            if self._class_ids(text)
            else ""
            for row, text in enumerate(texts)
        ]

    def write(self, texts: Sequence[str], first: int, seed: int) -> list[Handwriting]:
        """See Characters."""
        return [self._line(text, generator(seed, first + n, HAND)) for n, text in enumerate(texts)]

    def _line(self, text: str, rng: np.random.Generator) -> Handwriting:
        ids = self._class_ids(text)
        writer = self._writer(ids, rng) if ids else 0
        chosen = [self._records(class_id, writer, rng) for class_id in ids]
        images = self.store.images(np.array([some[0] for some in chosen], np.int64))
        found = iter(zip(chosen, images, strict=True))
        glyphs: list[Glyph | None] = []
        for label in text:
            if label not in self.known:
                glyphs.append(None)
                continue
            records, image = next(found)
            glyph = glyph_of(image, label, self._full_size)
            glyphs.append(glyph or self._inked(records[1:], label))
        return Handwriting(glyphs, self._names[writer] if ids else "", self._pen(writer))

    def _class_ids(self, text: str) -> list[int]:
        return [self.store.charset.id(label) for label in text if label in self.known]

    def _writer(self, class_ids: Sequence[int], rng: np.random.Generator) -> int:
        """Position in the table of writers."""
        several = np.concatenate([self._writers_of(class_id) for class_id in class_ids])
        counts = np.bincount(several)
        nameless = [number for number in np.unique(several).tolist() if not self._names[number]]
        # Records of unknown writers are by many, so they are no choice where a writer is known.
        if len(nameless) < np.count_nonzero(counts):
            counts[nameless] = 0
        best = np.flatnonzero(counts == counts.max())
        return int(best[rng.integers(len(best))])

    def _records(self, class_id: int, writer: int, rng: np.random.Generator) -> Ids:
        """Records of a class, by a writer or the one with the most similar pen, in random order."""
        start, stop = self._starts[class_id], self._starts[class_id + 1]
        known = self._writers_of(class_id)
        place = int(np.searchsorted(known, writer))
        if place == len(known) or known[place] != writer:
            own = self._pen(writer)
            far = [_difference(own, self._pen(other)) for other in known.tolist()]
            writer = int(known[int(np.argmin(far))])
        first, last = np.searchsorted(self._by[start:stop], [writer, writer + 1]) + start
        return self._numbers[first + rng.permutation(last - first)[:_TRIES]]

    def _writers_of(self, class_id: int) -> Ids:
        found = self._writers_of_class.get(class_id)
        if found is None:
            start, stop = self._starts[class_id], self._starts[class_id + 1]
            found = self._writers_of_class[class_id] = np.unique(self._by[start:stop])
        return found

    def _pen(self, writer: int) -> Pen:
        found = self._pens.get(writer)
        if found is None:
            places = np.flatnonzero(self._by == writer)
            places = places[evenly_spaced(len(places), _MEASURED)]
            images = self.store.images(self._numbers[places])
            labels = self.store.labels[self._numbers[places]].tolist()
            glyphs = [
                glyph_of(image, self.store.charset[label], self._full_size)
                for image, label in zip(images, labels, strict=True)
            ]
            found = self._pens[writer] = pen_of(glyphs)
        return found

    def _inked(self, records: Ids, label: str) -> Glyph:
        """The first of some images that has ink.

        Raises:
            InputError: none has.
        """
        for number in records.tolist():
            glyph = glyph_of(self.store.images([number])[0], label, self._full_size)
            if glyph:
                return glyph
        raise InputError(
            f"images of {label!r} have no ink",
            where=str(self.store.path),
            remedy="Prepare the store with --drop-empty, or leave the character out of --corpus",
        )


def _difference(a: Pen, b: Pen) -> float:
    """How different two pens look; a stroke twice as wide counts as one half as dark."""
    return abs(float(np.log(a.width / b.width))) + abs(a.darkness - b.darkness)
