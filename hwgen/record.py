"""Labelled images as all packages exchange them.

Polarity: in every Record and every store, glyphs are dark ink on white paper: 255 is paper, 0 full
ink. The value range of a network is applied in hwgen.data alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwgen.errors import InputError

Image = npt.NDArray[np.uint8]

PAPER = 255
"""Grey value of paper."""


@dataclass(frozen=True)
class Record:
    """One labelled image.

    Attributes:
        image: uint8 [h, w] grey or [h, w, 3] colour; 255 is paper.
        label: the character (or class name) as text; only a store has class ids.
        writer: id of the writer, "" if unknown.
        source: the file (`archive.zip!folder/001.gnt`) or the generator's run it comes from.
        position: position in the source: a byte offset in a file, the sample index in a run.
    """

    image: Image
    label: str
    writer: str
    source: str
    position: int

    @property
    def raw(self) -> Image:
        """What Framing takes: the image itself."""
        return self.image

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return (
            f"Record(image={width}x{height} {'grey' if self.image.ndim == 2 else 'colour'}, "
            f"label={self.label!r}, writer={self.writer!r}, source={self.source!r}, "
            f"position={self.position})"
        )


@dataclass(frozen=True)
class BadRecord:
    """A damaged stretch of a file, which gave no record.

    Attributes:
        source: the file, named as in its records.
        offset: first byte of the stretch in the file.
        length: bytes skipped.
        expected: what an intact file has there.
        found: what was there.
        kind: "damaged header", "cut short", "unreadable tag" or "empty file"; for POT also
            "no end in place" or "wrong strokes"; for images also "bad image" or "unknown label".
    """

    source: str
    offset: int
    length: int
    expected: str
    found: str
    kind: str


def check_channels(found: int, expected: int, where: str = "") -> None:
    """Refuse images with another number of channels.

    Args:
        found: channels of the images.
        expected: 1 for grey, 3 for colour.
        where: path of the store with the images, for the error.

    Raises:
        InputError: the numbers differ.
    """
    if found != expected:
        raise InputError(
            f"expected {expected} {'channel' if expected == 1 else 'channels'}, found {found}",
            where=where,
            remedy=f"Rerun prepare-images with {'--grey' if expected == 1 else '--colour'}",
        )
