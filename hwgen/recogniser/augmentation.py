"""In: a batch of pictures. Out: the batch, each picture's strokes, place, shape and grey changed.

Affine and elastic parts are one displacement field, so that a picture is interpolated once only.
Elastic: random displacements on a coarse grid of control points, made smooth by bicubic
interpolation (see hwgen.imaging.warps), which gives the smooth field of Simard et al. 2003, section
2, at a small part of the cost of its Gaussian filter.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from hwgen.imaging import warps
from hwgen.recogniser.network import Augmentation
from hwgen.record import PixelRange


def augment(
    x: Tensor, amounts: Augmentation, *, pixels: PixelRange, generator: torch.Generator
) -> Tensor:
    """Distort every picture in its own way; what comes in from outside is paper.

    Args:
        x: float32 [N, C, S, S] in the range `pixels`, on the generator's device.
        amounts: how much at most.
        pixels: the values of paper and ink.
        generator: source of all that is random here.

    Returns:
        float32 [N, C, S, S].
    """
    count, side = len(x), x.shape[-1]
    grid = fields(count, side, amounts, generator)
    # Paper is zero and ink is one while all this works.
    ink = (x - pixels.paper) / (pixels.ink - pixels.paper)
    if amounts.stroke_width:
        widths = _uniform(generator, count) * (amounts.stroke_width * side)
        ink = change_stroke_width(ink, widths, most=amounts.stroke_width * side)
    moved = warps.sample_bilinear(ink, grid)
    if amounts.blur:
        shares = torch.rand((count, 1, 1, 1), generator=generator, device=generator.device)
        moved = moved.lerp(gaussian(moved, amounts.blur * side), shares)
    if amounts.ink or amounts.noise:
        _change_grey(moved, amounts, generator)
    return moved.mul_(pixels.ink - pixels.paper).add_(pixels.paper)


def gaussian(x: Tensor, deviation: float) -> Tensor:
    """Gaussian filter, cut off at three standard deviations (in pixels); outside is 0.

    Args:
        x: float [N, C, S, S].
        deviation: above 0.
    """
    reach = max(1, math.ceil(3 * deviation))
    places = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    weights = torch.exp(-0.5 * (places / deviation).square())
    weights = (weights / weights.sum()).view(1, 1, 1, -1)
    planes = x.reshape(-1, 1, *x.shape[2:])
    rows = F.conv2d(planes, weights, padding=(0, reach))
    return F.conv2d(rows, weights.transpose(2, 3), padding=(reach, 0)).view(x.shape)


def _change_grey(ink: Tensor, amounts: Augmentation, generator: torch.Generator) -> None:
    """Make ink [N, C, S, S] darker or fainter and noisy, in place, within 0 and 1."""
    if amounts.ink:
        ink *= 1 + _uniform(generator, len(ink), 1, 1, 1) * amounts.ink
    if amounts.noise:
        deviation = _uniform(generator, len(ink), 1, 1, 1) * amounts.noise
        ink += torch.randn(ink.shape, generator=generator, device=ink.device) * deviation
    ink.clamp_(0, 1)


def fields(count: int, side: int, amounts: Augmentation, generator: torch.Generator) -> Tensor:
    """Where each pixel is taken from: float32 [count, side, side, 2], (x, y) in (-1, 1) inside.

    That is `affine_grid` of random matrices plus the bicubic interpolation of random control
    points.
    """
    matrices = affine_matrices(count, amounts, generator)
    points = amounts.elastic_grid
    coarse = torch.randn(count, 2, points**2, generator=generator, device=generator.device)
    amplitudes = torch.cat([matrices, coarse * (2 * amounts.elastic)], dim=2)
    return warps.sampling_grid(amplitudes, side)


def affine_matrices(count: int, amounts: Augmentation, generator: torch.Generator) -> Tensor:
    """Random maps from output to input places, float [count, 2, 3], in units of half a side."""
    angle = _uniform(generator, count) * math.radians(amounts.rotate)
    shear = _uniform(generator, count) * amounts.shear
    across, down = (1 + _uniform(generator, count, 2) * amounts.scale).unbind(1)
    shift_x, shift_y = (_uniform(generator, count, 2) * (2 * amounts.translate)).unbind(1)
    return warps.affine(across, down, shear, angle, shift_x, shift_y)


def change_stroke_width(ink: Tensor, widths: Tensor, *, most: float) -> Tensor:
    """Make strokes wider or narrower; none vanishes and no gap between two of them closes.

    Grey-scale erosion by 2x2 squares (Serra 1982, chapter XII): a step takes up to one pixel off
    the width of whatever is wider than one pixel, on two of its sides, the other two the next time.
    What an opening would remove, being too thin, stays, and so does what joins it to the rest.
    Wider strokes are narrower gaps: there the paper is eroded in the same way.

    Args:
        ink: float [N, C, S, S], paper 0 and full ink 1.
        widths: float [N], by how many pixels each picture's strokes grow; below 0 they shrink.
        most: the largest size in `widths`, known without asking the device.

    Returns:
        float [N, C, S, S], in the range of `ink`.
    """
    widths = widths.view(-1, 1, 1, 1)
    grow = (widths > 0).to(ink.dtype)
    sign = 1 - 2 * grow
    # What is to shrink: the ink, or for wider strokes the paper.
    body = grow + sign * ink
    for step in range(math.ceil(most)):
        body = body - (widths.abs() - step).clamp(0, 1) * _shell(body, forward=step % 2 == 0)
    return grow + sign * body


def _shell(body: Tensor, *, forward: bool) -> Tensor:
    """What erosion by a 2x2 square takes from the thick parts: float [N, C, S, S], at least 0."""
    eroded = -_highest(-body, forward)
    opened = _highest(eroded, not forward)
    near_thin = _highest(body - opened, forward)
    return (opened - eroded).sub_(near_thin).clamp_min_(0)


def _highest(x: Tensor, forward: bool) -> Tensor:
    """Maximum over a 2x2 square with this pixel its first (forward) or its last corner."""
    for dim in (2, 3):
        length = x.shape[dim] - 1
        first, second = x.narrow(dim, 0, length), x.narrow(dim, 1, length)
        x = x.clone()
        target = x.narrow(dim, 0 if forward else 1, length)
        torch.maximum(first, second, out=target)
    return x


def _uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Random values in (-1, 1)."""
    return torch.rand(*shape, generator=generator, device=generator.device) * 2 - 1
