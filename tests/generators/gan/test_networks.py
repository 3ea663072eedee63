import copy
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hwgen.generators.adversarial.layers import join, parameter_count
from hwgen.generators.gan.estimate import count_parameters, plan
from hwgen.generators.gan.networks import Generator, build, build_generator
from hwgen.generators.gan.presets import PRESETS, Recipe, change, preset
from hwgen.store import Store

Array = npt.NDArray[np.float64]
Weights = dict[str, Array]

SMALL_PAPER = change(
    preset("paper-hwdb"),
    {
        "generator.start": "[6, 7]",
        "generator.z_dim": "9",
        "generator.label_dim": "4",
        "generator.stages": '[{"channels": 5, "kernel": 5, "stride": 2},'
        ' {"channels": 1, "kernel": 5, "stride": 2}]',
        "discriminator.label_dim": "4",
        "discriminator.hidden": "10",
        "discriminator.stages": '[{"channels": 7, "kernel": 5, "stride": 2},'
        ' {"channels": 8, "kernel": 5, "stride": 2}]',
    },
)


# An independent forward pass of arXiv 1611.04076v1 Fig. 6 and mcgan.py: numpy, written from the
# description. TensorFlow's 'SAME' for 5x5, stride 2 on an even side: one row before, two after.


def conv5(x: Array, weight: Array, bias: Array) -> Array:
    side = x.shape[-1]
    padded = np.zeros((*x.shape[:2], side + 3, side + 3))
    padded[:, :, 1 : side + 1, 1 : side + 1] = x
    out = np.zeros((len(x), len(weight), side // 2, side // 2)) + bias[:, None, None]
    for i in range(5):
        for j in range(5):
            seen = padded[:, :, i : i + side : 2, j : j + side : 2]
            out += np.einsum("ncyx,oc->noyx", seen, weight[:, :, i, j], optimize=True)
    return out


def deconv5(x: Array, weight: Array, bias: Array) -> Array:
    side = x.shape[-1]
    canvas = np.zeros((len(x), weight.shape[1], 2 * side + 3, 2 * side + 3))
    for i in range(5):
        for j in range(5):
            spread = np.einsum("ncyx,co->noyx", x, weight[:, :, i, j], optimize=True)
            canvas[:, :, i : i + 2 * side : 2, j : j + 2 * side : 2] += spread
    return canvas[:, :, 1 : 2 * side + 1, 1 : 2 * side + 1] + bias[:, None, None]


def batch_norm(x: Array, weights: Weights, name: str, train: bool) -> Array:
    axes = (0, 2, 3) if x.ndim == 4 else (0,)
    shape = (1, -1, 1, 1) if x.ndim == 4 else (1, -1)
    mean = x.mean(axis=axes) if train else weights[f"{name}.running_mean"]
    variance = x.var(axis=axes) if train else weights[f"{name}.running_var"]
    normal = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + 1e-5)
    return normal * weights[f"{name}.weight"].reshape(shape) + weights[f"{name}.bias"].reshape(
        shape
    )


def lrelu(x: Array) -> Array:
    return np.where(x > 0, x, 0.2 * x)


def phi(weights: Weights, y: list[int]) -> Array:
    one_hot = np.eye(len(weights["label_map.weight"]))[y]
    return one_hot @ weights["label_map.weight"] + weights["label_map.bias"]


def linear(x: Array, weights: Weights, name: str) -> Array:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def paper_g(w: Weights, z: Array, y: list[int], channels: int, train: bool) -> Array:
    h = linear(np.concatenate([z, phi(w, y)], axis=1), w, "start")
    h = np.maximum(batch_norm(h, w, "start_norm.norm", train), 0).reshape(-1, channels, 7, 7)
    h = deconv5(h, w["convs.0.weight"], w["convs.0.bias"])
    h = np.maximum(batch_norm(h, w, "norms.0.norm", train), 0)
    return 1 / (1 + np.exp(-deconv5(h, w["convs.1.weight"], w["convs.1.bias"])))


def paper_d(w: Weights, x: Array, y: list[int], train: bool) -> Array:
    label = phi(w, y)
    h = lrelu(conv5(x, w["convs.0.weight"], w["convs.0.bias"]))
    tiled = np.broadcast_to(label[:, :, None, None], (*label.shape, 14, 14))
    h = conv5(np.concatenate([h, tiled], axis=1), w["convs.1.weight"], w["convs.1.bias"])
    h = lrelu(batch_norm(h, w, "norms.1", train)).reshape(len(x), -1)
    h = linear(np.concatenate([h, label], axis=1), w, "hidden")
    h = lrelu(batch_norm(h, w, "hidden_norm", train))
    return linear(np.concatenate([h, label], axis=1), w, "out")[:, 0]


def fixed(network: nn.Module, seed: int) -> Weights:
    """Give every weight and statistic a fixed value, and return them."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            value = rng.normal(0, 0.1, tensor.shape)
            if name.endswith("running_var") or ("norm" in name and name.endswith("weight")):
                value = 1 + np.abs(value)
            tensor.copy_(torch.from_numpy(value))
            weights[name] = tensor.double().numpy().copy()
    return weights


@pytest.mark.parametrize(
    ("recipe", "classes", "train"),
    [(SMALL_PAPER, 11, True), (SMALL_PAPER, 11, False), (preset("paper-hwdb"), 3740, True)],
    ids=["small, batch statistics", "small, running statistics", "real size"],
)
def test_paper_nets_equal_an_independent_forward_pass(
    recipe: Recipe, classes: int, train: bool
) -> None:
    g, d = build(recipe, classes)
    g_weights, d_weights = fixed(g, 0), fixed(d, 1)
    g.train(train)
    d.train(train)
    rng = np.random.default_rng(2)
    y = [0, classes - 1, 5]
    z = rng.uniform(-1, 1, (3, recipe.generator.z_dim)).astype(np.float32)
    x = rng.uniform(0, 1, (3, 1, 28, 28)).astype(np.float32)
    with torch.no_grad():
        pictures = g(torch.from_numpy(z), torch.tensor(y)).numpy()
        outputs = d(torch.from_numpy(x), torch.tensor(y)).numpy()
    expected = paper_g(g_weights, z, y, recipe.generator.start[0], train)
    assert expected.std() > 0.005
    np.testing.assert_allclose(pictures, expected, atol=2e-5)
    np.testing.assert_allclose(
        outputs, paper_d(d_weights, x, y, train), rtol=1e-4, atol=2e-4 * np.abs(outputs).max()
    )


def test_paper_nets_have_the_authors_numbers_of_parameters() -> None:
    assert count_parameters(preset("paper-hwdb"), 3740) == (9_417_857, 21_392_155)
    for name in ("paper-scene-112", "dcgan-112"):
        assert count_parameters(preset(name), 5) == (15_591_427, 4_333_441)


@pytest.mark.parametrize("name", PRESETS)
def test_counting_agrees_with_building(name: str) -> None:
    g, d = build(preset(name), 5)
    assert count_parameters(preset(name), 5) == (parameter_count(g), parameter_count(d))


def test_a_spectral_norm_adds_no_parameters(toy_recipe: Recipe) -> None:
    spectral = change(toy_recipe, {"discriminator.norm": "spectral"})
    assert count_parameters(spectral, 5) == count_parameters(toy_recipe, 5)


def test_a_plan_counts_bytes_and_epochs(toy_recipe: Recipe, toy_store: Store) -> None:
    g, d = count_parameters(toy_recipe, 3)
    found = plan(toy_recipe, toy_store)
    assert (found.parameters_g, found.parameters_d) == (g, d)
    assert found.epochs == pytest.approx(280 / 30)
    assert found.images_bytes == 30 * 64
    assert found.state_bytes == 4 * (4 * (g + d) + g)
    assert found.checkpoint_bytes == 4 * (3 * (g + d) + g)
    rmsprop = plan(change(toy_recipe, {"optimizer.kind": "rmsprop", "ema": "0"}), toy_store)
    assert rmsprop.state_bytes == 4 * 3 * (g + d)
    assert rmsprop.checkpoint_bytes == 4 * 2 * (g + d)


def norms_of(network: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d) for part in network.modules())


def test_norms_can_be_on_or_off_in_each_network() -> None:
    for g_norm, expected in (("batch", 2), ("conditional", 2), ("none", 0)):
        g, _ = build(change(SMALL_PAPER, {"generator.norm": g_norm}), 4)
        assert norms_of(g) == expected
        assert g(torch.randn(3, 9), torch.tensor([0, 1, 2])).shape == (3, 1, 28, 28)
    for d_norm, expected in (("batch", 2), ("none", 0), ("spectral", 0)):
        _, d = build(change(SMALL_PAPER, {"discriminator.norm": d_norm}), 4)
        assert norms_of(d) == expected
        assert d(torch.randn(3, 1, 28, 28), torch.tensor([0, 1, 2])).shape == (3,)


def test_an_unconditional_network_has_no_labels(toy_recipe: Recipe) -> None:
    for base in (SMALL_PAPER, toy_recipe):
        recipe = replace(base, conditional=False)
        g, d = build(recipe, 5)
        assert g.label_map is None
        assert d.label_map is None
        x = g(torch.randn(2, recipe.generator.z_dim))
        assert d(x).shape == (2,)
        assert count_parameters(recipe, 5) == count_parameters(recipe, 500)


def test_z_and_label_both_reach_the_picture(toy_recipe: Recipe) -> None:
    torch.manual_seed(0)
    g = Generator(toy_recipe.generator, 1, toy_recipe.size, 3).eval()
    z = torch.randn(1, 6).expand(2, -1)
    assert not torch.equal(*g(z, torch.tensor([0, 1])))
    assert not torch.equal(*g(torch.randn(2, 6), torch.tensor([1, 1])))


def test_noise_has_the_recipes_distribution(toy_recipe: Recipe) -> None:
    normal = build_generator(toy_recipe, 3).sample_noise(20_000, torch.Generator())
    assert normal.shape == (20_000, 6)
    assert normal.std().item() == pytest.approx(1, abs=0.02)
    even = change(toy_recipe, {"generator.z": "uniform"})
    uniform = build_generator(even, 3).sample_noise(20_000, torch.Generator())
    assert -1 <= uniform.min() < -0.99
    assert 0.99 < uniform.max() <= 1
    assert uniform.std().item() == pytest.approx(3**-0.5, abs=0.02)


def test_the_scene_generator_equals_a_plain_composition() -> None:
    """Arxiv 1611.04076v3 Fig. 3, by torch's own functions with the paddings that 'SAME' stands for:

    3x3 of stride 2: none, and the last row and column are dropped; of stride 1: one all around.
    """
    torch.manual_seed(0)
    g, _ = build(preset("paper-scene-112"), 1)
    w = g.state_dict()
    z = torch.rand(3, 1024) * 2 - 1

    def normal(h: torch.Tensor, name: str) -> torch.Tensor:
        return F.relu(F.batch_norm(h, None, None, w[f"{name}.weight"], w[f"{name}.bias"], True))

    with torch.no_grad():
        h = (z @ w["start.weight"].T + w["start.bias"]).reshape(3, 256, 7, 7)
        h = normal(h, "start_norm.norm")
        for i, stride in enumerate((2, 1, 2, 1, 2, 2)):
            wide = F.conv_transpose2d(
                h, w[f"convs.{i}.weight"], w[f"convs.{i}.bias"], stride, padding=2 - stride
            )
            h = normal(wide[..., : stride * h.shape[2], : stride * h.shape[3]], f"norms.{i}.norm")
        h = F.conv_transpose2d(h, w["convs.6.weight"], w["convs.6.bias"], 1, padding=1)
        found = g(z)
    assert found.shape == (3, 3, 112, 112)
    torch.testing.assert_close(found, torch.tanh(h), rtol=1e-4, atol=1e-5)


def test_every_layer_of_the_digit_generator_sees_the_label() -> None:
    torch.manual_seed(0)
    recipe = change(preset("mnist-compare"), {"generator.hidden": "16", "generator.start": "[4,7]"})
    g, _ = build(recipe, 10)
    layers = [g.hidden, g.start, *g.convs, g.head]
    label, z = recipe.generator.label_dim, recipe.generator.z_dim
    assert [layer.in_features for layer in (g.hidden, g.start, g.head)] == [
        z + label,
        16 + label,
        16 * 14 * 14 + label,
    ]
    assert g.convs[0].in_channels == 4 + label
    assert g.head.out_features == 28 * 28
    # With the first layer deaf to the label, each further one alone still hears it.
    y = torch.tensor([3, 7])
    noise = torch.randn(1, z).expand(2, -1)
    for hearing in layers:
        deaf = copy.deepcopy(g)
        for mine, layer in zip(
            [deaf.hidden, deaf.start, *deaf.convs, deaf.head], layers, strict=True
        ):
            if layer is hearing:
                continue
            if isinstance(mine, nn.Linear):
                mine.weight.data[:, -label:] = 0
            else:
                mine.weight.data[-label:] = 0
        assert not torch.equal(*deaf.eval()(noise, y))


def test_every_layer_of_the_digit_discriminator_sees_the_label() -> None:
    torch.manual_seed(0)
    widths = {
        "discriminator.stages": '[{"channels": 4, "kernel": 5, "stride": 2},'
        ' {"channels": 6, "kernel": 5, "stride": 2}]',
        "discriminator.hidden": "8",
    }
    recipe = change(preset("mnist-compare"), widths)
    _, d = build(recipe, 10)
    label = recipe.discriminator.label_dim
    assert [conv.in_channels for conv in d.convs] == [1 + label, 4 + label]
    assert d.hidden.in_features == 6 * 7 * 7 + label
    assert d.out.in_features == 8 + label
    y, x = torch.tensor([3, 7]), torch.rand(1, 1, 28, 28).expand(2, -1, -1, -1)
    layers = [*d.convs, d.hidden, d.out]
    for place in range(len(layers)):
        deaf = copy.deepcopy(d).eval()
        for i, layer in enumerate([*deaf.convs, deaf.hidden, deaf.out]):
            if i != place:
                layer.weight.data[:, -label:] = 0
        assert not torch.equal(*deaf(x, y))
    # The first convolution equals that of the image with the label at every position.
    wide = join(x, d.label_map(y))
    plain = F.conv2d(F.pad(wide, (1, 2, 1, 2)), d.convs[0].weight, d.convs[0].bias, 2)
    torch.testing.assert_close(d.convs[0](x, d.label_map(y)), plain)

    without = change(recipe, {"discriminator.label_on_image": "false"})
    assert build(without, 10)[1].convs[0].in_channels == 1  # as in runs of earlier versions


def test_networks_without_stages_are_two_linear_layers() -> None:
    torch.manual_seed(0)
    perceptrons = {
        "conditional": "false",
        "generator.hidden": "0",
        "generator.start": "[16, 1]",
        "generator.stages": "[]",
        "generator.norm": "none",
        "discriminator.stages": "[]",
        "discriminator.hidden": "8",
        "discriminator.norm": "none",
    }
    g, d = build(change(preset("mnist-compare"), perceptrons), 10)
    z = torch.rand(3, 100)
    with torch.no_grad():
        h = F.relu(F.linear(z, g.start.weight, g.start.bias))
        x = torch.sigmoid(F.linear(h, g.head.weight, g.head.bias)).reshape(3, 1, 28, 28)
        torch.testing.assert_close(g(z), x)
        h = F.leaky_relu(F.linear(x.flatten(1), d.hidden.weight, d.hidden.bias), 0.2)
        torch.testing.assert_close(d(x), F.linear(h, d.out.weight, d.out.bias).squeeze(1))
    assert [parameter_count(network) for network in (g, d)] == [
        101 * 16 + 17 * 784,
        785 * 8 + 9,
    ]
