import numpy as np
import pytest

from hwgen.lines.cropping import measured_pen
from hwgen.lines.glyphs import Pen
from hwgen.lines.marks import CLOSING, MARKS, extent, simulated


def test_digits_and_punctuation_in_both_widths() -> None:
    assert set("0123456789０１９〇￥¥，。、；：？！…—“”‘’（）《》,.;:?!()-+=%/~") <= MARKS.keys()
    assert set(CLOSING) <= MARKS.keys()
    assert all(len(mark) == 1 for mark in MARKS)
    assert len(MARKS["，"]) == len(MARKS[","])


@pytest.mark.parametrize("mark", sorted(MARKS))
def test_a_mark_is_where_and_as_large_as_it_is_written(mark: str) -> None:
    glyph = simulated(mark, Pen(0.06, 0.8), np.random.default_rng(3))
    real = extent(mark)
    assert glyph.is_mark
    assert glyph.image.dtype == np.uint8
    assert glyph.image.min() == pytest.approx(255 * 0.2, abs=1)
    assert glyph.width == pytest.approx(real.width + 0.15, abs=0.25)
    assert glyph.height == pytest.approx(real.height + 0.15, abs=0.25)
    assert glyph.middle == pytest.approx(real.middle, abs=0.15)


def test_a_bow_is_written_without_corners(monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    monkeypatch.setattr(
        "hwgen.lines.marks.resample", lambda line, step: written.append(line) or line
    )
    for seed in range(20):
        simulated("〇", Pen(0.05, 0.9), np.random.default_rng(seed))
    for line in written:
        x, y = np.diff(line, axis=0).T
        turns = np.diff(np.unwrap(np.arctan2(y, x)))
        assert np.abs(turns).max() < np.radians(45)  # 15 degrees without shaking


@pytest.mark.parametrize("darkness", [0.6, 0.7, 0.9])
def test_a_mark_is_as_wide_as_the_pen_measured_from_characters(darkness: float) -> None:
    rng = np.random.default_rng(0)
    pen = Pen(0.03, darkness)
    measured = [measured_pen(simulated(mark, pen, rng).image, 64) for mark in "0123456789"]
    assert np.median([one.width for one in measured if one]) == pytest.approx(0.03, rel=0.12)


def test_a_wider_pen_leaves_more_ink_and_no_two_are_equal() -> None:
    thin, wide = (
        simulated("3", Pen(width, 0.9), np.random.default_rng(0)) for width in (0.04, 0.1)
    )
    assert (wide.image < 128).sum() > 1.5 * (thin.image < 128).sum()
    other = simulated("3", Pen(0.04, 0.9), np.random.default_rng(1))
    assert other.image.shape != thin.image.shape or (other.image != thin.image).any()


def test_a_comma_is_low_and_leaves_space() -> None:
    rng = np.random.default_rng(0)
    comma, quote = (simulated(mark, Pen(0.06, 0.8), rng) for mark in "，“")
    assert comma.middle > 0.2 > quote.middle
    assert comma.after > quote.after == 0
