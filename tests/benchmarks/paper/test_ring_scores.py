import math

import numpy as np
import pytest

from benchmarks.paper.ring_scores import density, scores, scott
from benchmarks.paper.ring_training import Setting
from hwgen.generators.gan.presets import Loss

CENTRES = Setting(Loss()).centres().numpy()
EVEN = np.full(8, 1 / 8)
RNG = np.random.default_rng


def true_samples(count: int, sd: float, modes: list[int]) -> np.ndarray:
    rng = RNG(0)
    chosen = rng.choice(modes, count)
    return (CENTRES[chosen] + sd * rng.standard_normal((count, 2))).astype(np.float32)


def test_true_samples_have_the_expected_scores() -> None:
    found = scores(true_samples(20_000, 0.01, list(range(8))), CENTRES, EVEN, 0.01)
    assert found["modes"] == found["modes_near"] == 8
    assert found["share"] == pytest.approx(1 - math.exp(-4.5), abs=0.004)
    assert found["share_near"] == 1
    assert found["kl"] == pytest.approx(0, abs=0.002)
    assert found["spread"] == pytest.approx(1, abs=0.02)


def test_collapse_to_one_mode_gives_a_divergence_of_log_8() -> None:
    found = scores(true_samples(2_500, 0.01, [3]), CENTRES, EVEN, 0.01)
    assert found["modes"] == 1
    assert found["kl"] == pytest.approx(math.log(8))


def test_wide_modes_are_near_but_not_of_high_quality() -> None:
    found = scores(true_samples(2_500, 0.08, list(range(8))), CENTRES, EVEN, 0.01)
    assert found["modes_near"] == 8
    assert found["share"] < 0.1
    assert found["spread"] == pytest.approx(7.5, abs=0.6)


def test_the_divergence_is_from_the_modes_own_probabilities() -> None:
    uneven = np.array([2, 1, 1, 1, 1, 1, 1, 1]) / 9
    samples = true_samples(20_000, 0.01, [0, *range(8)])
    assert scores(samples, CENTRES, uneven, 0.01)["kl"] == pytest.approx(0, abs=0.002)
    assert scores(samples, CENTRES, EVEN, 0.01)["kl"] > 0.03


def test_a_mode_is_covered_by_20_of_2500_samples() -> None:
    samples = np.tile(CENTRES[0], (2_500, 1))
    samples[:20], samples[20:39] = CENTRES[1], CENTRES[2]
    assert scores(samples, CENTRES, EVEN, 0.01)["modes"] == 2


def test_distant_samples_cover_no_mode() -> None:
    found = scores(np.full((100, 2), 3.0), CENTRES, EVEN, 0.01)
    assert found["modes"] == found["modes_near"] == found["share_near"] == found["spread"] == 0


def test_near_scales_with_the_radius_and_quality_does_not() -> None:
    samples = np.repeat(2 * CENTRES, 100, axis=0) + np.array([0.3, 0])
    found = scores(samples, 2 * CENTRES, EVEN, 0.1 - 1e-6)
    assert (found["modes"], found["modes_near"]) == (0, 8)


def test_density_is_the_kernels_with_axes_y_x() -> None:
    one = density(np.array([[2.0, -1.0]]), 0.5, 4, 81)
    row, column = np.unravel_index(one.argmax(), one.shape)
    assert (row, column) == (30, 60)  # -1 up, 2 across, 0.1 apart
    assert one.max() == pytest.approx(1 / (2 * math.pi * 0.25))
    assert one.sum() * 0.1**2 == pytest.approx(1, abs=1e-3)


def test_scotts_bandwidth() -> None:
    assert scott(64, 3.0) == pytest.approx(1.5)
