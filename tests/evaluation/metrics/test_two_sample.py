import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.evaluation.metrics.two_sample import TwoSample, nearest_neighbour_test


def cloud(count: int, seed: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, (count, 3)).astype(np.float32)


def test_two_samples_of_one_distribution_are_indistinguishable() -> None:
    found = nearest_neighbour_test(cloud(600, 0), cloud(600, 1))
    assert found.accuracy == pytest.approx(0.5, abs=0.06)


def test_separate_sets_are_recognised() -> None:
    assert nearest_neighbour_test(cloud(20, 0), cloud(20, 1, 50)) == TwoSample(1.0, 1.0, 1.0)


def test_a_copy_of_the_set_is_always_misclassified() -> None:
    first = cloud(30, 2)
    assert nearest_neighbour_test(first, first.copy()) == TwoSample(0.0, 0.0, 0.0)


def test_a_few_modes_are_nearest_to_themselves() -> None:
    modes = np.repeat(cloud(5, 3), 40, axis=0) + np.random.default_rng(4).normal(
        0, 1e-3, (200, 3)
    ).astype(np.float32)
    found = nearest_neighbour_test(cloud(200, 5), modes)
    assert found.second == 1.0
    assert found.first < 1.0


def test_by_hand() -> None:
    first, second = np.array([[0.0], [1.0]]), np.array([[1.4], [9.0]])
    # 0 -> 1 (own), 1 -> 1.4 (not), 1.4 -> 1 (not), 9 -> 1.4 (own)
    found = nearest_neighbour_test(first.astype(np.float32), second.astype(np.float32))
    assert found == TwoSample(0.5, 0.5, 0.5)


@pytest.mark.parametrize(("n", "m"), [(3, 4), (0, 0)])
def test_sets_of_different_sizes_are_refused(n: int, m: int) -> None:
    with pytest.raises(InputError, match="two sets of equal size"):
        nearest_neighbour_test(cloud(n, 0), cloud(m, 1))
