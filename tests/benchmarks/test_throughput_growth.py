import pytest
import torch

from benchmarks.throughput import growth
from hwgen.generators.gan.presets import Recipe


@pytest.mark.usefixtures("quick")
def test_a_row_states_the_memory_of_a_further_class(toy_recipe: Recipe) -> None:
    row = growth.measure(toy_recipe, [5, 40_005], device=torch.device("cpu"), steps=1, runs=1)
    assert row["ways"].keys() == {"5 classes", "40,005 classes"}
    limits = row["limits"]
    assert limits["slowest_over_fastest"] >= 1
    # Φ of G (5 wide) and of D (8 wide): value, gradient and two moments each; G's average.
    assert limits["bytes_a_further_class_predicted"] == 4 * (4 * (5 + 8) + 5)
    assert 0.5 < limits["bytes_a_further_class_taken"] / (4 * (4 * (5 + 8) + 5)) < 3
