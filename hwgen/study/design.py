"""In: two sides and a random source. Out: which pictures meet, on which side, in which order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.errors import InputError
from hwgen.study.sets import ImageNumbers, StudySet

GAP = 20
"""Pairs between a pair and its repetition, where there are as many."""


@dataclass(frozen=True)
class Matches:
    """The pairs of a study, before they have sides.

    Attributes:
        labels: of each pair; None where a side has no labels.
        a: which pictures of A, one a pair.
        b: which of B.
    """

    labels: tuple[str | None, ...]
    a: ImageNumbers
    b: ImageNumbers


@dataclass(frozen=True)
class Showing:
    """One place in the order that voters see.

    Attributes:
        pair: which of the pairs.
        a_is_left: on which side A's picture is.
        repeats: whether the pair was shown before, with its sides the other way round.
    """

    pair: int
    a_is_left: bool
    repeats: bool


def match(a: StudySet, b: StudySet, pairs: int, rng: np.random.Generator) -> Matches:
    """Choose pictures: the same label on both sides where both have labels.

    The classes that both have come equally often, as far as their pictures reach; no picture
    comes in two pairs.

    Raises:
        InputError: no class in common, or too few pictures for so many pairs.
    """
    labels = _label_of_each(a, b, pairs, rng)
    chosen_a, chosen_b = np.empty(pairs, np.int64), np.empty(pairs, np.int64)
    for label in dict.fromkeys(labels):
        where = [i for i, other in enumerate(labels) if other == label]
        chosen_a[where] = a.places(label, len(where), rng)
        chosen_b[where] = b.places(label, len(where), rng)
    return Matches(tuple(labels), chosen_a, chosen_b)


def _label_of_each(
    a: StudySet, b: StudySet, pairs: int, rng: np.random.Generator
) -> list[str | None]:
    shared: list[str | None] = [None]
    if a.labels is not None and b.labels is not None:
        of_b = set(b.labels)
        shared = [label for label in a.labels if label in of_b]
    room = [min(a.capacity(label), b.capacity(label)) for label in shared]
    chosen: list[str | None] = []
    while len(chosen) < pairs:
        still = [i for i in rng.permutation(len(shared)).tolist() if room[i] > 0]
        if not still:
            what = f"there are pictures for {len(chosen)} pairs" if chosen else "nothing in common"
            raise InputError(
                f"{a.name} and {b.name}: {what}, {pairs} were asked for",
                remedy="Ask for fewer --pairs" if chosen else "Give sets with the same classes",
            )
        for i in still[: pairs - len(chosen)]:
            room[i] -= 1
            chosen.append(shared[i])
    return chosen


def arrange(pairs: int, controls: int, rng: np.random.Generator) -> list[Showing]:
    """An order in which A is on the left in half of the pairs, and some pairs come twice.

    A control is a pair that comes again, sides exchanged, after `GAP` others; in a short study,
    after half of it.

    Raises:
        InputError: more controls than pairs that can be repeated.
    """
    gap = min(GAP, pairs // 2)
    if not 0 <= controls <= pairs - gap:
        raise InputError(
            f"{controls} controls do not fit into {pairs} pairs",
            remedy=f"Ask for at most {pairs - gap}",
        )
    left = rng.permutation(np.arange(pairs) % 2 == 0).tolist()
    repeated = set(rng.choice(pairs - gap, controls, replace=False).tolist())
    order: list[Showing] = []
    for pair in range(pairs):
        order.append(Showing(pair, left[pair], repeats=False))
        before = pair - gap
        if before in repeated:
            order.append(Showing(before, not left[before], repeats=True))
    return order


def shuffled(count: int, rng: np.random.Generator) -> list[int]:
    """Numbers for things whose order must tell nothing."""
    numbers: list[int] = rng.permutation(count).tolist()
    return numbers
