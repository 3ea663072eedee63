from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from hwgen.compute.distributed import Ranks
from hwgen.generators.adversarial.diffaugment import diffaugment, translate, warp
from hwgen.generators.gan.presets import Recipe, Warp


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shifted(image: np.ndarray, dy: int, dx: int, paper: float) -> np.ndarray:
    out = np.full_like(image, paper)
    side = image.shape[-1]
    for row in range(side):
        for column in range(side):
            if 0 <= row + dy < side and 0 <= column + dx < side:
                out[row, column] = image[row + dy, column + dx]
    return out


def test_translation_shifts_each_picture_and_lets_paper_in(toy_recipe: Recipe) -> None:
    recipe = replace(toy_recipe, translate=2)
    torch.manual_seed(0)
    x = torch.randn(200, 1, 8, 8)
    moved = translate(x, recipe, seeded()).numpy()
    assert moved.shape == x.shape
    shifts = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)]
    met = set()
    for before, after in zip(x.numpy(), moved, strict=True):
        fits = [s for s in shifts if np.array_equal(after[0], shifted(before[0], *s, -1.0))]
        assert len(fits) == 1
        met.add(fits[0])
    assert met == set(shifts)


def test_translation_moves_channels_together_and_hands_gradients_back(toy_recipe: Recipe) -> None:
    recipe = replace(toy_recipe, translate=1)
    torch.manual_seed(0)
    x = torch.randn(5, 1, 8, 8).expand(-1, 3, -1, -1).clone().requires_grad_()
    moved = translate(x, recipe, seeded())
    assert torch.equal(moved[:, 0], moved[:, 2])
    (moved.square() / 2).sum().backward()
    inside = x.grad != 0
    assert torch.equal(x.grad[inside], x.detach()[inside])
    assert (inside.sum(dim=(1, 2, 3)) >= 3 * 49).all()
    # Away from the border nothing is lost.
    assert inside[:, :, 1:-1, 1:-1].all()


def indexed(x: torch.Tensor, shifts: torch.Tensor, limit: int) -> torch.Tensor:
    """Translation as plain indexing."""
    count, _, height, width = x.shape
    padded = F.pad(x, (limit,) * 4, value=-1.0)
    rows = torch.arange(height) + limit + shifts[0]
    columns = torch.arange(width) + limit + shifts[1]
    number = torch.arange(count)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[number, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


@pytest.mark.parametrize("shape", [(6, 1, 8, 8), (5, 3, 6, 9)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_translation_and_its_gradient_are_those_of_indexing(
    toy_recipe: Recipe, shape: tuple[int, ...], layout: torch.memory_format
) -> None:
    recipe = replace(toy_recipe, translate=2)
    x = torch.randn(shape, generator=seeded(1)).contiguous(memory_format=layout).requires_grad_()
    weights = torch.randn(shape, generator=seeded(2))
    shifts = torch.randint(-2, 3, (2, shape[0], 1), generator=seeded())
    found, expected = translate(x, recipe, seeded()), indexed(x, shifts, 2)
    assert torch.equal(found, expected)
    gradients = [torch.autograd.grad((y * weights).sum(), x)[0] for y in (found, expected)]
    assert torch.equal(*gradients)


def test_no_translation_is_the_picture_itself(toy_recipe: Recipe) -> None:
    x = torch.randn(2, 1, 8, 8)
    generator = seeded()
    assert translate(x, replace(toy_recipe, translate=0), generator) is x
    first = translate(x, replace(toy_recipe, translate=3), generator)
    assert not torch.equal(first, translate(x, replace(toy_recipe, translate=3), generator))


ALL = Warp(scale=0.2, shear=0.3, rotate=10.0, fade=0.4)


def random_pictures(count: int) -> torch.Tensor:
    return torch.rand(count, 1, 12, 12, generator=seeded(1)) * 2 - 1


def bilinear(ink: np.ndarray, x: float, y: float) -> float:
    """The value between the four pixels about a place; 0 outside."""
    column, row = int(np.floor(x)), int(np.floor(y))
    total = 0.0
    for j, i in ((row, column), (row, column + 1), (row + 1, column), (row + 1, column + 1)):
        if 0 <= j < len(ink) and 0 <= i < len(ink):
            total += ink[j, i] * (1 - abs(x - i)) * (1 - abs(y - j))
    return total


def test_a_warp_is_the_affine_map_that_was_drawn(toy_recipe: Recipe) -> None:
    recipe = replace(toy_recipe, warp=ALL)
    pictures = random_pictures(5)
    found = warp(pictures, recipe, seeded(3)).numpy()
    drawn = torch.rand(5, 5, generator=seeded(3)).double().numpy()
    for n in range(5):
        across, down, shear, angle = 2 * drawn[:4, n] - 1
        sin, cos = np.sin(np.radians(10 * angle)), np.cos(np.radians(10 * angle))
        turn, slant = np.array([[cos, -sin], [sin, cos]]), np.array([[1, 0.3 * shear], [0, 1]])
        matrix = turn @ slant @ np.diag([1 + 0.2 * across, 1 + 0.2 * down])
        ink = (pictures[n, 0].double().numpy() + 1) * (1 - 0.4 * drawn[4, n])
        expected = np.empty((12, 12))
        for row in range(12):
            for column in range(12):
                x, y = matrix @ (column - 5.5, row - 5.5) + 5.5  # about the middle
                expected[row, column] = bilinear(ink, x, y) - 1
        np.testing.assert_allclose(found[n, 0], expected, atol=1e-5)


@pytest.mark.parametrize("pixels", [(1.0, 0.0), (-1.0, 1.0)])
def test_paper_stays_paper_and_no_ink_is_darker(
    toy_recipe: Recipe, pixels: tuple[float, float]
) -> None:
    paper, ink = pixels
    range_ = replace(toy_recipe.pixels, paper=paper, ink=ink)
    output = "tanh" if paper == -1 else "sigmoid"
    generator = replace(toy_recipe.generator, output=output)
    recipe = replace(toy_recipe, pixels=range_, generator=generator, warp=ALL)
    blank = torch.full((9, 3, 8, 8), paper)
    torch.testing.assert_close(warp(blank, recipe, seeded()), blank)
    low, high = sorted(pixels)
    full = warp(torch.full((50, 3, 8, 8), ink), recipe, seeded())
    assert low <= full.min() <= full.max() <= high
    assert torch.equal(full[:, 0], full[:, 2])
    strength = (full[:, 0, 4, 4] - paper) / (ink - paper)  # the middle stays inside
    assert 0.6 <= strength.min() < 0.65
    assert 0.95 < strength.max() <= 1


def test_nothing_is_drawn_where_nothing_is_changed(toy_recipe: Recipe) -> None:
    x, generator = random_pictures(2), seeded()
    assert diffaugment(x, toy_recipe, generator) is x
    assert torch.equal(torch.rand(3, generator=generator), torch.rand(3, generator=seeded()))


def test_fading_alone_moves_no_pixel(toy_recipe: Recipe) -> None:
    x = random_pictures(4)
    seen = warp(x, replace(toy_recipe, warp=Warp(fade=0.5)), seeded())
    share = (seen + 1) / (x + 1).clamp_min(1e-9)
    inked = x > -0.9
    for n in range(4):
        strength = share[n][inked[n]]
        torch.testing.assert_close(strength, strength[:1].expand_as(strength))
        assert 0.5 <= float(strength[0]) <= 1


def test_the_gradient_is_the_way_back_of_the_view(toy_recipe: Recipe) -> None:
    recipe = replace(toy_recipe, translate=1, warp=ALL)
    x, nudge = random_pictures(4).chunk(2)
    weights = torch.rand(2, 1, 12, 12, generator=seeded(9))
    x.requires_grad_()
    before = diffaugment(x, recipe, seeded(5))
    (gradient,) = torch.autograd.grad((before * weights).sum(), x)
    # The view is linear in ink, so that a difference of any size is exact.
    with torch.no_grad():
        after = diffaugment(x + nudge, recipe, seeded(5))
    expected = ((after - before) * weights).sum().detach()
    torch.testing.assert_close((gradient * nudge).sum(), expected, rtol=1e-4, atol=1e-4)


def test_processes_see_slices_of_one_draw(toy_recipe: Recipe) -> None:
    recipe = replace(toy_recipe, translate=2, warp=ALL)
    x = random_pictures(6)
    whole = diffaugment(x, recipe, seeded())
    parts = [diffaugment(x[2 * r : 2 * r + 2], recipe, seeded(), Ranks(r, 3)) for r in range(3)]
    torch.testing.assert_close(torch.cat(parts), whole)
