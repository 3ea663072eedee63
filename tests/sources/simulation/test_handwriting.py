import numpy as np
import pytest
from PIL import Image as PillowImage

from hwgen.imaging.framing import Framing
from hwgen.sources.simulation.handwriting import BATCH, simulate_framed, simulate_writer
from hwgen.sources.simulation.pen import Item, character_number
from hwgen.sources.simulation.rendering import scans
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


def scan(strokes: Strokes, label: str, writer: int, repeat: int = 0) -> np.ndarray:
    return scans([Item(strokes, character_number(label), 0, writer, repeat)])[0]


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
    first, second = (
        scans([Item(CROSS, character_number("十"), 0, 1, repeat)])[0] for repeat in (0, 1)
    )
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
                    thumbnail(scans([Item(strokes, character_number(character), 0, w, r)])[0])
                    for r in range(6)
                ]
                for w in range(1, 13)
            ]
        )  # [writer, repeat, 24, 24]
        within = images.var(axis=1, ddof=1).mean()
        between = images[:, 0].var(axis=0, ddof=1).mean()
        assert within > 0
        assert between > 1.5 * within


# --- In a frame


def items_of(writers: range, characters: str, strokes: dict[str, Strokes]) -> list[Item]:
    return [Item(strokes[c], character_number(c), 0, w) for w in writers for c in characters]


@pytest.mark.parametrize("framing", [Framing(size=32), Framing(size=64), Framing(32, stretch=True)])
def test_in_a_frame_characters_look_like_framed_scans(framing: Framing, real) -> None:
    items = items_of(range(1, 13), "永国的", real)
    direct = simulate_framed(items, framing).astype(float)
    by_scans = framing.apply_batch(scans(items)).astype(float)
    others = np.roll(by_scans, 3, axis=0)  # the same characters by other writers
    assert np.abs(direct - by_scans).mean() < 0.35 * np.abs(direct - others).mean()
    ink, scanned = (255 - direct).mean(axis=(1, 2)), (255 - by_scans).mean(axis=(1, 2))
    np.testing.assert_allclose(ink, scanned, rtol=0.2)


def test_an_image_in_a_frame_does_not_depend_on_the_others() -> None:
    items = items_of(range(1, BATCH), "十刁", STROKES)
    together = simulate_framed(items, Framing(size=32))
    assert len(items) > BATCH
    for number in (0, 7, BATCH, len(items) - 1):
        alone = simulate_framed([items[number]], Framing(size=32))[0]
        np.testing.assert_array_equal(alone, together[number])


def test_no_items_give_no_images() -> None:
    assert simulate_framed([], Framing(size=32)).shape == (0, 32, 32)


def test_labels_of_several_code_points_have_habits_of_their_own() -> None:
    one, other = (
        scans([Item(CROSS, character_number(name), 0, 1)])[0] for name in ("甲乙", "甲丙")
    )
    assert one.shape != other.shape or (one != other).any()


@pytest.mark.parametrize("framing", [Framing(size=32), Framing(size=32, margin=5)])
def test_no_ink_is_in_the_margin(framing: Framing) -> None:
    images = simulate_framed(items_of(range(1, 40), "十刁", STROKES), framing)
    ink = (images < 255).any(axis=0)
    margin = framing.margin
    inner = ink[margin : 32 - margin, margin : 32 - margin]
    assert ink.sum() == inner.sum()
    assert inner[0].any()
    assert inner[-1].any()


@pytest.mark.parametrize("points", [[[50, 50]], [[50, 50]] * 5, [[0, 0], [0, 0.01]]])
def test_a_character_of_one_point_is_a_dot(points: list[list[float]]) -> None:
    dot = (np.array(points, float),)
    items = [Item(strokes, 1, 0, writer) for writer in range(20) for strokes in (dot, CROSS)]
    images = simulate_framed(items, Framing(size=32))
    assert (images < 255).any(axis=(1, 2)).all()
    alone = simulate_framed([items[1]], Framing(size=32))[0]
    np.testing.assert_array_equal(images[1], alone)
    assert all((image < 255).any() for image in scans(items))
