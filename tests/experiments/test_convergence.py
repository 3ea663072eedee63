import math

import pytest

from hwgen.errors import InputError
from hwgen.experiments.convergence import LEAST_GAIN, doubling, is_converged


@pytest.mark.parametrize(
    ("most", "steps"),
    [
        (2_000, (1_000, 2_000)),
        (7_000, (1_000, 2_000, 4_000, 7_000)),
        (32_000, (1_000, 2_000, 4_000, 8_000, 16_000, 32_000)),
    ],
)
def test_steps_double_up_to_the_most(most: int, steps: tuple[int, ...]) -> None:
    assert doubling(most) == steps
    assert doubling()[-1] == 32_000


def test_one_number_of_steps_shows_nothing() -> None:
    with pytest.raises(InputError, match="1,999 steps are too few to see whether more help"):
        doubling(1_999)


def test_converged_is_what_gains_too_little_over_the_best_before() -> None:
    assert not is_converged([0.9])
    assert is_converged([0.9, 0.9 + LEAST_GAIN / 2])
    assert not is_converged([0.9, 0.9 + 2 * LEAST_GAIN])
    assert is_converged([0.9, 0.8])
    assert is_converged([0.9, 0.8, 0.9])  # the better one is not reached again
    assert not is_converged([0.9, 0.8, 0.91])
    assert not is_converged([0.9, math.nan])
