"""In: nothing. Out: what a target of the harness is: valid inputs, how to damage them, how to read.

A target's reader must end in an outcome's name or in an HwgenError; all else is a finding.
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
        seeds: valid inputs, made by hwgen itself.
        read: gives an input to the parser and says how it ended.
        mutate: (input, another one, chance) -> damaged input.
        seconds: longest time for one input; more counts as a hang.
        mib: most memory for one input, beyond what the process held before.
    """

    seeds: Sequence[bytes]
    read: Callable[[bytes], str]
    mutate: Mutate = mutate
    seconds: float = 5.0
    mib: int = 256


def make_input(target: Target, seed: int, index: int) -> bytes:
    """The damaged input of this number: the same in every run and process."""
    rng = random.Random(seed << 40 | index)
    data, other = rng.choice(target.seeds), rng.choice(target.seeds)
    return target.mutate(data, other, rng)
