import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.lines.cropping import full_size_of, glyph_of, natural_size, pen_of
from hwgen.lines.glyphs import DEFAULT_PEN, Pen
from hwgen.record import Image


def box(height: int, width: int, grey: int = 51) -> Image:
    """A framed character: a filled box in the middle of 32x32 pixels, with a faint veil."""
    image = np.full((32, 32), 250, np.uint8)
    top, left = (32 - height) // 2, (32 - width) // 2
    image[top : top + height, left : left + width] = grey
    return image


def test_a_character_is_cropped_to_its_ink() -> None:
    glyph = glyph_of(box(28, 14), "日", 28)
    assert glyph is not None
    assert glyph.image.shape == (28, 14)
    assert (glyph.width, glyph.height, glyph.middle) == (0.5, 1.0, 0.0)
    assert glyph_of(np.full((32, 32), 250, np.uint8), "日", 28) is None


def test_a_comma_of_a_store_gets_its_own_size_and_place() -> None:
    glyph = glyph_of(box(28, 14), "，", 28)
    assert glyph is not None
    assert glyph.height < 0.3
    assert glyph.middle > 0.2
    assert glyph.is_mark
    assert glyph.after > 0


@pytest.mark.parametrize("width", [2, 4, 7])
def test_the_pen_is_measured(width: int) -> None:
    pen = pen_of([glyph_of(box(28, width), "丨", 28), None, glyph_of(box(28, 9), "，", 28)])
    assert pen.width == pytest.approx(width / 28, rel=0.35)
    assert pen.darkness == pytest.approx(0.8)
    assert pen_of([]) == DEFAULT_PEN


def test_wide_strokes_are_those_of_a_character_that_was_enlarged() -> None:
    glyph = glyph_of(box(28, 6), "丨", 28)
    assert glyph is not None
    assert glyph.pen is not None
    smaller = natural_size(glyph, Pen(0.8 * glyph.pen.width, 0.8))
    assert 0.8 < smaller.height < 0.95
    assert smaller.width / smaller.height == pytest.approx(glyph.width / glyph.height)
    assert natural_size(glyph, Pen(0.01, 0.8)).height == 0.7
    assert natural_size(glyph, glyph.pen).height == 1
    mark = glyph_of(box(28, 6), "1", 28)
    assert mark is not None
    assert natural_size(mark, Pen(0.01, 0.8)) is mark


def test_the_size_of_characters_in_a_frame() -> None:
    assert full_size_of(64, {"margin": 4}, "") == 56
    assert full_size_of(64, {}, "") == 56
    with pytest.raises(InputError, match="stretched"):
        full_size_of(64, {"stretch": True, "margin": 0}, "train")
