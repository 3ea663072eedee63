import pytest

from hwgen.errors import InputError
from hwgen.evaluation.metrics.intervals import (
    Interval,
    t_cdf,
    t_interval,
    t_quantile,
    wilson_interval,
)


# Published tables of Student's t (for example NIST/SEMATECH e-Handbook, section 1.3.6.7.2).
@pytest.mark.parametrize(
    ("probability", "degrees", "value"),
    [
        (0.975, 1, 12.706),
        (0.975, 2, 4.303),
        (0.975, 3, 3.182),
        (0.975, 4, 2.776),
        (0.975, 9, 2.262),
        (0.975, 30, 2.042),
        (0.95, 5, 2.015),
        (0.995, 10, 3.169),
        (0.90, 100, 1.290),
    ],
)
def test_t_quantiles_are_the_published_ones(probability: float, degrees: int, value: float):
    assert t_quantile(probability, degrees) == pytest.approx(value, abs=6e-4)


@pytest.mark.parametrize("degrees", [1, 2, 3, 8])
def test_half_of_t_lies_below_zero(degrees: int):
    assert t_cdf(0.0, degrees) == 0.5


def test_the_limits_of_a_fraction_stay_within_0_and_1():
    assert t_interval([0.99, 1.0, 1.0], lowest=0.0, highest=1.0).high == 1.0
    assert t_interval([0.01, 0.0, 0.0], lowest=0.0, highest=1.0).low == 0.0
    assert t_interval([0.4, 0.6], lowest=0.0, highest=1.0).mean == 0.5


def test_t_interval_of_three_values():
    found = t_interval([1.0, 2.0, 3.0])
    # sd 1, standard error 1/sqrt(3), t 4.3027
    assert found.mean == 2.0
    assert found.low == pytest.approx(2 - 2.4841, abs=1e-4)
    assert found.high == pytest.approx(2 + 2.4841, abs=1e-4)


def test_one_value_has_no_limits():
    assert t_interval([0.5]) == Interval(0.5, None, None)


def test_no_values_are_refused():
    with pytest.raises(InputError, match="at least one value"):
        t_interval([])


# Newcombe 1998, Statistics in Medicine 17, table I, method 3.
@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 1 - 0.1170, 1.0),
    ],
)
def test_wilson_intervals_are_the_published_ones(hits: int, trials: int, low: float, high: float):
    found = wilson_interval(hits, trials)
    assert found.mean == hits / trials
    assert found.low == pytest.approx(low, abs=6e-5)
    assert found.high == pytest.approx(high, abs=6e-5)


@pytest.mark.parametrize(("hits", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_impossible_proportions_are_refused(hits: int, trials: int):
    with pytest.raises(InputError, match="not a proportion"):
        wilson_interval(hits, trials)
