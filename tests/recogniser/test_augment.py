import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as TF
from torch import Tensor

from hwgen.recogniser.augment import affine_matrices, augment, displacements
from hwgen.recogniser.network import Augmentation

NONE = Augmentation(rotate=0, shear=0, scale=0, translate=0, elastic=0)
EACH = [
    replace(NONE, rotate=20),
    replace(NONE, shear=0.3),
    replace(NONE, scale=0.3),
    replace(NONE, translate=0.2),
    replace(NONE, elastic=0.05),
]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture(count: int = 1, side: int = 24) -> Tensor:
    x = torch.zeros(count, 1, side, side)
    x[:, :, 6:18, 9:12] = 1
    x[:, :, 6:9, 9:18] = 0.5
    return x


@pytest.mark.parametrize("paper", [0.0, 1.0])
def test_zero_strength_is_the_identity(paper: float):
    x = torch.rand(3, 2, 16, 16, generator=rng())
    torch.testing.assert_close(augment(x, NONE, paper=paper, generator=rng()), x)


@pytest.mark.parametrize("amounts", EACH, ids=["rotate", "shear", "scale", "translate", "elastic"])
def test_each_amount_changes_each_picture_in_its_own_way(amounts: Augmentation):
    moved = augment(picture(3), amounts, paper=0.0, generator=rng())
    assert moved.shape == (3, 1, 24, 24)
    for i, other in ((0, 1), (1, 2), (0, 2)):
        assert (moved[i] - moved[other]).abs().max() > 0.05


def test_the_seed_decides():
    amounts = Augmentation()
    first, again, other = (
        augment(picture(), amounts, paper=0.0, generator=rng(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_torch_global_state_is_not_touched():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    augment(picture(), Augmentation(), paper=0.0, generator=rng())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("paper", [1.0, -1.0, 0.0])
def test_what_comes_in_from_outside_is_paper(paper: float):
    blank = torch.full((2, 1, 16, 16), paper)
    amounts = Augmentation(rotate=30, scale=0.5, translate=0.4, elastic=0.1)
    torch.testing.assert_close(augment(blank, amounts, paper=paper, generator=rng()), blank)


def test_rotation_is_torchvisions():
    amounts = replace(NONE, rotate=40)
    angle = math.degrees(math.asin(-float(affine_matrices(1, amounts, rng(2))[0, 0, 1])))
    assert abs(angle) > 5
    moved = augment(picture(), amounts, paper=0.0, generator=rng(2))
    bilinear = TF.InterpolationMode.BILINEAR
    expected = TF.rotate(picture(), angle, interpolation=bilinear)
    torch.testing.assert_close(moved, expected, atol=1e-4, rtol=0)


def test_translation_moves_by_a_share_of_the_side():
    amounts = replace(NONE, translate=0.25)
    shift = affine_matrices(1, amounts, rng(1))[0, :, 2].numpy() * 24 / 2
    assert np.abs(shift).max() <= 6
    assert np.abs(shift).min() > 0.5
    x = picture()
    moved = augment(x, amounts, paper=0.0, generator=rng(1))[0, 0].numpy()
    # The centre of mass moves by minus the shift of the sampling places.
    assert centre(moved) == pytest.approx(centre(x[0, 0].numpy()) - shift, abs=1e-3)


def centre(image: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(columns * image).sum(), (rows * image).sum()]) / image.sum()


def test_matrices_stay_within_their_amounts():
    scales = affine_matrices(500, replace(NONE, scale=0.2), rng())[:, [0, 1], [0, 1]]
    assert 0.8 <= scales.min() < 0.82
    assert 1.18 < scales.max() <= 1.2
    shears = affine_matrices(500, replace(NONE, shear=0.3), rng())[:, 0, 1]
    assert 0.28 < shears.abs().max() <= 0.3


def test_elastic_displacement_hits_its_control_points_and_is_smooth_between():
    amounts = replace(NONE, elastic=0.04, elastic_grid=4)
    field = displacements(400, 31, amounts, rng())
    assert field.shape == (400, 31, 31, 2)
    # A side of 31 has the 4 x 4 control points at multiples of 10; 0.04 of a side is 0.08 here.
    assert field[:, ::10, ::10].std().item() == pytest.approx(0.08, rel=0.03)
    steps = field.diff(dim=1).abs().max()
    assert steps < 0.08


def test_elastic_field_against_numpys_bilinear_lookup():
    amounts = replace(NONE, elastic=0.03)
    x = picture()
    moved = augment(x, amounts, paper=0.0, generator=rng(4))[0, 0].numpy()
    generator = rng(4)
    affine_matrices(1, amounts, generator)
    field = displacements(1, 24, amounts, generator)[0].numpy() * 24 / 2
    padded = np.pad(x[0, 0].numpy(), 4)
    expected = np.empty((24, 24))
    for row in range(24):
        for column in range(24):
            across, down = column + field[row, column, 0] + 4, row + field[row, column, 1] + 4
            c, r = int(across), int(down)
            a, d = across - c, down - r
            expected[row, column] = (
                padded[r, c] * (1 - a) * (1 - d)
                + padded[r, c + 1] * a * (1 - d)
                + padded[r + 1, c] * (1 - a) * d
                + padded[r + 1, c + 1] * a * d
            )
    np.testing.assert_allclose(moved, expected, atol=1e-4)
