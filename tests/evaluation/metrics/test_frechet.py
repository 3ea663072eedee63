import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.evaluation.metrics.frechet import frechet_distance


def with_moments(mean: np.ndarray, covariance: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Points with exactly this mean and covariance."""
    raw = np.random.default_rng(seed).normal(size=(count, len(mean)))
    raw -= raw.mean(axis=0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(raw.T))).T)
    return white @ np.linalg.cholesky(covariance).T + mean


def test_one_dimension_is_the_textbook_formula() -> None:
    # (3 - 1)^2 + (2 - 5)^2
    a = with_moments(np.array([3.0]), np.array([[4.0]]), 50, 0)
    b = with_moments(np.array([1.0]), np.array([[25.0]]), 40, 1)
    assert frechet_distance(a, b) == pytest.approx(4 + 9)


def test_diagonal_covariances_add_up() -> None:
    a = with_moments(np.zeros(3), np.diag([1.0, 4.0, 9.0]), 100, 0)
    b = with_moments(np.array([1.0, 0, 2]), np.diag([4.0, 4.0, 1.0]), 80, 1)
    assert frechet_distance(a, b) == pytest.approx(5 + 1 + 0 + 4)


def test_general_covariances_are_as_by_eigenvalues_of_their_product() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5)), rng.normal(size=(70, 5)) + 0.3
    product = np.cov(a.T) @ np.cov(b.T)
    root = np.sqrt(np.linalg.eigvals(product).real).sum()
    means = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    expected = means + np.trace(np.cov(a.T)) + np.trace(np.cov(b.T)) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected)
    assert frechet_distance(b, a) == pytest.approx(expected)


def test_fewer_points_than_dimensions_and_constant_features() -> None:
    rng = np.random.default_rng(3)
    a = np.zeros((10, 64), np.float32)
    a[:, :32] = rng.normal(1000, 1, (10, 32))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    # The same points, shifted: only the means differ.
    assert frechet_distance(a, a + np.float32(2)) == pytest.approx(64 * 4, rel=1e-4)


def test_one_mode_is_far_from_many() -> None:
    a = np.random.default_rng(4).normal(size=(200, 4))
    collapsed = np.broadcast_to(a.mean(axis=0), a.shape)
    assert frechet_distance(a, collapsed) == pytest.approx(np.trace(np.cov(a.T)))


@pytest.mark.parametrize("shapes", [((1, 3), (5, 3)), ((5, 3), (0, 3)), ((5, 3), (5, 4))])
def test_unsuitable_sets_are_refused(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    with pytest.raises(InputError, match="is not defined for sets"):
        frechet_distance(np.zeros(shapes[0]), np.zeros(shapes[1]))
