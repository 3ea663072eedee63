"""In: counts of votes. Out: the chance of such counts, and how far people agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hwgen.errors import InputError


def binomial_p(hits: int, trials: int) -> float:
    """P of a count at least as far from trials/2 as this one, if both sides were equally likely.

    The exact two-sided binomial test at probability 1/2 (Clopper and Pearson 1934 invert it):
    twice the smaller tail, at most 1. The tail is summed term by term from its largest one.

    Raises:
        InputError: no trials, or more hits than trials.
    """
    if not 0 <= hits <= trials or trials == 0:
        raise InputError(f"{hits} of {trials} votes is not a share")
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
    """How far people who judged the same pairs agree.

    Attributes:
        pairs: that two or more judged.
        pairwise: chance that two of those who judged a pair chose the same, mean over pairs.
        kappa: what of it goes beyond chance: 1 is agreement, 0 is chance; None where all votes
            are the same and chance alone would agree.
    """

    pairs: int
    pairwise: float
    kappa: float | None


def agreement(counts: Sequence[tuple[int, int]]) -> Agreement | None:
    """Fleiss' kappa of a choice between two (Fleiss 1971), for any number of votes a pair.

    With n_A and n_B votes on pair i and n = n_A + n_B >= 2:
    P_i = [n_A (n_A - 1) + n_B (n_B - 1)] / [n (n - 1)], P = mean of P_i;
    p_A = share of A in all these votes, P_e = p_A^2 + (1 - p_A)^2;
    kappa = (P - P_e) / (1 - P_e).
    Where all pairs have the same n, this is Fleiss' own case.

    Args:
        counts: votes for A and for B of each pair; pairs with fewer than two votes are left out.

    Returns:
        None where no pair has two votes.
    """
    judged = [(a, b) for a, b in counts if a + b >= 2]
    if not judged:
        return None
    each = [(a * (a - 1) + b * (b - 1)) / ((a + b) * (a + b - 1)) for a, b in judged]
    pairwise = math.fsum(each) / len(each)
    share = sum(a for a, _ in judged) / sum(a + b for a, b in judged)
    chance = share**2 + (1 - share) ** 2
    kappa = None if chance == 1 else (pairwise - chance) / (1 - chance)
    return Agreement(len(judged), pairwise, kappa)
