from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.compute import winograd
from hwgen.generators.refiner.network import RefinerNet, UpConv2d, _Block
from hwgen.generators.refiner.recipe import PRESETS, RefinerSpec

SIZE = 16
SPEC = RefinerSpec(widths=(4, 6), z_dim=5)


def net_of(spec: RefinerSpec, size: int = SIZE) -> RefinerNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return RefinerNet(spec, size).eval()


@pytest.fixture
def x() -> Tensor:
    """Images with ink in the middle: 1 is paper, -1 ink."""
    images = torch.ones(6, 1, SIZE, SIZE)
    for number, image in enumerate(images):
        image[0, 4 + number : 6 + number, 3:13] = -1
        image[0, 3:13, 7] = -0.4
    return images


@pytest.fixture
def z() -> Tensor:
    return torch.randn(6, SPEC.z_dim, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_it_starts_as_almost_the_identity(x: Tensor, z: Tensor) -> None:
    refined = net_of(SPEC)(x, z)
    assert refined.shape == x.shape
    assert (refined - torch.tanh(1.5 * x)).abs().mean() < 0.03
    assert refined.min() < -0.8 < 0.8 < refined.max()


@torch.no_grad()
def test_without_flow_and_ink_it_is_the_identity(x: Tensor, z: Tensor) -> None:
    torch.testing.assert_close(net_of(replace(SPEC, flow=0.0, ink=False))(x, z), x)


@torch.no_grad()
def test_without_ink_the_darkness_is_that_of_the_bent_image(x: Tensor, z: Tensor) -> None:
    net = net_of(replace(SPEC, ink=False))
    net.flow.bias[:] = torch.tensor([3.0, 0.0])  # all of it moves
    bent = net(x, z)
    assert bent.min() >= -1
    assert bent.max() <= 1
    shift = 0.3 * torch.tanh(torch.tensor(3.0)) * SIZE / 2
    columns = torch.arange(SIZE)

    def middle(images: Tensor) -> Tensor:
        ink = (1 - images).sum(dim=(1, 2))
        return (ink * columns).sum(dim=1) / ink.sum(dim=1)

    torch.testing.assert_close(middle(x) - middle(bent), shift.expand(6), atol=0.3, rtol=0)


@torch.no_grad()
def test_no_pixel_moves_further_than_the_flow_allows(z: Tensor) -> None:
    net = net_of(replace(SPEC, flow=0.25, ink=False))
    net.flow.bias[:] = 100.0
    dot = torch.ones(6, 1, SIZE, SIZE)
    dot[:, :, 8, 8] = -1
    ink = (1 - net(dot, z)).flatten(1)
    places = ink.argmax(dim=1)
    assert set(places.tolist()) == {6 * SIZE + 6}  # 0.25 of half the size is 2 pixels


@torch.no_grad()
def test_z_changes_the_image_and_other_images_of_the_batch_do_not(x: Tensor, z: Tensor) -> None:
    net = net_of(SPEC)
    for block in (part for part in net.modules() if hasattr(part, "modulation")):
        block.modulation.weight.mul_(20)  # as after training
    net.ink.weight.mul_(20)
    together = net(x, z)
    for number in range(6):
        alone = net(x[number : number + 1], z[number : number + 1])
        torch.testing.assert_close(alone[0], together[number], atol=1e-5, rtol=0)
    others = net(x, z.roll(1, dims=0))
    assert (others - together).abs().mean(dim=(1, 2, 3)).min() > 0.01


@torch.no_grad()
def test_a_level_up_is_a_convolution_of_the_doubled_map_and_the_other() -> None:
    conv = UpConv2d(5, 3)
    coarse, fine = torch.randn(2, 5, 4, 4), torch.randn(2, 3, 8, 8)
    both = torch.cat([F.interpolate(coarse, scale_factor=2.0), fine], dim=1)
    torch.testing.assert_close(conv((coarse, fine)), F.conv2d(both, conv.weight, conv.bias, 1, 1))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_kernel_and_gradient_of_a_level_up_are_those_of_the_convolution(
    layout: torch.memory_format,
) -> None:
    conv = UpConv2d(5, 3).to(memory_format=layout)
    coarse = torch.randn(2, 5, 4, 4).contiguous(memory_format=layout)
    fine, weights = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    both = torch.cat([F.interpolate(coarse, scale_factor=2.0), fine], dim=1)
    plain = F.conv2d(both, conv.weight, conv.bias, padding=1)
    found, expected = (
        torch.autograd.grad((y * weights).sum(), conv.weight)[0]
        for y in (conv((coarse, fine)), plain)
    )
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_refined_images_are_those_of_plain_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = PRESETS["refiner-32"]
    net = net_of(recipe.generator, recipe.size)
    x = torch.rand(3, 1, recipe.size, recipe.size) * 2 - 1
    z = torch.randn(3, recipe.generator.z_dim)
    found = net(x, z)
    monkeypatch.setattr(winograd, "pays", lambda x, size: False)
    torch.testing.assert_close(found, net(x, z), atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize(("widths", "size"), [((4, 6), 16), ((4, 6, 8), 32), ((2, 4, 6, 8), 64)])
def test_the_field_is_a_bicubic_interpolation(widths: tuple[int, ...], size: int) -> None:
    net = net_of(replace(SPEC, widths=widths), size)
    h = torch.randn(2, widths[-2], 8, 8)
    flow = torch.tanh(net.flow(h)) * SPEC.flow
    expected = F.interpolate(flow, size=(size, size), mode="bicubic", align_corners=False)
    found = net._sampling_grid(h) - net.grid
    torch.testing.assert_close(found, expected.permute(0, 2, 3, 1), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_running_statistics_are_those_of_batch_norm() -> None:
    block = _Block(nn.Conv2d(2, 3, 3, padding=1))
    x, style = torch.randn(4, 2, 8, 8), torch.randn(4, 64)
    block.norm.running_mean.normal_()
    block.norm.running_var.uniform_(0.5, 2)
    block.eval()
    found = block(x, style)
    gain, bias = block.modulation(style)[:, :, None, None].chunk(2, dim=1)
    expected = F.relu(block.norm(block.conv(x)) * (1 + gain) + bias)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_build_and_every_weight_gets_a_gradient(name: str) -> None:
    recipe = PRESETS[name]
    net = net_of(recipe.generator, recipe.size).train()
    x = torch.rand(4, 1, recipe.size, recipe.size) * 2 - 1
    net(x, torch.randn(4, recipe.generator.z_dim)).square().sum().backward()
    for label, parameter in net.named_parameters():
        assert parameter.grad is not None, label


def test_a_block_in_training_equals_its_formula_bit_for_bit() -> None:
    torch.manual_seed(0)
    block = _Block(nn.Conv2d(3, 8, 3, padding=1))
    x, style = torch.randn(4, 3, 8, 8), torch.randn(4, 64)
    found = []
    for plain in (False, True):
        block.zero_grad()
        if plain:
            gain, bias = block.modulation(style)[:, :, None, None].chunk(2, dim=1)
            y = F.relu(block.norm(block.conv(x)) * (1 + gain) + bias)
        else:
            y = block(x, style)
        y.square().sum().backward()
        found.append([y, *(p.grad for p in block.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
