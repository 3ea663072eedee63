import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as TF
from torch import Tensor
from torchvision.transforms import InterpolationMode

from hwgen.pixel_range import PixelRange
from hwgen.recogniser.augmentation import (
    affine_matrices,
    augment,
    change_stroke_width,
    fields,
    gaussian,
)
from hwgen.recogniser.network import (
    AugmentationSpec,
    RecogniserRecipe,
    recipe_from_json,
    recipe_to_json,
)
from tests.recogniser.stroke_images import INK, strokes

BILINEAR = InterpolationMode.BILINEAR

NONE = AugmentationSpec(rotate=0, shear=0, scale=0, translate=0, elastic=0)
EACH = [
    replace(NONE, rotate=20),
    replace(NONE, shear=0.3),
    replace(NONE, scale=0.3),
    replace(NONE, translate=0.2),
    replace(NONE, elastic=0.05),
    replace(NONE, stroke_width=0.1),
    replace(NONE, blur=0.2),
    replace(NONE, ink=0.9),
    replace(NONE, noise=0.1),
]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("pixels", [INK, PixelRange(1.0, 0.0), PixelRange(1.0, -1.0)])
def test_zero_augmentation_is_the_identity(pixels: PixelRange):
    x = torch.rand(3, 2, 16, 16, generator=rng())
    moved = augment(x, NONE, pixels=pixels, generator=rng())
    torch.testing.assert_close(moved, x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("pixels", [PixelRange(1.0, 0.0), PixelRange(1.0, -1.0)])
def test_the_range_does_not_matter(pixels: PixelRange):
    amounts, x = AugmentationSpec(stroke_width=0.1), strokes(3)
    expected = augment(x, amounts, pixels=INK, generator=rng())
    there = pixels.paper + x * (pixels.ink - pixels.paper)
    moved = augment(there, amounts, pixels=pixels, generator=rng())
    back = (moved - pixels.paper) / (pixels.ink - pixels.paper)
    torch.testing.assert_close(back, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "amounts",
    EACH,
    ids=["rotate", "shear", "scale", "translate", "elastic", "stroke", "blur", "ink", "noise"],
)
def test_each_distortion_differs_between_images(amounts: AugmentationSpec):
    moved = augment(strokes(3), amounts, pixels=INK, generator=rng())
    assert moved.shape == (3, 1, 24, 24)
    for i, other in ((0, 1), (1, 2), (0, 2)):
        assert (moved[i] - moved[other]).abs().max() > 0.05


def test_the_seed_determines_the_result():
    amounts = AugmentationSpec()
    first, again, other = (
        augment(strokes(), amounts, pixels=INK, generator=rng(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_torch_global_state_is_not_touched():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    augment(strokes(), AugmentationSpec(), pixels=INK, generator=rng())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("paper", [1.0, -1.0, 0.0])
def test_pixels_from_outside_are_paper(paper: float):
    blank, pixels = torch.full((2, 1, 16, 16), paper), PixelRange(paper, 0.5)
    amounts = AugmentationSpec(rotate=30, scale=0.5, translate=0.4, elastic=0.1, stroke_width=0.1)
    torch.testing.assert_close(augment(blank, amounts, pixels=pixels, generator=rng()), blank)


@pytest.mark.parametrize(
    ("amounts", "side"),
    [(AugmentationSpec(), 28), (AugmentationSpec(30, 0.5, 0.4, 0.3, 0.1, 3), 17)],
)
def test_fields_are_affine_grids_plus_bicubic_displacements(amounts: AugmentationSpec, side: int):
    found = fields(6, side, amounts, rng(3))
    generator = rng(3)
    matrices = affine_matrices(6, amounts, generator)
    points = amounts.elastic_grid
    coarse = torch.randn(6, 2, points, points, generator=generator) * (2 * amounts.elastic)
    grid = F.affine_grid(matrices, [6, 1, side, side], align_corners=False)
    bent = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)
    torch.testing.assert_close(found, grid + bent.permute(0, 2, 3, 1), atol=1e-5, rtol=0)


def test_matrices_are_rotation_slant_and_scales_in_that_order():
    amounts = AugmentationSpec(rotate=40, shear=0.5, scale=0.3, translate=0.2)
    generator = rng(7)
    found = affine_matrices(50, amounts, rng(7)).double().numpy()
    draws = [torch.rand(*shape, generator=generator) for shape in ((50,), (50,), (50, 2), (50, 2))]
    angle, shear, scales, shift = (draw.double().numpy() * 2 - 1 for draw in draws)
    for i in range(50):
        a = math.radians(40) * angle[i]
        rotation = [[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]]
        linear = rotation @ np.array([[1, 0.5 * shear[i]], [0, 1]]) @ np.diag(1 + 0.3 * scales[i])
        expected = np.column_stack([linear, 0.4 * shift[i]])
        np.testing.assert_allclose(found[i], expected, atol=1e-6)


def test_rotation_and_translation_are_torchvisions_affine():
    amounts = replace(NONE, rotate=40, translate=0.2)
    (cos, minus_sin, right), (_, _, down) = affine_matrices(1, amounts, rng(2))[0].tolist()
    assert abs(minus_sin) > 0.1
    assert math.hypot(right, down) > 0.1
    # torchvision turns the other way and moves afterwards, in pixels, the image, not the positions.
    sin = -minus_sin
    x, y = -12 * (cos * right + sin * down), -12 * (cos * down - sin * right)
    angle = math.degrees(math.atan2(-sin, cos))
    moved = augment(strokes(), amounts, pixels=INK, generator=rng(2))
    expected = TF.affine(strokes(), angle, [x, y], 1.0, [0.0, 0.0], interpolation=BILINEAR)
    torch.testing.assert_close(moved, expected, atol=1e-4, rtol=0)


def test_elastic_is_torchvisions_with_the_same_displacement():
    amounts = replace(NONE, elastic=0.05)
    moved = augment(strokes(), amounts, pixels=INK, generator=rng(2))
    still = F.affine_grid(torch.eye(2, 3)[None], [1, 1, 24, 24], align_corners=False)
    displacement = fields(1, 24, amounts, rng(2)) - still
    assert displacement.abs().max() > 0.05
    expected = TF.elastic(strokes(), displacement, interpolation=BILINEAR)
    torch.testing.assert_close(moved, expected, atol=1e-4, rtol=0)


def test_translation_is_relative_to_the_size():
    amounts = replace(NONE, translate=0.25)
    shift = affine_matrices(1, amounts, rng(1))[0, :, 2].numpy() * 24 / 2
    assert np.abs(shift).max() <= 6
    assert np.abs(shift).min() > 0.5
    x = strokes()
    moved = augment(x, amounts, pixels=INK, generator=rng(1))[0, 0].numpy()
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
    still = F.affine_grid(torch.eye(2, 3)[None], [1, 1, 31, 31], align_corners=False)
    field = fields(400, 31, amounts, rng()) - still
    assert field.shape == (400, 31, 31, 2)
    # A side of 31 has the 4 x 4 control points at multiples of 10; 0.04 of a side is 0.08 here.
    assert field[:, ::10, ::10].std().item() == pytest.approx(0.08, rel=0.03)
    steps = field.diff(dim=1).abs().max()
    assert steps < 0.08


def test_elastic_field_against_numpys_bilinear_lookup():
    amounts = replace(NONE, elastic=0.03)
    x = strokes()
    moved = augment(x, amounts, pixels=INK, generator=rng(4))[0, 0].numpy()
    still = F.affine_grid(torch.eye(2, 3)[None], [1, 1, 24, 24], align_corners=False)
    field = (fields(1, 24, amounts, rng(4)) - still)[0].numpy() * 24 / 2
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


def bar(width: int, side: int = 16) -> Tensor:
    """A vertical bar."""
    x = torch.zeros(1, 1, side, side)
    x[..., 5 : 5 + width] = 1
    return x


def stroke(ink: Tensor, *widths: float) -> Tensor:
    return change_stroke_width(ink, torch.tensor(widths), most=max(map(abs, widths)))


@pytest.mark.parametrize("change", [-2.0, -1.3, -0.4, 0.0, 0.4, 1.0, 1.7])
def test_the_width_of_a_bar_changes_by_the_given_pixels(change: float):
    row = stroke(bar(5), change)[0, 0, 8]
    assert float(row.sum()) == pytest.approx(5 + change, abs=1e-5)
    assert 0 <= row.min() <= row.max() <= 1


@pytest.mark.parametrize(("ink", "change"), [(bar(1), -1.0), (1 - bar(1), 1.0)])
def test_one_pixel_wide_strokes_and_gaps_stay(ink: Tensor, change: float):
    assert torch.equal(stroke(ink, change), ink)
    assert torch.equal(stroke(ink, 3 * change), ink)


def test_a_thick_stroke_is_thinned_to_one_pixel_and_no_further():
    assert float(stroke(bar(3), -6.0)[0, 0, 8].sum()) == 1


def test_a_thin_stroke_stays_joined_to_the_thick_one():
    ink = bar(3)
    ink[..., 7, 8:] = 1  # a line to the right of the bar, one pixel wide
    thin = stroke(ink, -1.0)[0, 0]
    assert thin[7, 5:].min() == 1
    assert thin[3].sum() == 2


def test_every_image_has_its_own_change():
    both = stroke(torch.cat([bar(4), bar(4), bar(4)]), 1.0, -0.5, 0.0)
    assert both.sum(dim=(1, 2, 3)).tolist() == [5 * 16, 3.5 * 16, 4 * 16]


def test_wider_ink_is_narrower_paper():
    ink = torch.rand(4, 2, 12, 12, generator=rng())
    widths = torch.tensor([0.3, -0.7, 1.6, -2.0])
    wider = change_stroke_width(ink, widths, most=2)
    narrower = 1 - change_stroke_width(1 - ink, -widths, most=2)
    torch.testing.assert_close(wider, narrower)
    assert (wider[0] >= ink[0] - 1e-6).all()
    assert (wider[1] <= ink[1] + 1e-6).all()
    assert wider.min() >= 0
    assert wider.max() <= 1 + 1e-6


@pytest.mark.parametrize("change", [-0.6, -1.0, -2.5])
def test_stroke_width_against_numpy_by_the_definition(change: float):
    ink = torch.rand(1, 1, 9, 9, generator=rng(5)) ** 2
    expected = ink[0, 0].double().numpy()
    for step in range(math.ceil(-change)):
        forward = step % 2 == 0
        share = min(1.0, -change - step)
        eroded = window(expected, forward, np.min)
        opened = window(eroded, not forward, np.max)
        near_thin = window(expected - opened, forward, np.max)
        expected = expected - share * np.maximum(opened - eroded - near_thin, 0)
    np.testing.assert_allclose(stroke(ink, change)[0, 0], expected, atol=1e-6)


def window(image: np.ndarray, forward: bool, choose: Callable[[np.ndarray], float]) -> np.ndarray:
    """The chosen value of each 2x2 square, of which a pixel is the first or the last corner."""
    out = np.empty_like(image)
    for r, c in np.ndindex(image.shape):
        rows = slice(r, r + 2) if forward else slice(max(r - 1, 0), r + 1)
        columns = slice(c, c + 2) if forward else slice(max(c - 1, 0), c + 1)
        out[r, c] = choose(image[rows, columns])
    return out


def test_recipes_saved_before_stroke_width_still_load():
    plain = recipe_to_json(RecogniserRecipe())
    del plain["augmentation"]["stroke_width"]
    assert recipe_from_json(plain) == RecogniserRecipe()


def test_each_image_has_its_own_ink_and_paper_stays():
    x = strokes(400) * 0.6
    moved = augment(x, replace(NONE, ink=0.5), pixels=INK, generator=rng())
    torch.testing.assert_close(moved[:, :, :5], torch.zeros_like(moved[:, :, :5]))
    factors = moved[:, 0, 12, 10] / x[:, 0, 12, 10]
    torch.testing.assert_close(moved[:, 0, 7, 15], factors * x[:, 0, 7, 15])
    assert 0.5 <= factors.min() < 0.51
    assert 1.49 < factors.max() <= 1.5
    full = augment(strokes(50), replace(NONE, ink=0.5), pixels=INK, generator=rng())
    assert full.max() == 1


def test_each_image_has_its_own_noise_up_to_the_maximum():
    grey = torch.full((300, 1, 32, 32), 0.5)
    moved = augment(grey, replace(NONE, noise=0.1), pixels=INK, generator=rng())
    # The outermost pixels may be mixed with what comes in from outside.
    found = moved[:, 0, 1:-1, 1:-1].std(dim=(1, 2))
    assert found.min() < 0.005
    assert 0.095 < found.max() < 0.11
    assert found.mean() == pytest.approx(0.05, abs=0.005)
    assert moved[:, 0, 1:-1, 1:-1].mean() == pytest.approx(0.5, abs=0.001)
    white = augment(
        torch.zeros(9, 1, 32, 32), replace(NONE, noise=0.1), pixels=INK, generator=rng()
    )
    assert 0 <= white.min() < white.max() < 1


@pytest.mark.parametrize("deviation", [0.4, 1.3])
def test_the_gaussian_filter_is_torchvisions(deviation: float):
    x = torch.rand(2, 3, 24, 24, generator=rng())
    side = 2 * max(1, math.ceil(3 * deviation)) + 1
    expected = TF.gaussian_blur(F.pad(x, (9, 9, 9, 9)), [side, side], [deviation, deviation])
    torch.testing.assert_close(gaussian(x, deviation), expected[:, :, 9:-9, 9:-9])


def test_each_image_has_its_own_blur():
    x = strokes(200)
    moved = augment(x, replace(NONE, blur=0.08), pixels=INK, generator=rng())
    change = (moved - x).flatten(1) @ (gaussian(x, 0.08 * 24) - x).flatten(1).T
    shares = change.diagonal() / (gaussian(x, 0.08 * 24) - x).flatten(1).square().sum(1)
    assert 0 <= shares.min() < 0.05
    assert 0.95 < shares.max() <= 1
    torch.testing.assert_close(
        moved[0], x[0].lerp(gaussian(x, 0.08 * 24)[0], shares[0]), atol=1e-5, rtol=0
    )
