"""Random numbers of a line: each use has its own, a function of (seed, line)."""

from __future__ import annotations

import numpy as np

TEXT, HAND, MARKS, LAYOUT, LOOKS = range(5)
"""Uses, so that an option for one does not change another."""


def generator(seed: int, line: int, use: int) -> np.random.Generator:
    """The random numbers of one use in one line."""
    return np.random.default_rng((seed, line, use))
