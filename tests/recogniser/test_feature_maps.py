from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from hwgen.charset import Charset
from hwgen.pixel_range import PixelRange
from hwgen.recogniser.feature_maps import FeatureMaps
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import LIGHT, RecogniserNetwork

SIGNED = PixelRange(paper=1.0, ink=-1.0)
CHARSET = Charset(tuple("天地玄"))


@pytest.fixture
def recogniser() -> Recogniser:
    torch.manual_seed(0)
    recipe = replace(LIGHT, widths=((4,), (6, 6), (8, 8), (10,)), hidden=12)
    return Recogniser(RecogniserNetwork(recipe, len(CHARSET)), recipe, CHARSET)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(40, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def scaled(maps: FeatureMaps, images: Tensor) -> list[Tensor]:
    found = zip(maps(images), maps.means, maps.rates, strict=True)
    return [(m - mean) * rate for m, mean, rate in found]


def test_one_image_and_one_class_give_finite_numbers(images: Tensor) -> None:
    recipe = replace(LIGHT, widths=((4,), (6,), (8,), (10,)), hidden=12)
    one = Recogniser(RecogniserNetwork(recipe, 1), recipe, Charset(("天",)))
    maps = FeatureMaps(one, SIGNED, images[:1], ["天", "地"])
    assert all(m.isfinite().all() for m in scaled(maps, images))
    assert maps.class_weights.isfinite().all()


def test_maps_are_those_after_each_stage_and_the_last_layers_input(
    recogniser: Recogniser, images: Tensor
) -> None:
    maps = FeatureMaps(recogniser, SIGNED, images, CHARSET.labels)
    assert maps.shapes == [(6, 8), (8, 4), (10, 4), (12, 1)]
    found = maps(images[:5])
    assert [tuple(m.shape) for m in found] == [(5, 6, 8, 8), (5, 8, 4, 4), (5, 10, 4, 4), (5, 12)]


def test_channels_are_standardised_over_the_images(recogniser: Recogniser, images: Tensor) -> None:
    for found in scaled(FeatureMaps(recogniser, SIGNED, images, CHARSET.labels), images):
        dims = [d for d in range(found.ndim) if d != 1]
        assert torch.allclose(found.mean(dims), torch.zeros(found.shape[1]), atol=1e-4)
        assert found.std(dims).amax() < 1.01  # channels that hardly vary stay below
        assert found.std(dims).median() > 0.5


def test_the_last_map_is_what_the_recogniser_reads(recogniser: Recogniser, images: Tensor) -> None:
    grey = ((images[:, 0] + 1) * 127.5).round().to(torch.uint8)
    exact = grey[:, None] / 127.5 - 1
    maps = FeatureMaps(recogniser, SIGNED, exact, CHARSET.labels)
    features = recogniser.features(grey.numpy())
    spread = features.std(axis=0) + 0.1 * features.std()
    expected = (features - features.mean(axis=0)) / spread
    assert np.allclose(scaled(maps, exact)[-1].numpy(), expected, atol=1e-3)


def test_gradients_reach_the_images_and_no_weights(recogniser: Recogniser, images: Tensor) -> None:
    maps = FeatureMaps(recogniser, SIGNED, images, CHARSET.labels)
    x = images[:2].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(sum(m.sum() for m in maps(x)), x, create_graph=True)
    assert gradient.abs().sum() > 0
    gradient.square().sum().backward()  # as R1 does
    assert all(p.grad is None for p in recogniser.network.parameters())


def test_class_weights_are_found_by_label(recogniser: Recogniser, images: Tensor) -> None:
    own = FeatureMaps(recogniser, SIGNED, images, CHARSET.labels).class_weights
    other = FeatureMaps(recogniser, SIGNED, images, ["玄", "黄", "天", "玄"]).class_weights
    assert torch.equal(other[0], own[2])
    assert torch.equal(other[2], own[0])
    assert torch.equal(other[3], own[2])
    assert not other[1].any()
    assert own.std().item() == pytest.approx(1, abs=0.2)
