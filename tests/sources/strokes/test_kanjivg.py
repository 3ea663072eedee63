import importlib.metadata
import itertools
from pathlib import Path

import numpy as np
import pytest

from hwgen.charset import gb2312_level1
from hwgen.errors import CharsetError, InputError
from hwgen.sources.strokes.data import BOX, COMMON
from hwgen.sources.strokes.kanjivg import KanjiVG, kanjivg_characters, parse_path, read_svg


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
    there = importlib.metadata.distribution

    def only_hwgen(name: str) -> importlib.metadata.Distribution:
        if name != "hwgen":
            raise importlib.metadata.PackageNotFoundError(name)
        return there(name)

    monkeypatch.setattr(importlib.metadata, "distribution", only_hwgen)
    with pytest.raises(InputError, match=r"pip install kanjivg"):
        KanjiVG().load("一")


@pytest.mark.usefixtures("kanjivg")
def test_kanjivg_draws_2380_characters_of_level_1_and_all_common_ones() -> None:
    drawn = kanjivg_characters()
    level1 = gb2312_level1()
    assert sum(character in drawn for character in level1) == 2380
    assert all(character in drawn and character in level1 for character in COMMON)
    assert all(path.is_file() for path in list(drawn.values())[::200])


@pytest.mark.usefixtures("kanjivg")
def test_stroke_counts_are_those_of_a_dictionary() -> None:
    counts = {"一": 1, "十": 2, "永": 5, "国": 8, "的": 8, "我": 7}
    assert {c: len(s) for c, s in KanjiVG().load(counts).items()} == counts


@pytest.mark.usefixtures("kanjivg")
def test_strokes_stay_in_the_box() -> None:
    for strokes in KanjiVG().load("永国的我是").values():
        points = np.concatenate(strokes)
        assert points.min() >= 0
        assert points.max() <= BOX


@pytest.mark.usefixtures("kanjivg")
def test_characters_without_strokes_are_named() -> None:
    with pytest.raises(CharsetError, match="2 of 3 characters: 你ÿ"):
        KanjiVG().load("你一ÿ")
