import numpy as np
import pytest

from benchmarks.throughput import render as job
from hwgen.imaging.framing import Framing
from hwgen.imaging.ink import Ink, Trajectory

CROSS = Trajectory(
    np.array([(0, 99), (200, 99), (-1, 0), (99, 0), (99, 200), (-1, 0)], np.int16), "十", "", "", 0
)


def test_both_implementations_render_the_same_character() -> None:
    ink = Ink(Framing(64), pressure=0, darkness=1, grain=0, jitter=0)
    plain, ours = job.pillow_lines(ink, CROSS), ink.apply(CROSS)
    assert plain.shape == ours.shape
    assert (255.0 - plain).mean() == pytest.approx((255.0 - ours).mean(), rel=0.1)
    assert np.corrcoef(plain.ravel(), ours.ravel())[0, 1] > 0.9


def test_rows_state_what_was_timed() -> None:
    rows = job.measure([CROSS] * 8, [16, 32], runs=1)
    assert [row["job"] for row in rows] == ["render ink, 16x16", "render ink, 32x32"]
    assert [row["ways"]["hwgen"]["work"] for row in rows] == [8, 8]
    assert rows[0]["ways"][job.PLAIN]["work"] == 2
