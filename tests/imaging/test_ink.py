import json
from dataclasses import replace

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.imaging.framing import Framing
from hwgen.imaging.ink import UNITS_PER_PIXEL, Ink, Trajectory, render_discs

PLAIN = Ink(Framing(64), pen_width=5, pressure=0, darkness=1, grain=0, jitter=0)


def trajectory(*strokes: list[tuple[int, int]]) -> Trajectory:
    points = [point for stroke in strokes for point in (*stroke, (-1, 0))]
    return Trajectory(np.array(points, np.int16), "十", "w", "f", 0)


LINE = trajectory([(0, 0), (100, 0), (200, 0)])
CROSS = trajectory([(0, 100), (100, 100), (200, 100)], [(100, 0), (100, 100), (100, 200)])


def scribble(seed: int, points: int = 40) -> Trajectory:
    rng = np.random.default_rng(seed)
    walk = 400 + rng.normal(0, 25, (points, 2)).cumsum(axis=0)
    third = points // 3
    pieces = (walk[:third], walk[third : 2 * third], walk[2 * third :])
    return trajectory(*[[tuple(p) for p in piece.astype(int).tolist()] for piece in pieces])


def ink_of(image: np.ndarray) -> np.ndarray:
    return 1 - image.astype(float) / 255


def test_a_cross_stands_where_it_was_written() -> None:
    image = PLAIN.apply(CROSS)
    assert image.shape == (64, 64)
    assert image.dtype == np.uint8
    ink = ink_of(image)
    middle = np.arange(64) - 31.5
    # By hand: the extent with the pen's width fills the frame but for 4 px on each side.
    scale = 56 / (200 / UNITS_PER_PIXEL + 5)
    rows = ink[:, 10:20].mean(axis=1)
    assert rows.sum() == pytest.approx(5 * scale, rel=0.03)  # the line's width
    assert (rows * middle).sum() == pytest.approx(0, abs=0.1)  # and its place
    np.testing.assert_allclose(image, image.T, atol=1)
    inked = np.flatnonzero(ink.max(axis=0) > 0.2)
    assert (inked[0], inked[-1]) == (4, 59)


def test_y_points_down() -> None:
    hook = trajectory([(0, 0), (100, 0), (200, 0)], [(200, 0), (200, 100), (200, 200)])
    ink = ink_of(PLAIN.apply(hook))
    assert ink[:32].sum() > ink[32:].sum()
    assert ink[:, 32:].sum() > ink[:, :32].sum()


def test_the_disc_is_that_of_a_second_computation() -> None:
    rng = np.random.default_rng(0)
    path = rng.uniform(-2, 22, (9, 2))
    radius, darkness = rng.uniform(0.5, 4, 9), rng.uniform(0.3, 1, 9)
    edge, squeeze = rng.uniform(0.5, 3, 9), rng.uniform(0.5, 2, (9, 2))
    image = rng.integers(0, 2, 9)
    found = render_discs(
        (2, 18, 20), image, path, radius=radius, darkness=darkness, edge=edge, squeeze=squeeze
    )
    expected = np.zeros((2, 18, 20))
    y, x = np.mgrid[:18, :20]
    for n in range(9):
        cx, cy = np.clip(path[n], 0, (19, 17))
        gap = np.hypot((x - cx) * squeeze[n, 0], (y - cy) * squeeze[n, 1])
        cover = np.clip((radius[n] + edge[n] / 2 - gap) / edge[n], 0, 1) * darkness[n]
        expected[image[n]] = np.maximum(expected[image[n]], cover)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_an_image_depends_on_its_trajectory_and_the_seed_alone() -> None:
    ink = Ink(Framing(32), seed=3)
    many = [scribble(n, 12 + n) for n in range(150)]
    together = ink.apply_batch([one.raw for one in many])
    for n in (0, 1, 77, 149):
        np.testing.assert_array_equal(together[n], ink.apply(many[n]))
    out = np.zeros_like(together)
    assert ink.apply_batch([one.raw for one in many], out) is out
    np.testing.assert_array_equal(out, together)
    elsewhere = replace(many[5], source="other", position=9, writer="x", label="一")
    np.testing.assert_array_equal(ink.apply(elsewhere), together[5])
    other = replace(ink, seed=4).apply_batch([one.raw for one in many])
    assert (other != together).any(axis=(1, 2)).all()


def test_without_jitter_the_seed_is_of_no_matter() -> None:
    one, two = (replace(PLAIN, seed=seed).apply(scribble(1)) for seed in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_jitter_is_about_as_wide_as_it_says() -> None:
    many = [scribble(n).raw for n in range(200)]
    none, little, much = (
        replace(PLAIN, jitter=jitter).apply_batch(many).astype(float) for jitter in (0, 1, 2)
    )
    near, far = np.abs(little - none).mean(), np.abs(much - none).mean()
    assert 0 < near < far


def test_grain_changes_ink_and_leaves_paper() -> None:
    plain = PLAIN.apply(CROSS)
    grainy = replace(PLAIN, grain=1.0, darkness=0.6).apply(CROSS)
    assert (grainy[plain == 255] == 255).all()
    full = ink_of(grainy)[plain == 0]
    assert full.std() > 0.05
    assert full.mean() == pytest.approx(0.6, abs=0.05)


def test_a_slow_pen_is_wide_and_dark() -> None:
    x = [0, 2, 4, 6, 8, 10, 20, 40, 70, 110, 150, 190, 230]
    ink = ink_of(replace(PLAIN, pressure=1.0).apply(trajectory([(n, 0) for n in x])))
    width = ink.sum(axis=0)
    assert width[8] > 1.3 * width[45]
    assert ink[:, 8].max() > 1.1 * ink[:, 45].max()


def test_who_writes_small_has_thick_strokes() -> None:
    small = trajectory([(0, 50), (50, 50), (100, 50)], [(50, 0), (50, 50), (50, 100)])
    assert ink_of(PLAIN.apply(small)).sum() > 1.5 * ink_of(PLAIN.apply(CROSS)).sum()


def test_a_curve_is_smooth_through_its_points() -> None:
    turn = np.linspace(0, 2 * np.pi, 13)
    circle = trajectory(
        [(round(500 + 400 * np.cos(a)), round(500 + 400 * np.sin(a))) for a in turn]
    )
    ink = ink_of(replace(PLAIN, framing=Framing(128, margin=8)).apply(circle))
    y, x = np.mgrid[:128, :128] - 63.5
    radius = np.hypot(x, y)[ink > 0.5]
    assert radius.max() - radius.min() < 5 * 112 / (800 / UNITS_PER_PIXEL) + 1.5


def test_strokes_are_not_joined() -> None:
    two = trajectory([(0, 0), (0, 100)], [(200, 0), (200, 100)])
    assert ink_of(PLAIN.apply(two))[:, 20:44].sum() == 0


@pytest.mark.parametrize(
    "odd",
    [
        trajectory([(5, 5)]),
        trajectory([(5, 5), (5, 5)]),
        trajectory([], [(5, 5), (9, 9)], []),
        Trajectory(np.array([[1, 1], [50, 60]], np.int16), "", "", "", 0),  # no mark behind it
        trajectory([(-32768, -32768), (32767, 32767)]),
        trajectory([(0, 0), (30000, 1)]),
    ],
)
@pytest.mark.parametrize("framing", [Framing(32), Framing(8, stretch=True)])
def test_odd_trajectories_leave_ink(odd: Trajectory, framing: Framing) -> None:
    image = Ink(framing).apply(odd)
    assert image.min() < 200
    assert image.shape == (framing.size, framing.size)


def test_a_wild_trajectory_is_drawn_piece_by_piece() -> None:
    rng = np.random.default_rng(0)
    wild = rng.integers(0, 32767, (16_000, 2))
    image = Ink(Framing(32)).apply(trajectory([(int(x), int(y)) for x, y in wild]))
    assert ink_of(image).mean() > 0.3


def test_stretch_fills_the_frame() -> None:
    flat = trajectory([(0, 0), (100, 20), (200, 0)])
    ink = ink_of(replace(PLAIN, framing=Framing(32, stretch=True)).apply(flat))
    assert ink[:3].sum() > 0
    assert ink[-3:].sum() > 0
    kept = ink_of(replace(PLAIN, framing=Framing(32)).apply(flat))
    assert kept[:10].sum() == 0


@pytest.mark.parametrize("size", [16, 28, 100, 1024])
def test_any_size_holds_the_same_share_of_ink(size: int) -> None:
    framing = Framing(size, margin=size // 16)
    share = ink_of(replace(PLAIN, framing=framing).apply(CROSS)).mean()
    assert share == pytest.approx(ink_of(PLAIN.apply(CROSS)).mean(), rel=0.15)


def test_the_settings_are_plain_json() -> None:
    settings = json.loads(json.dumps(Ink(Framing(32), seed=7).to_json()))
    assert settings["seed"] == 7
    assert "framing" not in settings
    assert Ink(Framing(32), **settings) == Ink(Framing(32), seed=7)


@pytest.mark.parametrize(
    "wrong",
    [
        {"pen_width": 0.0},
        {"pressure": 1.1},
        {"darkness": 0.0},
        {"grain": -0.1},
        {"jitter": -1.0},
        {"seed": -1},
        {"pen_width": float("nan")},
    ],
)
def test_values_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="must be from"):
        Ink(**wrong)  # type: ignore[arg-type]
