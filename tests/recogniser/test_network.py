from dataclasses import replace

import pytest
import torch
from torch import nn

from hwgen.errors import InputError
from hwgen.recogniser.network import (
    RECOGNISERS,
    RecogniserNetwork,
    RecogniserRecipe,
    fine_tuned,
    flop_count,
    folded,
    logits,
    parameter_count,
    recipe_from_json,
    recipe_to_json,
    recogniser_named,
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


def test_a_stem_halves_the_image_at_once():
    with_stem = RecogniserRecipe(size=16, widths=((4,), (6,)), stem=5, grid=4, hidden=10)
    network = RecogniserNetwork(with_stem, 5)
    assert tuple(network[0].weight.shape) == (4, 1, 5, 5)
    multiply_adds = 25 * 4 * 64 + 9 * 4 * 6 * 16 + 6 * 16 * 10 + 10 * 5
    assert flop_count(network, 16) == 2 * multiply_adds
    assert logits(network, torch.zeros(2, 1, 16, 16)).shape == (2, 5)


def test_strong_64_reads_64_pixels_for_little_more_than_half_of_the_default():
    strong, default = (RECOGNISERS[name] for name in ("strong-64", "default"))
    costs = [flop_count(RecogniserNetwork(r, 3755), r.size) for r in (strong, default)]
    assert strong.size == 64
    assert costs[0] / costs[1] == pytest.approx(0.55, abs=0.01)


def test_the_size_is_that_of_the_preset_unless_given():
    assert [recogniser_named("strong-64").size, recogniser_named("light").size] == [64, 32]
    assert recogniser_named("strong-64", 48).size == 48
    with pytest.raises(InputError, match="size should be at least 32"):
        recogniser_named("strong-64", 28)


@pytest.mark.parametrize("size", [16, 17, 19])
def test_a_stem_takes_images_of_odd_size(size: int):
    recipe = RecogniserRecipe(size=size, widths=((4,), (6,)), stem=5, grid=4, hidden=10)
    assert RecogniserNetwork(recipe, 5)(torch.zeros(2, 1, size, size)).shape == (2, 5)


def test_settings_without_a_stem_are_those_of_versions_that_had_none():
    assert "stem" not in recipe_to_json(RecogniserRecipe())
    with_stem = RecogniserRecipe(stem=5)
    assert recipe_from_json(recipe_to_json(with_stem)) == with_stem


def test_fine_tuning_has_a_third_of_the_learning_rate():
    assert fine_tuned(TOY) == replace(TOY, lr=TOY.lr / 3)


@pytest.mark.parametrize("stem", [-1, 1, 4, 17])
def test_impossible_stems_are_refused(stem: int):
    with pytest.raises(InputError, match="stem should be 0 or an odd number from 3 to 15"):
        RecogniserRecipe(stem=stem)


def test_counting_leaves_the_mode_and_the_norms_alone():
    network = RecogniserNetwork(TOY, 5).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    flop_count(network, 16)
    assert network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("size", [16, 28, 32, 48, 64])
def test_any_size_gives_one_score_per_class(size: int):
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
    with pytest.raises(InputError, match="should be at least"):
        RecogniserRecipe(**change)


@pytest.mark.parametrize(("size", "stem"), [(16, 0), (28, 0), (32, 0), (32, 5)])
def test_folded_network_gives_the_same_scores(size: int, stem: int):
    torch.manual_seed(0)
    network = RecogniserNetwork(RecogniserRecipe(size=size, stem=stem, grid=4), 7)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)  # also below 0, where a norm and a maximum differ
            nn.init.normal_(module.bias)
    network.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    reading, x = folded(network), torch.rand(5, 1, size, size)
    with torch.no_grad():
        expected, found = network.double()(x.double()), logits(reading, x)
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=1e-4)
    found, expected = found.double().softmax(1), expected.softmax(1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in reading) == 3  # behind a pooling
    assert not any(isinstance(layer, nn.BatchNorm1d | nn.Dropout) for layer in reading)
    for name, value in network.float().state_dict().items():
        assert torch.equal(value, before[name])


def test_a_map_of_the_grid_size_is_not_averaged():
    kinds = {size: RecogniserNetwork(RecogniserRecipe(size=size), 7) for size in (32, 64)}
    assert any(isinstance(layer, nn.AdaptiveAvgPool2d) for layer in kinds[64])
    assert not any(isinstance(layer, nn.AdaptiveAvgPool2d) for layer in kinds[32])
    assert kinds[32].state_dict().keys() == kinds[64].state_dict().keys()
