"""The image of one line: its characters, simulated marks between them, and paper."""

from __future__ import annotations

from dataclasses import dataclass

from hwgen.lines.composing import Layout, compose
from hwgen.lines.corpus import SPACE
from hwgen.lines.cropping import natural_size
from hwgen.lines.glyphs import Glyph, Handwriting
from hwgen.lines.looks import apply_looks
from hwgen.lines.marks import simulated
from hwgen.lines.randomness import LAYOUT, LOOKS, MARKS, generator
from hwgen.record import Image


@dataclass(frozen=True)
class Style:
    """How lines look.

    Attributes:
        layout: how characters stand.
        looks: names from hwgen.lines.looks.LOOKS.
    """

    layout: Layout
    looks: tuple[str, ...]


def line_image(text: str, line: Handwriting, style: Style, seed: int, number: int) -> Image:
    """The image of a line, a function of its arguments: uint8 [height, w], 255 is paper.

    Args:
        text: of the line, with at least one character besides spaces.
        line: its characters; of those without images, punctuation and digits are simulated.
        style: how it looks.
        seed: of marks, layout and looks.
        number: of the line; each has its own marks, layout and looks.
    """
    rng = generator(seed, number, MARKS)
    glyphs: list[Glyph | None] = []
    for label, glyph in zip(text, line.glyphs, strict=True):
        if glyph is not None:
            glyphs.append(natural_size(glyph, line.pen))
        else:
            glyphs.append(None if label == SPACE else simulated(label, line.pen, rng))
    paper = compose(glyphs, style.layout, generator(seed, number, LAYOUT))
    return apply_looks(paper, style.looks, generator(seed, number, LOOKS))
