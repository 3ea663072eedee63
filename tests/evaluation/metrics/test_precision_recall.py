import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.evaluation.metrics.precision_recall import compare_manifolds


def cloud(count: int, seed: int, mean: float = 0.0, width: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, (count, width)).astype(np.float32)


def plain(real: np.ndarray, other: np.ndarray, k: int) -> dict[str, float]:
    """The definitions, computed pair by pair."""

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.linalg.norm(a.astype(np.float64) - b))

    def radius(points: np.ndarray, i: int) -> float:
        return sorted(distance(points[i], p) for j, p in enumerate(points) if j != i)[k - 1]

    real_radii = [radius(real, i) for i in range(len(real))]
    other_radii = [radius(other, i) for i in range(len(other))]
    held = [[distance(o, r) <= d for r, d in zip(real, real_radii, strict=True)] for o in other]
    back = [[distance(r, o) <= d for o, d in zip(other, other_radii, strict=True)] for r in real]
    return {
        "precision": float(np.mean([any(row) for row in held])),
        "recall": float(np.mean([any(row) for row in back])),
        "density": sum(map(sum, held)) / (k * len(other)),
        "coverage": float(np.mean(np.any(held, axis=0))),
    }


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("mean", [0.0, 0.8])
def test_figures_are_those_of_the_definitions(k: int, mean: float) -> None:
    real, other = cloud(40, 0), cloud(30, 1, mean)
    assert vars(compare_manifolds(real, other, k)) == pytest.approx(plain(real, other, k))


def test_two_samples_of_one_distribution_score_near_one() -> None:
    found = compare_manifolds(cloud(400, 2), cloud(400, 3))
    assert min(found.precision, found.recall, found.coverage) > 0.9
    assert found.density == pytest.approx(1, abs=0.15)


def test_one_mode_keeps_precision_and_loses_the_rest() -> None:
    real = cloud(300, 4)
    found = compare_manifolds(real, cloud(300, 5) * np.float32(0.05))
    assert found.precision > 0.95
    assert found.recall < 0.1
    assert found.coverage < 0.2


def test_separate_sets_score_zero() -> None:
    found = compare_manifolds(cloud(50, 6), cloud(50, 7, mean=100))
    assert vars(found) == dict.fromkeys(("precision", "recall", "density", "coverage"), 0.0)


@pytest.mark.parametrize(("n", "m"), [(5, 30), (30, 5)])
def test_too_few_samples_are_refused(n: int, m: int) -> None:
    with pytest.raises(InputError, match="too few for 5 nearest neighbours"):
        compare_manifolds(cloud(n, 0), cloud(m, 1))
