"""Design of a study: which images are paired, on which side and in which order they are shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.errors import InputError
from hwgen.study.sets import ImageNumbers, StudySet

GAP = 20
"""Pairs between a pair and its repetition, if there are that many."""


@dataclass(frozen=True)
class Pairs:
    """The pairs of a study.

    Attributes:
        labels: of each pair; None where a set has no labels.
        a: image number in set A, for each pair.
        b: image number in set B.
    """

    labels: tuple[str | None, ...]
    a: ImageNumbers
    b: ImageNumbers


@dataclass(frozen=True)
class Showing:
    """One step of the order in which voters see pairs.

    Attributes:
        pair: index of the pair.
        a_is_left: whether the image of A is on the left.
        repeats: whether the pair was shown before, with left and right exchanged.
    """

    pair: int
    a_is_left: bool
    repeats: bool


def make_pairs(a: StudySet, b: StudySet, count: int, rng: np.random.Generator) -> Pairs:
    """Choose images for pairs, of the same class if both sets have labels.

    The common classes occur equally often, as far as they have images; no image is in two pairs.

    Raises:
        InputError: there is no common class, or there are too few images.
    """
    labels = _choose_labels(a, b, count, rng)
    chosen_a, chosen_b = np.empty(count, np.int64), np.empty(count, np.int64)
    for label in dict.fromkeys(labels):
        own = [i for i, other in enumerate(labels) if other == label]
        chosen_a[own] = a.choose(label, len(own), rng)
        chosen_b[own] = b.choose(label, len(own), rng)
    return Pairs(tuple(labels), chosen_a, chosen_b)


def _choose_labels(
    a: StudySet, b: StudySet, count: int, rng: np.random.Generator
) -> list[str | None]:
    """The label of each pair."""
    common: list[str | None] = [None]
    if a.labels is not None and b.labels is not None:
        of_b = set(b.labels)
        common = [label for label in a.labels if label in of_b]
    left = [min(a.capacity(label), b.capacity(label)) for label in common]
    chosen: list[str | None] = []
    while len(chosen) < count:
        available = [i for i in rng.permutation(len(common)).tolist() if left[i] > 0]
        if not available and chosen:
            raise InputError(
                f"{a.name} and {b.name} have images for {len(chosen)} pairs, not for {count}",
                remedy=f"Give --pairs {len(chosen)} or less",
            )
        if not available:
            raise InputError(
                f"{a.name} and {b.name} have no class in common",
                remedy="Give sets with the same classes",
            )
        for i in available[: count - len(chosen)]:
            left[i] -= 1
            chosen.append(common[i])
    return chosen


def arrange(pairs: int, controls: int, rng: np.random.Generator) -> list[Showing]:
    """An order with A on the left in half of the pairs, and some pairs shown twice.

    A control is a pair that is shown again, with left and right exchanged, `GAP` pairs later; in a
    short study, half of the study later.

    Raises:
        InputError: more controls than pairs that can be repeated.
    """
    gap = min(GAP, pairs // 2)
    if not 0 <= controls <= pairs - gap:
        raise InputError(
            f"{controls} controls do not fit into {pairs} pairs",
            remedy=f"Give --controls {pairs - gap} or less",
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
    """The numbers below `count` in random order, so that an order reveals nothing."""
    numbers: list[int] = rng.permutation(count).tolist()
    return numbers
