"""Characters side by side on paper: the image of a line.

Lengths are in units of a full-size character until the image is made; then a unit becomes as many
pixels as the height of the image gives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage

from hwgen.errors import InputError
from hwgen.lines.glyphs import Glyph
from hwgen.record import PAPER, Image

Floats = npt.NDArray[np.float64]

HEIGHTS = (16, 512)
"""Lowest and highest image, pixels."""

_COARSE = 1.6  # reduction from which on an affine transform, which reads single pixels, aliases
_CELL = 0.9  # least height of the writing, also where all characters are low


@dataclass(frozen=True)
class Layout:
    """How characters stand in a line. Numbers without a range are standard deviations.

    Attributes:
        height: of the image, pixels.
        padding: mean of the paper above and below the ink, in units of a full-size character.
        size: of a character, relative.
        turn: of a character, radians.
        lift: of a character above or below the base line.
        slope: of the base line.
        drift: how far the base line bends up or down.
        gap: mean and standard deviation, over lines, of the gap between two characters.
        gap_change: of a gap within a line.
        cell: range of how much characters stand at equal distances (1) or at equal gaps (0).

    Raises:
        InputError: the height or the padding is out of range.
    """

    height: int = 64
    padding: float = 0.12
    size: float = 0.05
    turn: float = 0.02
    lift: float = 0.03
    slope: float = 0.012
    drift: float = 0.06
    gap: tuple[float, float] = (0.10, 0.05)
    gap_change: float = 0.03
    cell: tuple[float, float] = (0.0, 0.7)

    def __post_init__(self) -> None:
        if not HEIGHTS[0] <= self.height <= HEIGHTS[1] or not 0 <= self.padding <= 2:
            raise InputError(
                f"expected a height from {HEIGHTS[0]} to {HEIGHTS[1]} pixels and a padding from 0 "
                f"to 2 characters, found {self.height} and {self.padding:g}",
                remedy="Give other --height or --padding",
            )


@dataclass(frozen=True)
class Paper:
    """A composed line.

    Attributes:
        image: uint8 [height, width], 255 is paper.
        unit: pixels in a full-size character.
        base: pixels from the top of the image to the middle of the first character.
        slope: of the base line.
    """

    image: Image
    unit: float
    base: float
    slope: float


def compose(glyphs: Sequence[Glyph | None], layout: Layout, rng: np.random.Generator) -> Paper:
    """Characters as a line.

    Args:
        glyphs: None is a space; at least one has an image.
        layout: how they stand.
        rng: of all variation.
    """
    count = len(glyphs)
    scale = np.exp(rng.normal(0, layout.size, count))
    turn = rng.normal(0, layout.turn, count)
    widths, heights, middles = (
        np.array([getattr(glyph, name) if glyph else none for glyph in glyphs])
        for name, none in (("width", 0.35), ("height", 0.0), ("middle", 0.0))
    )
    widths, heights = widths * scale, heights * scale
    x = _places(glyphs, widths, layout, rng)
    slope = float(np.clip(rng.normal(0, layout.slope), -0.04, 0.04))
    y = middles + slope * x + _drift(x, layout.drift, rng) + rng.normal(0, layout.lift, count)

    above, below = rng.uniform(0.3, 1.7, 2) * layout.padding
    left, right = rng.uniform(0.1, 0.5, 2)
    marks = np.array([glyph is None or glyph.is_mark for glyph in glyphs])
    # Marks alone are not enlarged to the height of a line.
    reach = np.where(marks, heights / 2, np.maximum(heights, _CELL) / 2)
    top = float(min((y - reach).min(), (slope * x).min() - _CELL / 2))
    bottom = float(max((y + reach).max(), (slope * x).max() + _CELL / 2))
    unit = layout.height / (bottom - top + above + below)
    start = float((x - widths / 2).min()) - left
    width = max(1, round((float((x + widths / 2).max()) + right - start) * unit))
    image = np.full((layout.height, width), PAPER, np.uint8)
    for place, glyph in enumerate(glyphs):
        if glyph is not None:
            centre = (x[place] - start) * unit, (y[place] - top + above) * unit
            _put(image, glyph, centre, float(scale[place]) * unit, float(turn[place]))
    return Paper(image, unit, (above - top) * unit + slope * start * unit, slope)


def _places(
    glyphs: Sequence[Glyph | None], widths: Floats, layout: Layout, rng: np.random.Generator
) -> Floats:
    """X of the middle of each character."""
    cell = rng.uniform(*layout.cell)
    gap = max(-0.03, rng.normal(*layout.gap))
    gaps = gap + rng.normal(0, layout.gap_change, len(glyphs))
    equal = np.array([glyph is not None and not glyph.is_mark for glyph in glyphs])
    room = np.where(equal, widths + cell * np.maximum(0, 1 - widths), widths)
    gaps += np.array([glyph.after if glyph else 0.0 for glyph in glyphs])
    ends = np.cumsum(room + gaps)
    return ends - gaps - room / 2


def _drift(x: Floats, size: float, rng: np.random.Generator) -> Floats:
    """A slow bend of the base line: two waves of some characters' length."""
    bend = np.zeros_like(x)
    for length in rng.uniform(4, 16, 2):
        bend += rng.normal(0, size / 2) * np.sin(2 * np.pi * (x / length + rng.uniform()))
    return bend


def _put(image: Image, glyph: Glyph, centre: tuple[float, float], unit: float, turn: float) -> None:
    """Scale and turn a character to its place; each pixel takes the darkest ink."""
    source = PilImage.fromarray(glyph.image)
    to_width, to_height = glyph.width * unit, glyph.height * unit
    if min(source.width / to_width, source.height / to_height) > _COARSE:
        smaller = max(1, round(to_width)), max(1, round(to_height))
        source = source.resize(smaller, PilImage.Resampling.BILINEAR)
    cos, sin = math.cos(turn), math.sin(turn)
    # The box around the turned character, with a pixel for its soft edge.
    half_width = (to_width * cos + to_height * abs(sin)) / 2 + 1
    half_height = (to_height * cos + to_width * abs(sin)) / 2 + 1
    left, right = max(0, int(centre[0] - half_width)), math.ceil(centre[0] + half_width)
    top, bottom = max(0, int(centre[1] - half_height)), math.ceil(centre[1] + half_height)
    there = image[top:bottom, left:right]
    if not there.size:
        return
    # From pixels of the line to those of the character.
    sx, sy = source.width / to_width, source.height / to_height
    dx, dy = left - centre[0], top - centre[1]
    matrix = (
        cos * sx, sin * sx, (cos * dx + sin * dy) * sx + source.width / 2,
        -sin * sy, cos * sy, (-sin * dx + cos * dy) * sy + source.height / 2,
    )  # fmt: skip
    turned = source.transform(
        (there.shape[1], there.shape[0]),
        PilImage.Transform.AFFINE,
        matrix,
        PilImage.Resampling.BILINEAR,
        fillcolor=PAPER,
    )
    np.minimum(there, np.asarray(turned), out=there)
