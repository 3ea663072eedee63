"""The gradients of one step against the equations, written down a second time."""

import copy

import pytest
import torch
from torch import Tensor

from hwgen.generators.adversarial.steps import State, make_state, schedule, train_step
from hwgen.generators.gan.networks import build
from hwgen.generators.gan.presets import Recipe, change

CPU = torch.device("cpu")
N = 6
LABELS = {"generator.label_sd": "1", "discriminator.label_sd": "1", "label_pull": "0"}

VARIANTS = {
    "R1": {"r1_gamma": "3", "r1_every": "4"},
    "R1 every step": {"r1_gamma": "0.7", "r1_every": "1"},
    "R1, sum": {"r1_gamma": "3", "r1_every": "4", "loss.reduction": "sum"},
    "no R1": {"r1_gamma": "0"},
    "no R1, sum": {"r1_gamma": "0", "loss.reduction": "sum"},
    "batch norm": {"r1_gamma": "0", "generator.norm": "batch", "discriminator.norm": "batch"},
    "batch norm, R1": {"r1_gamma": "3", "r1_every": "4", "discriminator.norm": "batch"},
    "concatenated labels": {"r1_gamma": "0", "discriminator.label": "concat"},
}


def one_step(recipe: Recipe) -> tuple[State, State, Tensor, Tensor, Tensor]:
    """A state before and after a step, with the batch and the noise of that step."""
    state = make_state(build, recipe, 3, 0, CPU)
    before = copy.deepcopy(state)
    rng = torch.Generator().manual_seed(1)
    x = torch.rand((N, 1, 8, 8), generator=rng) * 2 - 1
    y = torch.tensor([0, 1, 2, 2, 1, 0])
    z = state.g.sample_noise(N, torch.Generator().manual_seed(2))
    noise = torch.Generator().manual_seed(2)
    at = schedule(recipe, 0)
    train_step(state, recipe, x, y, at, generator=noise, precision=torch.float32)
    return before, state, x, y, z


def gradients(network: torch.nn.Module) -> Tensor:
    found = [parameter.grad for parameter in network.parameters()]
    return torch.cat([one.flatten() for one in found if one is not None])


def assert_same_gradients(network: torch.nn.Module, expected: torch.nn.Module) -> None:
    found, wanted = gradients(network), gradients(expected)
    assert len(found) == sum(one.numel() for one in network.parameters())
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4 * wanted.abs().max().item())


@pytest.mark.parametrize("name", VARIANTS)
def test_d_learns_from_real_and_generated_images_apart_and_half_of_gamma(
    toy_recipe: Recipe, name: str
) -> None:
    recipe = change(toy_recipe, {**LABELS, **VARIANTS[name]})
    before, after, x, y, z = one_step(recipe)
    mean = recipe.loss.reduction == "mean"
    x.requires_grad_(True)
    fake = before.g(z, y, 1.0).detach()
    real_output = before.d(x, y, 1.0)  # a batch of its own, for batch norm
    fake_output = before.d(fake, y, 1.0)
    loss = 0.5 * (real_output - recipe.loss.b) ** 2 + 0.5 * (fake_output - recipe.loss.a) ** 2
    if recipe.r1_gamma:
        (slope,) = torch.autograd.grad(real_output.sum(), x, create_graph=True)
        squares = slope.square().sum(dim=(1, 2, 3))
        loss = loss + 0.5 * recipe.r1_gamma * recipe.r1_every * squares
    (loss.mean() if mean else loss.sum()).backward()
    assert_same_gradients(after.d, before.d)


@pytest.mark.parametrize("name", VARIANTS)
def test_g_learns_from_the_updated_d_with_the_labels_that_it_was_given(
    toy_recipe: Recipe, name: str
) -> None:
    recipe = change(toy_recipe, {**LABELS, **VARIANTS[name]})
    before, after, _, y, z = one_step(recipe)
    output = copy.deepcopy(after.d)(before.g(z, y, 1.0), y, 1.0)
    loss = 0.5 * (output - recipe.loss.c) ** 2
    (loss.mean() if recipe.loss.reduction == "mean" else loss.sum()).backward()
    assert_same_gradients(after.g, before.g)
