import copy
from dataclasses import replace

import pytest
import torch

from hwgen.generators.adversarial.discriminator import Discriminator
from hwgen.generators.gan.networks import build
from hwgen.generators.gan.presets import Recipe, change, preset

SMALL_PAPER = change(
    preset("paper-hwdb"),
    {
        "discriminator.label_dim": "4",
        "discriminator.hidden": "10",
        "discriminator.stages": '[{"channels": 7, "kernel": 5, "stride": 2},'
        ' {"channels": 8, "kernel": 5, "stride": 2}]',
    },
)


def test_spectral_norm_bounds_every_layer() -> None:
    torch.manual_seed(0)
    recipe = change(
        SMALL_PAPER, {"discriminator.norm": "spectral", "discriminator.label": "projection"}
    )
    d = build(recipe, 6)[1]
    for _ in range(30):
        d(torch.randn(2, 1, 28, 28), torch.tensor([0, 1]))
    weights = [d.convs[0].weight, d.convs[1].weight, d.hidden.weight, d.out.weight]
    for weight in [*weights, d.label_map.weight]:
        assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1, abs=0.01)


def test_projection_adds_the_inner_product_of_label_and_features() -> None:
    torch.manual_seed(0)
    recipe = change(
        SMALL_PAPER, {"discriminator.norm": "none", "discriminator.label": "projection"}
    )
    d = build(recipe, 6)[1]
    seen: list[torch.Tensor] = []
    d.out.register_forward_hook(lambda module, given, out: seen.extend([given[0], out]))
    y = torch.tensor([5, 0, 2])
    found = d(torch.randn(3, 1, 28, 28), y)
    h, out = seen
    label = d.label_map.weight[y] + d.label_map.bias
    assert h.shape == (3, 10)
    torch.testing.assert_close(found, out[:, 0] + torch.einsum("nw,nw->n", label, h) / 10**0.5)


def test_networks_without_a_hidden_layer_and_in_colour(toy_recipe: Recipe) -> None:
    for label in ("concat", "projection"):
        spec = replace(toy_recipe.discriminator, hidden=0, label=label)
        d = Discriminator(spec, channels=3, size=8, classes=2)
        assert d(torch.randn(2, 3, 8, 8), torch.tensor([0, 1])).shape == (2,)


@pytest.mark.parametrize("recipe", [SMALL_PAPER, preset("glyph-32")], ids=lambda r: r.preset)
def test_two_batches_at_once_are_normalised_apart(recipe: Recipe) -> None:
    torch.manual_seed(0)
    together = build(recipe, classes=3)[1]
    apart = copy.deepcopy(together)
    x = torch.randn(8, 1, recipe.size, recipe.size)
    y = torch.randint(3, (8,))
    found = together(x, y, parts=2)
    expected = torch.cat([apart(x[:4], y[:4]), apart(x[4:], y[4:])])
    torch.testing.assert_close(found, expected)
    for mine, other in zip(together.buffers(), apart.buffers(), strict=True):
        torch.testing.assert_close(mine, other)
