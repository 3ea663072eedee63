"""In: one labelled image from any source. Out: the one currency that every room trades in.

Polarity, stated here once: a glyph is dark ink on white paper, 255 = paper, 0 = full ink, in
every Record and in every store. A preset's own range is applied in `batches` and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

PAPER = 255
"""Grey value of the background."""


@dataclass(frozen=True)
class Record:
    """One labelled image.

    Attributes:
        image: uint8 [h, w] grey or [h, w, 3] colour; 255 is paper.
        label: the character (or class name) as text; ids exist only inside a store.
        writer: who wrote it, "" where that is not known.
        source: where it was born: a file (`archive.zip!folder/001.gnt`) or a generator run.
        position: place within the source: a byte offset in a file, the sample index of a run.
    """

    image: Image
    label: str
    writer: str
    source: str
    position: int

    @property
    def raw(self) -> Image:
        """What a store's image is made from: the image itself."""
        return self.image


@dataclass(frozen=True)
class PixelRange:
    """The float values that a network sees for white paper and for full ink."""

    paper: float
    ink: float


@dataclass(frozen=True)
class BadRecord:
    """A stretch of a file that gave no record.

    Attributes:
        source: the file, named as in its records.
        offset: where the stretch begins, bytes from the file's beginning.
        length: bytes skipped.
        expected: what a sound file has there.
        found: what was there.
        kind: one of "damaged header", "cut short", "unreadable tag", "empty file"; of POT also
            "no end in place", "wrong strokes"; of images also "bad image", "unknown label".
    """

    source: str
    offset: int
    length: int
    expected: str
    found: str
    kind: str
