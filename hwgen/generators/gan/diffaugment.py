"""In: pictures, real or generated. Out: the same as D sees them: shifted, warped, faded.

What D sees is changed at random, so that it cannot learn a small set by heart, and what G makes is
changed in the same way before D sees it, differentiably, so that G learns the pictures as they are
(Zhao et al. 2020, Differentiable augmentation for data-efficient GAN training, Eqs. 4 to 6). Only
what leaves a character itself is here. Random numbers are drawn for the whole batch of all ranks.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from hwgen.compute.distributed import ALONE, Ranks
from hwgen.generators.gan.presets import Recipe
from hwgen.imaging import warps


def seen_by_d(
    x: Tensor, recipe: Recipe, generator: torch.Generator, ranks: Ranks = ALONE
) -> Tensor:
    """X [N, C, S, S] after `translate` and `warp`; x itself where the recipe has neither."""
    return warp(translate(x, recipe, generator, ranks), recipe, generator, ranks)


def translate(
    x: Tensor, recipe: Recipe, generator: torch.Generator, ranks: Ranks = ALONE
) -> Tensor:
    """Shift each picture by its own whole number of pixels, paper moving in at the border.

    Differentiable.
    """
    limit = recipe.translate
    if not limit:
        return x
    count, _, height, width = x.shape
    shifts = torch.randint(
        -limit, limit + 1, (2, count * ranks.size, 1), generator=generator, device=generator.device
    )
    shifts = ranks.local_slice(shifts, dim=1)
    padded = F.pad(x, (limit,) * 4, value=recipe.pixels.paper)
    rows = torch.arange(height, device=x.device) + limit + shifts[0]
    columns = torch.arange(width, device=x.device) + limit + shifts[1]
    number = torch.arange(count, device=x.device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[number, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def warp(x: Tensor, recipe: Recipe, generator: torch.Generator, ranks: Ranks = ALONE) -> Tensor:
    """Scale, slant, turn and fade each picture in its own way, paper coming in from outside.

    One bilinear look-up a pixel; differentiable once. R1 does not go through it, since it is the
    gradient at what D sees.
    """
    limits = recipe.warp
    if not (limits.moves or limits.fade):
        return x
    count, paper = len(x), recipe.pixels.paper
    drawn = torch.rand(
        (5, count * ranks.size), generator=generator, device=generator.device
    )  # one draw, of one shape whatever the limits
    drawn = ranks.local_slice(drawn, dim=1)
    ink = x - paper  # paper is 0, as grid_sample pads
    if limits.moves:
        matrices = _affine(drawn[:4] * 2 - 1, recipe)
        grid = F.affine_grid(matrices, list(x.shape), align_corners=False)
        ink = warps.sample_bilinear(ink, grid)
    return ink * (1 - limits.fade * drawn[4])[:, None, None, None] + paper


def _affine(amounts: Tensor, recipe: Recipe) -> Tensor:
    """Maps from output to input places about the middle: [4, N] in (-1, 1) -> [N, 2, 3]."""
    limits = recipe.warp
    across, down = 1 + amounts[0] * limits.scale, 1 + amounts[1] * limits.scale
    shear, angle = amounts[2] * limits.shear, amounts[3] * math.radians(limits.rotate)
    zero = torch.zeros_like(angle)
    return warps.affine(across, down, shear, angle, zero, zero)
