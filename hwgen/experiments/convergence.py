"""Training until more steps no longer help: numbers of steps that double, on held-out samples.

Each number of steps is a whole training with its own learning-rate cycle, since a cycle that was
cut short, or that goes on, is another training than one of this length.
"""

from __future__ import annotations

from collections.abc import Sequence

from hwgen.errors import InputError

FIRST_STEPS, MAX_STEPS = 1_000, 32_000
"""The first number of steps, and the last unless another is given."""

LEAST_GAIN = 0.003
"""Accuracy that a further training must gain on held-out samples, for more steps to help."""


def doubling(most: int = MAX_STEPS) -> tuple[int, ...]:
    """Numbers of steps to try: FIRST_STEPS, twice as many, and so on up to `most`.

    Raises:
        InputError: `most` is less than two numbers of steps need.
    """
    if most < 2 * FIRST_STEPS:
        raise InputError(
            f"{most:,} steps are too few to see whether more help; expected at least "
            f"{2 * FIRST_STEPS:,}",
            remedy=f"Give more, or {most} as the number of steps of a quick look",
        )
    found = [FIRST_STEPS]
    while found[-1] < most:
        found.append(min(2 * found[-1], most))
    return tuple(found)


def is_converged(accuracies: Sequence[float]) -> bool:
    """Whether the last number of steps gained less than LEAST_GAIN over the best one before.

    Args:
        accuracies: on held-out samples, by ascending number of steps; NaN where not known.
    """
    return len(accuracies) > 1 and accuracies[-1] < max(accuracies[:-1]) + LEAST_GAIN
