import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import hwgen.compute.winograd as module
from hwgen.compute.winograd import LARGEST, Conv3x3, conv5x5_halving, winograd


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("side", [1, 3, 4, 5, 7, 8, 16])
@pytest.mark.parametrize("biased", [False, True])
def test_result_and_gradients_are_the_definitions(side: int, biased: bool) -> None:
    leaves = [normal(5, 6, side, side), normal(7, 6, 3, 3, seed=1) / 54**0.5]
    leaves += [normal(7, seed=2)] if biased else []
    weights = normal(5, 7, side, side, seed=3)
    results = []
    for way, dtype in ((winograd, torch.float32), (F.conv2d, torch.float64)):
        own = [leaf.detach().to(dtype).requires_grad_() for leaf in leaves]
        extra = {"padding": 1} if way is F.conv2d else {}
        y = way(*own, **extra)
        (y * weights).sum().backward()
        results.append([y, *(leaf.grad for leaf in own)])
    for found, true in zip(*results, strict=True):
        assert (found - true).abs().max() <= 1e-4 * true.abs().max()


@pytest.mark.parametrize("side", [2, 4, 14, 16])
def test_a_halving_convolution_is_tensorflows_same(side: int) -> None:
    leaves = [normal(3, 6, side, side), normal(7, 6, 5, 5, seed=1) / 150**0.5, normal(7, seed=2)]
    towards = normal(3, 7, side // 2, side // 2, seed=3)
    results = []
    for way, dtype in ((conv5x5_halving, torch.float32), (None, torch.float64)):
        x, weight, bias = own = [leaf.detach().to(dtype).requires_grad_() for leaf in leaves]
        # One row and column before, two after.
        y = way(*own) if way else F.conv2d(F.pad(x, (1, 2, 1, 2)), weight, bias, stride=2)
        (y * towards).sum().backward()
        results.append([y, *(leaf.grad for leaf in own)])
    for found, true in zip(*results, strict=True):
        assert (found - true).abs().max() <= 1e-4 * true.abs().max()


def test_any_memory_format_gives_channels_last() -> None:
    x, weight = normal(3, 4, 8, 8), normal(5, 4, 3, 3, seed=1)
    y = winograd(x, weight)
    again = winograd(x.to(memory_format=torch.channels_last), weight)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(y, again)


@pytest.mark.parametrize(
    ("side", "dtype", "taken"),
    [
        (LARGEST, torch.float32, True),
        (LARGEST + 1, torch.float32, False),
        (4, torch.float64, False),
    ],
)
def test_the_short_way_is_taken_where_it_pays(
    side: int, dtype: torch.dtype, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(module, "winograd", lambda *a: calls.append(1) or winograd(*a))
    layer = Conv3x3(2, 3).to(dtype)
    x = normal(2, 2, side, side).to(dtype)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight, padding=1), atol=1e-4, rtol=1e-4)
    assert bool(calls) == taken


def test_autocast_has_its_own_way() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert Conv3x3(2, 3)(normal(2, 2, 4, 4)).dtype == torch.bfloat16


def test_a_gpu_or_no_device_at_all_has_its_own_way() -> None:
    assert Conv3x3(2, 3).to("meta")(torch.empty(2, 2, 4, 4, device="meta")).shape == (2, 3, 4, 4)


def test_reading_first_does_not_spoil_learning_later() -> None:
    layer = Conv3x3(2, 3)
    for kept in (module._tilings, module._kernel_map):
        kept.cache_clear()
    with torch.inference_mode():
        layer(normal(2, 2, 6, 6))
    layer(normal(2, 2, 6, 6)).sum().backward()
    assert layer.weight.grad is not None
