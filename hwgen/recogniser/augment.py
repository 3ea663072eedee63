"""In: a batch of pictures. Out: the batch, each picture turned, slanted, scaled, moved and bent.

Affine and elastic parts are one displacement field and one `grid_sample`, so that a picture is
interpolated once only. Elastic: random displacements on a coarse grid of control points, made
smooth by bicubic interpolation (Ronneberger et al. 2015, section 3.1), which gives the smooth field
of Simard et al. 2003, section 2, at a small part of the cost of its Gaussian filter.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from hwgen.recogniser.network import Augmentation


def augment(
    x: Tensor, amounts: Augmentation, *, paper: float, generator: torch.Generator
) -> Tensor:
    """Distort every picture in its own way.

    Args:
        x: float [N, C, S, S], on the generator's device.
        amounts: how much at most.
        paper: the value of what comes in from outside the picture.
        generator: source of all that is random here.

    Returns:
        float [N, C, S, S].
    """
    matrices = affine_matrices(len(x), amounts, generator)
    grid = F.affine_grid(matrices, list(x.shape), align_corners=False)
    grid = grid + displacements(len(x), x.shape[-1], amounts, generator)
    # grid_sample pads with zeros, so paper is made zero while it works.
    moved = F.grid_sample(
        x - paper, grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return moved + paper


def affine_matrices(count: int, amounts: Augmentation, generator: torch.Generator) -> Tensor:
    """Random maps from output to input places, float [count, 2, 3], in units of half a side."""

    def uniform(*shape: int) -> Tensor:
        """Values in (-1, 1)."""
        return torch.rand(*shape, generator=generator, device=generator.device) * 2 - 1

    angle = uniform(count) * math.radians(amounts.rotate)
    shear = uniform(count) * amounts.shear
    scales = 1 + uniform(count, 2) * amounts.scale
    shift = uniform(count, 2) * 2 * amounts.translate
    cos, sin = torch.cos(angle), torch.sin(angle)
    rotation = torch.stack([cos, -sin, sin, cos], dim=1).view(count, 2, 2)
    slant = torch.eye(2, device=generator.device).repeat(count, 1, 1)
    slant[:, 0, 1] = shear
    linear = rotation @ slant @ torch.diag_embed(scales)
    return torch.cat([linear, shift.unsqueeze(2)], dim=2)


def displacements(
    count: int, side: int, amounts: Augmentation, generator: torch.Generator
) -> Tensor:
    """Random smooth displacement fields, float [count, side, side, 2], in units of half a side."""
    points = amounts.elastic_grid
    coarse = torch.randn(count, 2, points, points, generator=generator, device=generator.device)
    fine = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)
    return (fine * (2 * amounts.elastic)).permute(0, 2, 3, 1)
