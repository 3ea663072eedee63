import pytest

from hwgen.experiments.convergence import FIRST_STEPS, MAX_STEPS
from hwgen_cli.number_lists import budgets_of, until_converged


@pytest.mark.parametrize(
    "text", ["converged", " converged", "converged:32000", "converged : 32000"]
)
def test_a_value_with_numbers_that_double_is_one_until_converged(text: str) -> None:
    assert until_converged(text)
    assert budgets_of(text)[0] == FIRST_STEPS
    assert budgets_of(text)[-1] == MAX_STEPS


@pytest.mark.parametrize("text", ["1000", " 1000, 3000"])
def test_numbers_are_tried_as_they_are(text: str) -> None:
    assert not until_converged(text)
    assert budgets_of(text) == tuple(int(part) for part in text.split(","))
