"""What lines are composed of: characters, pens, and where characters come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hwgen.record import Image


@dataclass(frozen=True)
class Pen:
    """What a writer's lines look like.

    Attributes:
        width: of a stroke, in units of a full-size character.
        darkness: of a stroke, 0 to 1.
    """

    width: float
    darkness: float


DEFAULT_PEN = Pen(0.055, 0.85)
"""Where there is no character to measure."""


@dataclass(frozen=True)
class Glyph:
    """One character of a line.

    Attributes:
        image: uint8 [h, w], cropped to the ink; 255 is paper.
        width: of the image, in units of a full-size character.
        height: likewise.
        middle: of the image's height; 0 is the middle of a full-size character, y points down.
        is_mark: punctuation or a digit, whose place depends on its own width alone.
        after: additional paper behind it.
        pen: measured; None where nothing can be measured, and of marks.
    """

    image: Image
    width: float
    height: float
    middle: float = 0.0
    is_mark: bool = False
    after: float = 0.0
    pen: Pen | None = None


@dataclass(frozen=True)
class Handwriting:
    """The characters of one line.

    Attributes:
        glyphs: of each character of the text; None for a space, or where there is no image.
        writer: id of the writer or the hand, "" if not known.
        pen: of the writer.
    """

    glyphs: Sequence[Glyph | None]
    writer: str
    pen: Pen


class Characters(Protocol):
    """A source of images of single characters, one hand per line."""

    @property
    def known(self) -> frozenset[str]:
        """Characters that there are images of."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Plain JSON that determines the images."""

    def write(self, texts: Sequence[str], first: int, seed: int) -> list[Handwriting]:
        """Lines number `first` and so on; a line is a function of (seed, number, text)."""

    def writers(self, texts: Sequence[str], first: int, seed: int) -> list[str]:
        """The writers of these lines, without their images."""
