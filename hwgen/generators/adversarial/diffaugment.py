"""DiffAugment for characters: random translation, warp and fading of all inputs of D.

D's inputs are augmented, so that it does not memorise a small store. Generated images are augmented
in the same way, differentiably, so that G still learns the distribution of the originals (Zhao et
al. 2020, Differentiable augmentation for data-efficient GAN training, Eqs. 4 to 6). Only
transformations that preserve the character are used. Random numbers are drawn for the whole batch
of all ranks.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from hwgen.compute.distributed import ALONE, Ranks
from hwgen.generators.adversarial.recipe import AdversarialRecipe
from hwgen.imaging import warps


def diffaugment(
    x: Tensor, recipe: AdversarialRecipe, generator: torch.Generator, ranks: Ranks = ALONE
) -> Tensor:
    """X [N, C, S, S] after `translate` and `warp`; x itself where the recipe has neither."""
    return warp(translate(x, recipe, generator, ranks), recipe, generator, ranks)


def translate(
    x: Tensor, recipe: AdversarialRecipe, generator: torch.Generator, ranks: Ranks = ALONE
) -> Tensor:
    """Shift each image by a random whole number of pixels, filling the border with paper.

    Differentiable.
    """
    limit = recipe.translate
    if not limit:
        return x
    count, channels, height, width = x.shape
    shifts = torch.randint(
        -limit, limit + 1, (2, count * ranks.size, 1), generator=generator, device=generator.device
    )
    shifts = ranks.local_slice(shifts, dim=1)
    padded = F.pad(x, (limit,) * 4, value=recipe.pixels.paper)
    rows = torch.arange(height, device=x.device) + limit + shifts[0]
    columns = torch.arange(width, device=x.device) + limit + shifts[1]
    places = (rows * padded.shape[-1])[:, :, None] + columns[:, None, :]
    # Not padded[number, rows, columns], whose gradient PyTorch computes by sorting the indices.
    places = places.flatten(1)[:, None].expand(-1, channels, -1)
    return padded.flatten(2).gather(2, places).view(x.shape)


def warp(
    x: Tensor, recipe: AdversarialRecipe, generator: torch.Generator, ranks: Ranks = ALONE
) -> Tensor:
    """Scale, shear, rotate and fade each image at random, filling the outside with paper.

    Bilinear sampling, differentiable once. That is enough for R1, which is the gradient with
    respect to the augmented image.
    """
    limits = recipe.warp
    if not (limits.moves or limits.fade):
        return x
    count, paper = len(x), recipe.pixels.paper
    drawn = torch.rand(
        (5, count * ranks.size), generator=generator, device=generator.device
    )  # always of the same shape, so that limits of 0 change no other number
    drawn = ranks.local_slice(drawn, dim=1)
    ink = x - paper  # paper is 0, as grid_sample pads
    if limits.moves:
        matrices = _affine(drawn[:4] * 2 - 1, recipe)
        grid = F.affine_grid(matrices, list(x.shape), align_corners=False)
        ink = warps.sample_bilinear(ink, grid)
    return ink * (1 - limits.fade * drawn[4])[:, None, None, None] + paper


def _affine(amounts: Tensor, recipe: AdversarialRecipe) -> Tensor:
    """Maps from output to input positions about the centre: [4, N] in (-1, 1) -> [N, 2, 3]."""
    limits = recipe.warp
    across, down = 1 + amounts[0] * limits.scale, 1 + amounts[1] * limits.scale
    shear, angle = amounts[2] * limits.shear, amounts[3] * math.radians(limits.rotate)
    zero = torch.zeros_like(angle)
    return warps.affine(across, down, shear, angle, zero, zero)
