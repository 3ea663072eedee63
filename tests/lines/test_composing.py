import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.lines.composing import Layout, Paper, compose
from hwgen.lines.glyphs import Glyph

FULL = Glyph(np.full((40, 40), 10, np.uint8), 1.0, 1.0)
STRAIGHT = Layout(size=0, turn=0, lift=0, slope=0, drift=0, gap=(0.1, 0), gap_change=0, cell=(0, 0))


def line(*glyphs: Glyph | None, layout: Layout = STRAIGHT, seed: int = 0) -> Paper:
    return compose(glyphs, layout, np.random.default_rng(seed))


def ink_columns(paper: Paper) -> int:
    return int((paper.image < 128).any(axis=0).sum())


@pytest.mark.parametrize("height", [32, 64, 200])
def test_the_height_is_given_and_all_ink_is_inside(height: int) -> None:
    layout = Layout(height=height, padding=0.2)
    for seed in range(20):
        paper = line(*[FULL] * 9, layout=layout, seed=seed)
        assert paper.image.shape[0] == height
        assert paper.image.shape[1] > 5 * height
        edge = np.concatenate([paper.image[[0, -1]].ravel(), paper.image[:, [0, -1]].ravel()])
        assert edge.min() == 255
        assert paper.image.min() < 20


def test_characters_stand_side_by_side_with_gaps() -> None:
    paper = line(FULL, FULL, FULL)
    inside = (paper.image < 128).any(axis=0)
    assert (np.diff(inside.astype(int)) == 1).sum() == 3
    assert ink_columns(paper) == pytest.approx(3 * paper.unit, abs=4)
    wider = line(FULL, None, FULL)
    ink = np.flatnonzero((wider.image < 128).any(axis=0))
    # A gap on each side of the space.
    assert np.diff(ink).max() == pytest.approx(0.55 * wider.unit, abs=3)


def test_low_characters_are_not_enlarged() -> None:
    flat = Glyph(np.full((4, 40), 10, np.uint8), 1.0, 0.1)
    paper = line(flat, flat)
    assert (paper.image < 128).any(axis=1).sum() < 0.2 * paper.image.shape[0]


def test_marks_stand_where_they_are_written() -> None:
    comma = Glyph(np.full((8, 8), 10, np.uint8), 0.15, 0.15, 0.4, is_mark=True)
    paper = line(FULL, comma)
    columns = np.flatnonzero((paper.image < 128).any(axis=0))[-4:]
    rows = np.flatnonzero((paper.image[:, columns] < 128).any(axis=1))
    assert rows.mean() == pytest.approx(paper.base + 0.4 * paper.unit, abs=2)


def test_the_darkest_ink_is_seen_where_characters_touch() -> None:
    pale = Glyph(np.full((40, 40), 200, np.uint8), 1.0, 1.0)
    layout = Layout(size=0, turn=0, lift=0, slope=0, drift=0, gap=(-0.03, 0), gap_change=0.0)
    image = line(FULL, pale, layout=layout).image
    both = line(pale, FULL, layout=layout).image
    for found in (image, both):
        middle = found[found.shape[0] // 2]
        edges = np.diff(np.flatnonzero(middle < 100))
        assert edges.max() == 1
        assert (middle < 100).sum() > 40


def test_variation_is_a_function_of_the_generator() -> None:
    a, b, c = (line(*[FULL] * 5, layout=Layout(), seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(a.image, b.image)
    assert a.image.shape != c.image.shape or (a.image != c.image).any()


def test_a_base_line_slopes_and_bends() -> None:
    for layout in (Layout(slope=0.02, drift=0, lift=0), Layout(slope=0, drift=0.1, lift=0)):
        tops = [
            np.argmax((line(*[FULL] * 12, layout=layout, seed=n).image < 128), axis=0).astype(float)
            for n in range(6)
        ]
        assert max(float(np.ptp(top[top > 0])) for top in tops) > 3


def test_small_images_are_not_aliased() -> None:
    fine = np.where(np.arange(240) % 2, 255, 0).astype(np.uint8)[None].repeat(240, 0)
    paper = line(Glyph(fine, 1.0, 1.0), layout=Layout(height=16))
    height, width = paper.image.shape
    middle = paper.image[height // 2 - 2 : height // 2 + 2, width // 2 - 2 : width // 2 + 2]
    assert np.ptp(middle) < 60
    assert 60 < middle.mean() < 200


@pytest.mark.parametrize("changes", [{"height": 8}, {"height": 1000}, {"padding": -1.0}])
def test_numbers_out_of_range_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(InputError, match="--height"):
        Layout(**changes)  # type: ignore[arg-type]
