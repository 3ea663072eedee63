"""The module `Augmentation`: amounts, types, seeds, copies and refusals."""

import copy
import inspect
import pickle
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hwgen.data import StoreDataset
from hwgen.errors import InputError
from hwgen.pixel_range import PixelRange
from hwgen.recogniser.augmentation import Augmentation
from hwgen.recogniser.network import AugmentationSpec
from hwgen.store import Store
from tests.recogniser.stroke_images import INK, strokes


def test_the_module_is_the_function_with_the_same_amounts() -> None:
    module = Augmentation(rotate=20, noise=0.1, pixels=INK, seed=3)
    x = strokes(4)
    moved = module(x)
    torch.manual_seed(9)  # has no influence
    module.calls = 0
    assert torch.equal(module(x), moved)
    assert not torch.equal(module(x), moved)  # the next call has other distortions
    assert module.amounts == AugmentationSpec(rotate=20, noise=0.1)
    assert (moved.shape, moved.dtype, moved.min() >= 0) == (x.shape, x.dtype, True)


def test_the_module_has_the_amounts_of_a_recipe() -> None:
    taken = inspect.signature(Augmentation).parameters
    defaults = {name: taken[name].default for name in asdict(AugmentationSpec())}
    assert defaults == asdict(AugmentationSpec())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float64])
def test_type_and_shape_stay_and_paper_comes_from_outside(dtype: torch.dtype) -> None:
    paper = 255 if dtype == torch.uint8 else 1
    x = torch.full((2, 3, 16, 16), paper, dtype=dtype)
    moved = Augmentation(rotate=45, translate=0.3, seed=0)(x)
    assert (moved.dtype, moved.shape) == (x.dtype, x.shape)
    assert (moved.double() - paper).abs().max() < 1e-2 * paper
    one = Augmentation(seed=0)(x[0])
    assert (one.shape, one.dtype) == (x[0].shape, dtype)


def test_grey_levels_and_floats_are_distorted_alike() -> None:
    x = 1 - strokes(3)
    grey = (x * 255).round().to(torch.uint8)
    moved, floats = Augmentation(seed=5)(grey), Augmentation(seed=5)(grey / 255)
    assert (moved.float() / 255 - floats).abs().max() <= 0.51 / 255


def test_evaluation_changes_nothing() -> None:
    module, x = Augmentation(seed=0).eval(), strokes()
    assert module(x) is x
    assert module.calls == 0
    assert torch.nn.Sequential(Augmentation(), torch.nn.Flatten()).eval()(x).shape == (1, 576)


def test_without_a_seed_random_numbers_are_torch_s() -> None:
    module, x = Augmentation(), 1 - strokes(2)
    torch.manual_seed(1)
    first, second = module(x), module(x)
    torch.manual_seed(1)
    assert torch.equal(module(x), first)
    assert not torch.equal(second, first)


def test_a_module_is_copied_and_pickled_with_its_place_in_the_stream() -> None:
    module, x = Augmentation(seed=7), 1 - strokes(2)
    module(x)
    others = copy.deepcopy(module), pickle.loads(pickle.dumps(module))
    expected = module(x)
    assert all(torch.equal(other(x), expected) for other in others)
    assert not module.state_dict()
    assert repr(Augmentation(scale=0, seed=7)) == (
        "Augmentation(rotate=6, shear=0.12, translate=0.05, elastic=0.02, elastic_grid=5, "
        "pixels=(paper=1, ink=0), seed=7)"
    )


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_and_epochs_differ_and_repeat(toy_store: Store) -> None:
    def epochs() -> list[Tensor]:
        module = Augmentation(seed=7)
        dataset = StoreDataset(toy_store, module, pixels=PixelRange(1.0, 0.0))
        same = torch.utils.data.Subset(dataset, [4, 4])
        torch.manual_seed(0)
        loader = torch.utils.data.DataLoader(
            same, batch_size=1, num_workers=2, multiprocessing_context="fork"
        )
        return [x for _ in range(2) for x, _ in loader]

    images = epochs()
    assert len({x.numpy().tobytes() for x in images}) == 4
    assert all(torch.equal(a, b) for a, b in zip(images, epochs(), strict=True))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 1, 8, 8)), "expected a tensor, found ndarray"),
        (torch.zeros(8, 8), r"shape \[8, 8\]"),
        (torch.zeros(2, 1, 8, 9), r"square images.*\[2, 1, 8, 9\].*Pad or resize"),
        (torch.zeros(2, 8, 8, dtype=torch.int64), r"floats or uint8, found torch.int64"),
    ],
)
def test_what_cannot_be_augmented_is_refused(x: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Augmentation()(x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rotate": -1}, "rotate should be 0 or more, found -1"),
        ({"elastic_grid": 1}, "elastic_grid should be 2 or more"),
        ({"blur": float("nan")}, r"augmentation\.blur should be a finite number"),
        ({"seed": -1}, "seed"),
    ],
)
def test_amounts_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Augmentation(**options)


def test_no_images_stay_none() -> None:
    assert Augmentation()(torch.zeros(0, 1, 8, 8)).shape == (0, 1, 8, 8)
