import numpy as np
import pytest
from PIL import Image as PillowImage

from hwgen.sources.simulation.handwriting import hand_of, simulate_writer, write_character
from hwgen.sources.strokes.data import Strokes
from hwgen.sources.strokes.kanjivg import KanjiVG

# A cross and a hook: characters for tests that need no KanjiVG.
CROSS = (
    np.array([[15.0, 50.0], [55.0, 48.0], [95.0, 47.0]]),
    np.array([[54.0, 12.0], [55.0, 60.0], [54.0, 96.0]]),
)
HOOK = (np.array([[20.0, 20.0], [80.0, 18.0], [78.0, 90.0], [66.0, 84.0]]),)
STROKES = {"十": CROSS, "刁": HOOK}


@pytest.fixture(scope="module")
def real(kanjivg: None) -> dict[str, Strokes]:
    return KanjiVG().load("永国的")


# --- Writers


def test_an_image_depends_on_seed_writer_and_character_alone() -> None:
    both = dict(simulate_writer(5, 3, "十刁", STROKES))
    again = dict(simulate_writer(5, 3, "刁十", STROKES))
    alone = dict(simulate_writer(5, 3, "刁", STROKES))
    for label, image in both.items():
        np.testing.assert_array_equal(image, again[label])
    np.testing.assert_array_equal(both["刁"], alone["刁"])


@pytest.mark.parametrize(("seed", "writer"), [(6, 3), (5, 4), (3, 5)])
def test_another_seed_or_writer_writes_otherwise(seed: int, writer: int) -> None:
    one = next(simulate_writer(5, 3, "十", STROKES))[1]
    other = next(simulate_writer(seed, writer, "十", STROKES))[1]
    assert one.shape != other.shape or (one != other).any()


def test_a_second_time_is_not_a_copy_of_the_first() -> None:
    hand, key = hand_of(0, 1), (0, 1, ord("十"))
    first, second = (write_character(hand, CROSS, key, repeat) for repeat in (0, 1))
    assert first.shape != second.shape or (first != second).any()


def test_ink_is_dark_on_white_paper_and_the_crop_is_tight() -> None:
    for writer in range(1, 13):
        for _, image in simulate_writer(0, writer, "十刁", STROKES):
            assert image.dtype == np.uint8
            paper = image == 255
            assert 0.4 < paper.mean() < 0.97
            assert image.min() < 130
            for edge in (image[0], image[-1], image[:, 0], image[:, -1]):
                assert (edge < 255).any()


def test_sizes_are_those_of_scans() -> None:
    sides = [
        max(image.shape)
        for writer in range(1, 41)
        for _, image in simulate_writer(0, writer, "十刁", STROKES)
    ]
    assert 50 < np.median(sides) < 90
    assert min(sides) > 25
    assert max(sides) < 160


def test_a_dot_of_a_stroke_leaves_ink() -> None:
    dot = {"丶": (np.array([[50.0, 50.0], [53.0, 55.0]]),)}
    for writer in range(1, 41):
        ((_, image),) = simulate_writer(0, writer, "丶", dot)
        assert (image < 255).any()


def thumbnail(image: np.ndarray) -> np.ndarray:
    return np.asarray(PillowImage.fromarray(image).resize((24, 24)), dtype=float)


def test_writers_differ_more_than_one_writer_from_time_to_time(real) -> None:
    for character, strokes in real.items():
        images = np.stack(
            [
                [
                    thumbnail(write_character(hand_of(0, w), strokes, (0, w, ord(character)), r))
                    for r in range(6)
                ]
                for w in range(1, 13)
            ]
        )  # [writer, repeat, 24, 24]
        within = images.var(axis=1, ddof=1).mean()
        between = images[:, 0].var(axis=0, ddof=1).mean()
        assert within > 0
        assert between > 1.5 * within
