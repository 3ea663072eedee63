import numpy as np
import pytest

from hwgen.evaluation.metrics import nearest_neighbours
from hwgen.evaluation.metrics.nearest_neighbours import inside, nearest


def points(count: int, seed: int, width: int = 6) -> np.ndarray:
    # Far from the origin, where |q|^2 - 2 q p + |p|^2 has large rounding errors.
    return np.random.default_rng(seed).normal(50, 1, (count, width)).astype(np.float32)


def plain_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(((a[:, None].astype(np.float64) - b[None].astype(np.float64)) ** 2).sum(axis=2))


@pytest.fixture(params=[4, 1 << 20], ids=["a row at a time", "one block"])
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_neighbours, "BLOCK_BYTES", request.param)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("k", [1, 3, 20])
def test_nearest_are_those_of_a_plain_sort(k: int) -> None:
    a, b = points(13, 0), points(20, 1)
    distances, places = nearest(a, b, k)
    plain = plain_distances(a, b)
    np.testing.assert_allclose(distances, np.sort(plain, axis=1)[:, :k], atol=1e-5)
    np.testing.assert_array_equal(places, np.argsort(plain, axis=1)[:, :k])


@pytest.mark.usefixtures("_blocks")
def test_a_point_is_not_its_own_neighbour_but_its_duplicate_is() -> None:
    a = points(9, 2)
    a[4] = a[7]
    distances, places = nearest(a, a, 8, itself=True)
    assert all(row not in found for row, found in enumerate(places.tolist()))
    assert places[[4, 7], 0].tolist() == [7, 4]
    assert distances[[4, 7], 0].tolist() == [0, 0]


@pytest.mark.usefixtures("_blocks")
def test_ball_counts_match_plain_distances() -> None:
    a, b = points(30, 3), points(15, 4)
    radii = np.random.default_rng(5).uniform(1, 5, 15)
    expected = (plain_distances(a, b) <= radii).sum(axis=1)
    np.testing.assert_array_equal(inside(a, b, radii), expected)
    assert 0 < expected.sum() < expected.size * 15
