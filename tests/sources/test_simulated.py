import importlib.metadata
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from hwgen.charset import gb2312_level1
from hwgen.errors import CharsetError, InputError
from hwgen.sources import simulated
from hwgen.sources.simulated import (
    COMMON,
    common_first,
    hand_of,
    kanjivg_characters,
    load_strokes,
    parse_path,
    read_svg,
    resample,
    simulate_writer,
    write_character,
)

# A cross and a hook: characters for tests that need no KanjiVG.
CROSS = (
    np.array([[15.0, 50.0], [55.0, 48.0], [95.0, 47.0]]),
    np.array([[54.0, 12.0], [55.0, 60.0], [54.0, 96.0]]),
)
HOOK = (np.array([[20.0, 20.0], [80.0, 18.0], [78.0, 90.0], [66.0, 84.0]]),)
STROKES = {"十": CROSS, "刁": HOOK}


@pytest.fixture(scope="module")
def real() -> dict[str, simulated.Strokes]:
    if not has_kanjivg():
        pytest.skip("the extra demo (kanjivg) is not installed")
    return load_strokes("永国的")


def has_kanjivg() -> bool:
    try:
        importlib.metadata.distribution("kanjivg")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


needs_kanjivg = pytest.mark.skipif(
    not has_kanjivg(), reason="the extra demo (kanjivg) is not installed"
)


def de_casteljau(points: list[tuple[float, float]], t: float) -> np.ndarray:
    level = [np.array(point) for point in points]
    while len(level) > 1:
        level = [a + t * (b - a) for a, b in itertools.pairwise(level)]
    return level[0]


# --- Paths


def test_a_cubic_follows_de_casteljau() -> None:
    corners = [(10.0, 20.0), (30.5, -4.0), (50.0, 60.25), (90.0, 20.0)]
    line = parse_path("M10,20C30.5,-4,50,60.25,90,20", pieces=4)
    expected = [de_casteljau(corners, t) for t in (0, 0.25, 0.5, 0.75, 1)]
    np.testing.assert_allclose(line, expected, atol=1e-12)


def test_relative_and_absolute_commands_draw_the_same() -> None:
    absolute = parse_path("M10,20L15,25C20,30,30,30,40,20S60,10,70,20L80,20")
    relative = parse_path("m10,20l5,5c5,5,15,5,25-5s20-10,30,0l10,0")
    np.testing.assert_allclose(absolute, relative, atol=1e-12)


def test_a_smooth_cubic_mirrors_the_last_handle() -> None:
    smooth = parse_path("M0,0C0,10,10,20,20,20S40,10,40,0")
    written_out = parse_path("M0,0C0,10,10,20,20,20C30,20,40,10,40,0")
    np.testing.assert_allclose(smooth, written_out, atol=1e-12)


def test_a_smooth_cubic_after_a_line_begins_at_the_line() -> None:
    smooth = parse_path("M0,0L10,0S20,10,20,20")
    written_out = parse_path("M0,0L10,0C10,0,20,10,20,20")
    np.testing.assert_allclose(smooth, written_out, atol=1e-12)


def test_numbers_may_touch_and_commands_may_repeat() -> None:
    touching = parse_path("M1.5-2L.5.25 3-4")
    np.testing.assert_allclose(touching, [[1.5, -2], [0.5, 0.25], [3, -4]])
    repeated = parse_path("m0,0c0,5,5,10,10,10,5,0,10-5,10-10", pieces=1)
    np.testing.assert_allclose(repeated, [[0, 0], [10, 10], [20, 0]])


def test_points_after_a_move_are_lines() -> None:
    np.testing.assert_allclose(parse_path("m1,1 2,0 0,3"), [[1, 1], [3, 1], [3, 4]])


@pytest.mark.parametrize(
    "commands",
    ["", "L1,2", "M0,0Q1,1,2,2", "M0,0C1,2,3", "M0,0L", "M0,0L1,1M2,2L3,3", "M0"],
)
def test_a_path_that_cannot_be_read_is_named(commands: str) -> None:
    with pytest.raises(ValueError, match="in '"):
        parse_path(commands)


def test_resampling_keeps_ends_and_spacing() -> None:
    line = resample(np.array([[0.0, 0.0], [30.0, 0.0], [30.0, 40.0]]), 5)
    np.testing.assert_allclose(line[[0, -1]], [[0, 0], [30, 40]])
    np.testing.assert_allclose(np.hypot(*np.diff(line, axis=0).T), 5)
    assert len(resample(np.array([[0.0, 0.0], [0.1, 0.0]]), 5)) == 2


def test_an_svg_file_gives_its_strokes_in_order(tmp_path: Path) -> None:
    path = tmp_path / "04e00.svg"
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg"><g><path d="M1,2L1,8"/>'
        '<g><path d="M5,5L9,5"/></g></g></svg>'
    )
    first, second = read_svg(path)
    np.testing.assert_allclose(first, [[1, 2], [1, 5], [1, 8]])
    np.testing.assert_allclose(second[[0, -1]], [[5, 5], [9, 5]])


@pytest.mark.parametrize("body", ["", '<path d="M0,0A1,1"/>', "<path/>"])
def test_an_svg_file_without_readable_strokes_is_named(tmp_path: Path, body: str) -> None:
    path = tmp_path / "04e00.svg"
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg">{body}</svg>')
    with pytest.raises(InputError, match=r"04e00\.svg"):
        read_svg(path)


# --- KanjiVG


def test_the_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(InputError, match=r"pip install 'hwgen\[demo\]'"):
        load_strokes("一")


@needs_kanjivg
def test_kanjivg_draws_2380_characters_of_level_1_and_all_common_ones() -> None:
    drawn = kanjivg_characters()
    level1 = gb2312_level1()
    assert sum(character in drawn for character in level1) == 2380
    assert all(character in drawn and character in level1 for character in COMMON)
    assert all(path.is_file() for path in list(drawn.values())[::200])


@needs_kanjivg
def test_stroke_counts_are_those_of_a_dictionary() -> None:
    counts = {"一": 1, "十": 2, "永": 5, "国": 8, "的": 8, "我": 7}
    assert {c: len(s) for c, s in load_strokes(counts).items()} == counts


@needs_kanjivg
def test_strokes_stay_in_the_box() -> None:
    for strokes in load_strokes("永国的我是").values():
        points = np.concatenate(strokes)
        assert points.min() >= 0
        assert points.max() <= simulated.BOX


@needs_kanjivg
def test_characters_without_strokes_are_named() -> None:
    with pytest.raises(CharsetError, match="2 of 3 characters: 你ÿ"):
        load_strokes("你一ÿ")


def test_common_characters_come_first_and_others_keep_their_order() -> None:
    assert len(set(COMMON)) == len(COMMON)
    assert common_first("座一啊的阿") == ["的", "一", "座", "啊", "阿"]


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
        pictures = np.stack(
            [
                [
                    thumbnail(write_character(hand_of(0, w), strokes, (0, w, ord(character)), r))
                    for r in range(6)
                ]
                for w in range(1, 13)
            ]
        )  # [writer, repeat, 24, 24]
        within = pictures.var(axis=1, ddof=1).mean()
        between = pictures[:, 0].var(axis=0, ddof=1).mean()
        assert within > 0
        assert between > 1.5 * within
