import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.compute import winograd
from hwgen.generators.adversarial.layers import (
    ConditionalNorm,
    LabelledConv2d,
    LabelMap,
    PlainNorm,
    SameConv2d,
    SameConvTranspose2d,
    UpsampleConv2d,
    initialise,
    join,
    same_conv2d,
    same_padding,
    taps_inside,
)


def test_a_label_map_is_one_hot_times_matrix_plus_bias() -> None:
    torch.manual_seed(0)
    label_map = LabelMap(7, 5, sd=1.0).double()
    nn.init.normal_(label_map.bias)
    weight = label_map.weight.detach().clone().requires_grad_()
    bias = label_map.bias.detach().clone().requires_grad_()
    y = torch.tensor([3, 0, 3, 6])
    towards = torch.randn(4, 5, dtype=torch.float64)

    found = label_map(y)
    expected = F.one_hot(y, 7).double() @ weight + bias
    torch.testing.assert_close(found, expected)
    (found * towards).sum().backward()
    (expected * towards).sum().backward()
    torch.testing.assert_close(label_map.weight.grad, weight.grad)
    torch.testing.assert_close(label_map.bias.grad, bias.grad)


def test_a_label_map_starts_with_the_given_deviation() -> None:
    torch.manual_seed(0)
    label_map = LabelMap(100, 200, sd=0.1)
    assert label_map.weight.std().item() == pytest.approx(0.1, rel=0.02)
    assert not label_map.bias.any()


# (side, kernel, stride): TensorFlow: out = ceil(side / stride),
# total = max((out - 1) * stride + kernel - side, 0), before = total // 2, worked by hand.
@pytest.mark.parametrize(
    ("geometry", "padding"),
    [
        ((28, 5, 2), (1, 2)),
        ((14, 5, 2), (1, 2)),
        ((7, 5, 2), (2, 2)),
        ((28, 3, 2), (0, 1)),
        ((32, 4, 2), (1, 1)),
        ((4, 3, 1), (1, 1)),
        ((4, 4, 1), (1, 2)),
        ((9, 1, 3), (0, 0)),
    ],
)
def test_same_padding_is_tensorflows(
    geometry: tuple[int, int, int], padding: tuple[int, int]
) -> None:
    assert same_padding(*geometry) == padding


GEOMETRIES = [(8, 5, 2), (6, 3, 2), (6, 4, 2), (5, 3, 1), (4, 4, 1), (9, 5, 3), (4, 2, 2)]


def same_conv(side: int, kernel: int, stride: int) -> SameConv2d:
    torch.manual_seed(side + kernel + stride)
    return SameConv2d(2, 3, kernel, stride).double()


@pytest.mark.parametrize(("side", "kernel", "stride"), GEOMETRIES)
def test_same_conv_gives_ceil_of_side_over_stride(side: int, kernel: int, stride: int) -> None:
    conv = same_conv(side, kernel, stride)
    for actual in (side, side + 1):
        x = torch.randn(2, 2, actual, actual, dtype=torch.float64)
        before, after = same_padding(actual, kernel, stride)
        padded = F.pad(x, (before, after, before, after))
        torch.testing.assert_close(conv(x), F.conv2d(padded, conv.weight, conv.bias, stride))
        assert conv(x).shape[-1] == -(-actual // stride)


def test_taps_inside_are_those_that_do_not_fall_on_padding() -> None:
    ones = torch.ones(1, 1, 1, 14)
    before, after = same_padding(14, 5, 2)
    seen = F.pad(ones, (before, after)).unfold(3, 5, 2)[0, 0, 0].bool()
    assert taps_inside(14, 5, 2) == [tuple(row) for row in seen.tolist()]


@pytest.mark.parametrize(
    ("channels", "side", "kernel", "stride", "shorter"),
    [
        (winograd.MANY, 14, 5, 2, True),
        (winograd.MANY - 1, 14, 5, 2, False),
        (winograd.MANY, 7, 5, 2, False),
        (winograd.MANY, 18, 5, 2, False),
        (winograd.MANY, 14, 4, 2, False),
        (winograd.MANY, 8, 5, 1, False),
        (winograd.MANY, 4, 3, 1, True),
        (winograd.MANY - 1, 4, 3, 1, False),
        (winograd.MANY, 9, 3, 1, False),
        (winograd.MANY, 8, 3, 2, False),
    ],
)
def test_the_shorter_way_is_taken_where_it_pays(
    monkeypatch: pytest.MonkeyPatch,
    channels: int,
    side: int,
    kernel: int,
    stride: int,
    shorter: bool,
) -> None:
    taken = []
    way = winograd.winograd  # also that of conv5x5_halving
    monkeypatch.setattr(winograd, "winograd", lambda *a: taken.append(1) or way(*a))
    torch.manual_seed(0)
    x, weight = torch.randn(2, channels, side, side), torch.randn(3, channels, kernel, kernel)
    before, after = same_padding(side, kernel, stride)
    expected = F.conv2d(F.pad(x, (before, after, before, after)), weight, stride=stride)
    found = same_conv2d(x, weight, None, stride)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    assert bool(taken) == shorter


@pytest.mark.parametrize("side", [4, 8])
def test_gradients_and_their_gradients_are_those_of_the_plain_convolution(side: int) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, winograd.MANY, side, side), torch.randn(8, winograd.MANY, 3, 3) / 32
    bias = torch.randn(8)
    found = []
    for conv in (same_conv2d, F.conv2d):
        inputs = [tensor.clone().requires_grad_() for tensor in (x, weight, bias)]
        y = conv(*inputs, 1) if conv is same_conv2d else F.conv2d(*inputs, padding=1)
        first = torch.autograd.grad(y.square().sum(), inputs, create_graph=True)
        # As in the R1 penalty: a function of the gradient with respect to the images.
        second = torch.autograd.grad(first[0].square().sum(), inputs)
        found.append((y, *first, *second))
    for fast, plain in zip(*found, strict=True):
        scale = plain.abs().max().item()
        torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-4 * scale)


@pytest.mark.parametrize("side", [1, 2, 3, 6, 7, 14])
@pytest.mark.parametrize(("kernel", "stride"), [(5, 2), (3, 1), (4, 2), (4, 3), (1, 1)])
def test_a_labelled_convolution_equals_concatenation(side: int, kernel: int, stride: int) -> None:
    torch.manual_seed(side)
    conv = LabelledConv2d(3, 2, 4, kernel, stride, side).double()
    nn.init.normal_(conv.bias)
    plain = [p.detach().clone().requires_grad_() for p in (conv.weight, conv.bias)]
    inputs = [torch.randn(2, 3, side, side), torch.randn(2, 2)]
    ours = [t.double().requires_grad_() for t in inputs]
    theirs = [t.double().requires_grad_() for t in inputs]

    found = conv(*ours)
    tiled = theirs[1][:, :, None, None].expand(-1, -1, side, side)
    expected = same_conv2d(torch.cat([theirs[0], tiled], dim=1), *plain, stride)
    torch.testing.assert_close(found, expected)
    towards = torch.randn_like(found)
    (found * towards).sum().backward()
    (expected * towards).sum().backward()
    for mine, other in zip([*ours, conv.weight, conv.bias], [*theirs, *plain], strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


@pytest.mark.parametrize(("side", "kernel", "stride"), GEOMETRIES)
def test_same_conv_transpose_is_the_adjoint(side: int, kernel: int, stride: int) -> None:
    conv = same_conv(side, kernel, stride)
    transpose = SameConvTranspose2d(3, 2, kernel, stride).double()
    with torch.no_grad():
        conv.bias.zero_()
        transpose.bias.zero_()
        transpose.weight.copy_(conv.weight)
    x = torch.randn(2, 2, side, side, dtype=torch.float64)
    y = torch.randn(2, 3, side // stride, side // stride, dtype=torch.float64)
    assert transpose(y).shape == x.shape
    torch.testing.assert_close((conv(x) * y).sum(), (x * transpose(y)).sum())


@pytest.mark.parametrize(("kernel", "padding"), [(5, 1), (3, 0)])
def test_same_conv_transpose_is_padding_and_a_dropped_border(kernel: int, padding: int) -> None:
    transpose = SameConvTranspose2d(3, 2, kernel, 2)
    x = torch.randn(2, 3, 7, 7)
    full = F.conv_transpose2d(x, transpose.weight, transpose.bias, 2, padding)
    torch.testing.assert_close(transpose(x), full[..., :14, :14])
    assert full.shape[-1] == 15


def two_steps(layer: UpsampleConv2d, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    enlarged = x.repeat_interleave(layer.factor, 2).repeat_interleave(layer.factor, 3)
    before, after = same_padding(enlarged.shape[-1], weight.shape[-1], 1)
    return F.conv2d(F.pad(enlarged, (before, after, before, after)), weight, bias)


@pytest.mark.parametrize(("kernel", "factor"), [(3, 2), (3, 1), (5, 2), (3, 3), (4, 2)])
def test_upsampling_equals_its_two_step_form(kernel: int, factor: int) -> None:
    torch.manual_seed(0)
    layer = UpsampleConv2d(2, 3, kernel, factor).double()
    weight = layer.weight.detach().clone().requires_grad_()
    bias = layer.bias.detach().clone().requires_grad_()
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    x_too = x.detach().clone().requires_grad_()

    found, expected = layer(x), two_steps(layer, x_too, weight, bias)
    torch.testing.assert_close(found, expected)
    towards = torch.randn_like(found)
    (found * towards).sum().backward()
    (expected * towards).sum().backward()
    torch.testing.assert_close(x.grad, x_too.grad)
    torch.testing.assert_close(layer.weight.grad, weight.grad)
    torch.testing.assert_close(layer.bias.grad, bias.grad)
    assert set(layer.state_dict()) == {"weight", "bias"}


def test_conditional_norm_is_a_gain_and_a_bias_on_normalised_maps() -> None:
    torch.manual_seed(0)
    norm = ConditionalNorm(3, 4)
    x, condition = torch.randn(6, 3, 2, 2), torch.randn(6, 4)
    mean = x.mean(dim=(0, 2, 3), keepdim=True)
    variance = x.var(dim=(0, 2, 3), keepdim=True, unbiased=False)
    normal = (x - mean) / (variance + 1e-5).sqrt()
    linear = condition @ norm.gain_and_bias.weight.T + norm.gain_and_bias.bias
    gain, bias = linear[:, :3, None, None], linear[:, 3:, None, None]
    torch.testing.assert_close(norm(x, condition), normal * (1 + gain) + bias)

    nn.init.normal_(norm.norm.running_mean)
    nn.init.uniform_(norm.norm.running_var, 0.5, 2)
    norm.eval()
    torch.testing.assert_close(norm(x, condition), norm.norm(x) * (1 + gain) + bias)


def test_plain_norm_ignores_the_condition() -> None:
    x = torch.randn(3, 2)
    norm = PlainNorm(nn.Identity())
    assert torch.equal(norm(x, torch.randn(3, 9)), x)


def test_join_appends_labels() -> None:
    label = torch.tensor([[1.0, 2.0]])
    places = join(torch.zeros(1, 1, 2, 3), label)
    assert places.shape == (1, 3, 2, 3)
    assert (places[0, 2] == 2).all()
    assert join(torch.zeros(1, 3), None).shape == (1, 3)
    assert join(torch.zeros(1, 1), label).tolist() == [[0, 1, 2]]
    assert join(torch.zeros(1, 1, dtype=torch.bfloat16), label).dtype == torch.bfloat16


class Everything(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = SameConv2d(30, 60, 5, 2)
        self.deconv = SameConvTranspose2d(30, 60, 5, 2)
        self.linear = nn.Linear(200, 200)
        self.no_bias = nn.Linear(200, 200, bias=False)
        self.label_map = LabelMap(100, 100, sd=0.5)
        self.norm = ConditionalNorm(50, 50)


def test_normal_start_is_the_authors() -> None:
    torch.manual_seed(0)
    net = Everything()
    initialise(net, "normal", 0.2)
    for layer in (net.deconv, net.linear, net.no_bias):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.03)
    # A normal of sd s truncated at two sd has a deviation of 0.8796 s.
    assert net.conv.weight.std().item() == pytest.approx(0.02 * 0.8796, rel=0.03)
    assert net.conv.weight.abs().max() <= 0.04
    assert net.deconv.weight.abs().max() > 0.06
    for layer in (net.conv, net.deconv, net.linear):
        assert not layer.bias.any()
    assert net.label_map.weight.std().item() == pytest.approx(0.5, rel=0.03)


def test_he_start_depends_on_fan_in_and_slope() -> None:
    torch.manual_seed(0)
    net = Everything()
    initialise(net, "he", 0.2)
    sd = np.sqrt(2 / (1 + 0.2**2) / (30 * 25))
    assert net.conv.weight.std().item() == pytest.approx(sd, rel=0.03)
    assert net.norm.gain_and_bias.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert net.label_map.weight.std().item() == pytest.approx(0.5, rel=0.03)
