"""Confidence intervals: Student's t for a mean over seeds, Wilson's for a proportion."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from hwgen.errors import InputError
from hwgen.results.parts import Interval

CONFIDENCE = 0.95


def t_interval(
    values: Sequence[float],
    confidence: float = CONFIDENCE,
    *,
    lowest: float = -math.inf,
    highest: float = math.inf,
) -> Interval:
    """Interval of the mean of independent values: mean ± t * sd / sqrt(n), sd with n - 1.

    Source: Student 1908. For paired arms, give the differences of the pairs.

    Args:
        values: one per seed; a single one gives no limits.
        confidence: such as 0.95.
        lowest: lower bound of the mean, such as 0 for a fraction; limits are clipped to it.
        highest: upper bound of the mean, likewise.

    Raises:
        InputError: no values.
    """
    if not values:
        raise InputError("an interval needs at least one value")
    mean = statistics.fmean(values)
    if len(values) == 1:
        return Interval(mean, None, None)
    error = statistics.stdev(values) / math.sqrt(len(values))
    half = t_quantile((1 + confidence) / 2, len(values) - 1) * error
    return Interval(mean, max(lowest, mean - half), min(highest, mean + half))


def wilson_interval(hits: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Score interval of a proportion (Wilson 1927; Brown, Cai and DasGupta 2001, Eq. 4).

    Args:
        hits: number of trials that succeeded.
        trials: at least 1.
        confidence: such as 0.95.

    Returns:
        The proportion, and limits within [0, 1].

    Raises:
        InputError: no trials, or more hits than trials.
    """
    if not 0 <= hits <= trials or trials == 0:
        raise InputError(f"{hits} of {trials} is not a proportion")
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    fraction = hits / trials
    centre = (fraction + z * z / (2 * trials)) / (1 + z * z / trials)
    spread = math.sqrt(fraction * (1 - fraction) / trials + z * z / (4 * trials**2))
    half = spread * z / (1 + z * z / trials)
    return Interval(fraction, max(0.0, centre - half), min(1.0, centre + half))


def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t distribution, by bisection of `t_cdf`.

    Args:
        probability: in [0.5, 1).
        degrees: of freedom, at least 1.
    """
    low, high = 0.0, 1.0
    while t_cdf(high, degrees) < probability:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        if t_cdf(middle, degrees) < probability:
            low = middle
        else:
            high = middle
    return high


def t_cdf(t: float, degrees: int) -> float:
    """P(T <= t) for t >= 0: the finite series of Abramowitz & Stegun 26.7.3 and 26.7.4."""
    theta = math.atan(t / math.sqrt(degrees))
    odd = degrees % 2
    term = math.cos(theta) if odd else 1.0
    series = 0.0
    for k in range(1 + odd, degrees, 2):
        series += term
        term *= math.cos(theta) ** 2 * k / (k + 1)
    inside = math.sin(theta) * series
    if odd:
        inside = (theta + inside) * 2 / math.pi
    return (1 + inside) / 2
