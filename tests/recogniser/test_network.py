import pytest
import torch
from torch import nn

from hwgen.errors import InputError
from hwgen.recogniser.network import (
    RecogniserNetwork,
    RecogniserRecipe,
    flop_count,
    logits,
    parameter_count,
    recipe_from_json,
    recipe_to_json,
)

TOY = RecogniserRecipe(size=16, widths=((4,), (6, 8)), grid=2, hidden=10)


def test_parameters_and_flops_are_those_of_the_docstring():
    network = RecogniserNetwork(RecogniserRecipe(), 89)
    convolutions = [m.weight.numel() for m in network if isinstance(m, nn.Conv2d)]
    assert sum(convolutions) == 1_092_384
    assert parameter_count(network) == 1_092_384 + 2_099_936 + 513 * 89
    assert flop_count(network, 32) / 2 == pytest.approx(35.7e6 + 2.1e6 + 512 * 89, abs=0.1e6)


def test_toy_parameters_and_flops_by_hand():
    network = RecogniserNetwork(TOY, 5)
    weights = 9 * 4 + 9 * 4 * 6 + 9 * 6 * 8 + 32 * 10 + 10 * 5
    assert parameter_count(network) == weights + 2 * (4 + 6 + 8 + 10) + 5
    multiply_adds = 9 * 4 * 256 + (9 * 4 * 6 + 9 * 6 * 8) * 64 + 320 + 50
    assert flop_count(network, 16) == 2 * multiply_adds


def test_counting_leaves_the_mode_and_the_norms_alone():
    network = RecogniserNetwork(TOY, 5).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    flop_count(network, 16)
    assert network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("size", [16, 28, 32, 48, 64])
def test_any_size_gives_one_score_a_class(size: int):
    network = RecogniserNetwork(RecogniserRecipe(size=size), 7, channels=3)
    assert logits(network, torch.zeros(2, 3, size, size)).shape == (2, 7)


def test_scores_are_float32():
    network = RecogniserNetwork(TOY, 5).to(torch.bfloat16)
    assert logits(network, torch.zeros(2, 1, 16, 16, dtype=torch.bfloat16)).dtype == torch.float32


def test_recipe_survives_json():
    assert recipe_from_json(recipe_to_json(TOY)) == TOY


@pytest.mark.parametrize("change", [{"colour": 1}, {"steps": "many"}, {"widths": [3]}])
def test_json_that_does_not_fit_is_refused(change: dict[str, object]):
    with pytest.raises(InputError, match="recogniser recipe"):
        recipe_from_json({**recipe_to_json(TOY), **change})


@pytest.mark.parametrize("change", [{"size": 4}, {"steps": 0}, {"batch": 0}, {"grid": 0}])
def test_impossible_recipes_are_refused(change: dict[str, int]):
    with pytest.raises(InputError, match="cannot be"):
        RecogniserRecipe(**change)
