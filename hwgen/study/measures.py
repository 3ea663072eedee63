"""Statistics of votes: an exact binomial test, and the agreement of voters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hwgen.errors import InputError


def binomial_p(hits: int, trials: int) -> float:
    """P-value of a count, against both choices being equally likely.

    The exact two-sided binomial test at probability 1/2 (Clopper and Pearson 1934 invert it): twice
    the smaller tail, at most 1. The tail is summed term by term from its largest one.

    Raises:
        InputError: no trials, or more hits than trials.
    """
    if not 0 <= hits <= trials or trials == 0:
        raise InputError(f"{hits} of {trials} votes is not a proportion")
    fewer = min(hits, trials - hits)
    largest = math.exp(
        math.lgamma(trials + 1)
        - math.lgamma(fewer + 1)
        - math.lgamma(trials - fewer + 1)
        - trials * math.log(2)
    )
    tail, term = 0.0, 1.0
    for k in range(fewer, -1, -1):
        tail += term
        term *= k / (trials - k + 1)
        if term < 1e-18 * tail:
            break
    return min(1.0, 2 * largest * tail)


@dataclass(frozen=True)
class Agreement:
    """Agreement of voters who judged the same pairs.

    Attributes:
        pairs: number of pairs that two or more voters judged.
        pairwise: probability that two voters of a pair chose the same image, mean over pairs.
        kappa: agreement beyond chance: 1 is perfect, 0 is chance; None if all votes are the same,
            so that agreement by chance is perfect too.
    """

    pairs: int
    pairwise: float
    kappa: float | None


def agreement(counts: Sequence[tuple[int, int]]) -> Agreement | None:
    """Fleiss' kappa of a choice between two (Fleiss 1971), for any number of votes per pair.

    With n_A and n_B votes on pair i and n = n_A + n_B >= 2:
    P_i = [n_A (n_A - 1) + n_B (n_B - 1)] / [n (n - 1)], P = mean of P_i;
    p_A = fraction of votes for A, P_e = p_A^2 + (1 - p_A)^2;
    kappa = (P - P_e) / (1 - P_e).
    With equal n for all pairs, this is the case of Fleiss' paper.

    Args:
        counts: votes for A and for B of each pair; pairs with fewer than two votes are ignored.

    Returns:
        None if no pair has two votes.
    """
    judged = [(a, b) for a, b in counts if a + b >= 2]
    if not judged:
        return None
    each = [(a * (a - 1) + b * (b - 1)) / ((a + b) * (a + b - 1)) for a, b in judged]
    pairwise = math.fsum(each) / len(each)
    for_a = sum(a for a, _ in judged) / sum(a + b for a, b in judged)
    chance = for_a**2 + (1 - for_a) ** 2
    kappa = None if chance == 1 else (pairwise - chance) / (1 - chance)
    return Agreement(len(judged), pairwise, kappa)
