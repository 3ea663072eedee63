"""Framed characters of a store as they stand in a line: cropped to the ink, with their size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hwgen.errors import InputError
from hwgen.lines.glyphs import DEFAULT_PEN, Glyph, Pen
from hwgen.lines.marks import MARKS, extent, space_after
from hwgen.record import PAPER, Image

_FAINTEST = 235
"""Grey value from which on a pixel is paper; generators leave a faint veil."""

_INK = 128  # grey value below which a pixel counts for the width of the pen
_SMALLEST, _LARGEST, _DAMPING = 0.7, 1.12, 0.7  # of natural_size; pens vary, too


def glyph_of(image: Image, label: str, full_size: float) -> Glyph | None:
    """A framed character; None if it has no ink.

    Args:
        image: uint8 [S, S].
        label: the character.
        full_size: pixels of a full-size character in it.
    """
    ink = image < _FAINTEST
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return None
    cropped = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    cropped = np.where(cropped < _FAINTEST, cropped, PAPER).astype(np.uint8)
    height, width = cropped.shape
    if label in MARKS:
        # A store scales a comma to the size of all characters.
        real = extent(label)
        size = max(real.height, real.width, 0.1) / max(height, width)
        after = space_after(label)
        return Glyph(cropped, width * size, height * size, real.middle, is_mark=True, after=after)
    return Glyph(
        cropped, width / full_size, height / full_size, pen=measured_pen(cropped, full_size)
    )


def pen_of(glyphs: Sequence[Glyph | None]) -> Pen:
    """The pen of some characters by one writer: medians, without marks."""
    found = [(glyph.pen.width, glyph.pen.darkness) for glyph in glyphs if glyph and glyph.pen]
    if not found:
        return DEFAULT_PEN
    width, darkness = np.median(found, axis=0)
    return Pen(float(width), float(darkness))


def natural_size(glyph: Glyph, pen: Pen) -> Glyph:
    """A character about as large as it was written.

    A store has all characters in one size, so that the strokes of small ones, such as 口, are
    wider than others of the same pen.
    """
    if glyph.pen is None:
        return glyph
    ratio = pen.width / glyph.pen.width
    size = float(np.clip(ratio**_DAMPING, _SMALLEST, _LARGEST))
    return replace(glyph, width=glyph.width * size, height=glyph.height * size)


def full_size_of(size: int, framing: Mapping[str, Any], where: str) -> float:
    """Pixels of a full-size character in a frame.

    Args:
        size: of the frame, pixels.
        framing: how it was made, see hwgen.store.origin.framing; {} if not known.
        where: the store or run, for the error.

    Raises:
        InputError: characters are stretched, so that their proportions are lost.
    """
    if framing.get("stretch"):
        raise InputError(
            "characters are stretched to squares, so that their proportions are lost",
            where=where,
            remedy="Prepare the store without --stretch",
        )
    margin = framing.get("margin")
    return float(size - 2 * (margin if isinstance(margin, int) else size // 16))


def measured_pen(image: Image, full_size: float) -> Pen | None:
    """The pen of a character, uint8 [h, w]; None where no pixel is dark enough."""
    ink = image < _INK
    area = int(ink.sum())
    if not area:
        return None
    framed = np.pad(ink, 1)
    edges = int((framed[1:] != framed[:-1]).sum() + (framed[:, 1:] != framed[:, :-1]).sum())
    # Edges along rows and columns are 4 / pi times as long as the outline, on average.
    width = 2 * area / (edges * np.pi / 4)
    return Pen(width / full_size, 1 - float(image[ink].mean()) / PAPER)
