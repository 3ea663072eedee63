"""A target of the harness: valid inputs, their mutation, and their reader.

A reader must return the name of an outcome or raise an HwgenError; anything else is a finding.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.robustness.fuzz.mutation import Mutate, mutate


@dataclass(frozen=True)
class Target:
    """One parser under test.

    Attributes:
        seeds: valid inputs, written by hwgen.
        read: passes an input to the parser and returns the outcome.
        mutate: (input, another valid input, random numbers) -> damaged input.
        seconds: time limit for one input; more counts as a hang.
        mib: memory limit for one input above the process's memory before, MiB.
    """

    seeds: Sequence[bytes]
    read: Callable[[bytes], str]
    mutate: Mutate = mutate
    seconds: float = 5.0
    mib: int = 256


def make_input(target: Target, seed: int, index: int) -> bytes:
    """The damaged input with this number: the same in every run and process."""
    rng = random.Random(seed << 40 | index)
    data, other = rng.choice(target.seeds), rng.choice(target.seeds)
    return target.mutate(data, other, rng)
