import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.lines.composing import Paper
from hwgen.lines.looks import LOOKS, apply_looks, parse_looks
from hwgen.record import Image

INK = np.full((64, 400), 255, np.uint8)
INK[20:44, 100:120] = 0
LINE = Paper(INK, unit=48.0, base=32.0, slope=0.0)


def looked(*looks: str, seed: int) -> Image:
    return apply_looks(LINE, looks, np.random.default_rng(seed))


def test_looks_are_parsed_in_one_order() -> None:
    assert parse_looks("noise, light,ruled") == ("ruled", "light", "noise")
    assert parse_looks("none") == ()
    assert parse_looks("") == ()
    with pytest.raises(InputError, match=r"no look 'ruler'. Did you mean ruled"):
        parse_looks("ruler")


def test_without_looks_paper_is_white() -> None:
    assert looked(seed=0) is INK


@pytest.mark.parametrize("look", sorted(set(LOOKS) - {"light"}))
def test_half_of_the_lines_have_a_look_which_leaves_the_text_legible(look: str) -> None:
    images = [looked(look, seed=seed) for seed in range(40)]
    changed = [bool((image != INK).any()) for image in images]
    assert 10 <= sum(changed) <= 30
    for image in images:
        assert image.dtype == np.uint8
        assert image.shape == INK.shape
        text = np.median(image[24:40, 104:116])
        assert text < np.median(image[24:40, 130:150]) - 60
    np.testing.assert_array_equal(looked(look, seed=3), images[3])


def test_light_varies_in_every_line() -> None:
    papers = [float(np.median(looked("light", seed=seed))) for seed in range(20)]
    assert len(set(papers)) > 8
    assert min(papers) > 200


def test_a_sheet_is_ruled_or_squared() -> None:
    for seed in range(20):
        both = looked("ruled", "squared", seed=seed)
        assert (both != INK).any()
        upright = (both[:, :90] < 250).all(axis=0).any()
        across = (both[:, :90] < 250).all(axis=1).any()
        assert across or upright


def test_a_look_does_not_change_another() -> None:
    for seed in range(10):
        alone, beside = looked("ruled", seed=seed), looked("ruled", "shadow", seed=seed)
        if (alone == beside).mean() > 0.999:
            break
    else:
        pytest.fail("shadow changes ruled paper in all lines")
