"""Classical augmentation: random stroke width, affine and elastic distortion, blur, ink, noise.

Affine and elastic distortion are one displacement field, so that an image is interpolated only
once. Elastic: random displacements of a coarse grid of control points, interpolated bicubically
(see hwgen.imaging.warps), which gives the smooth field of Simard et al. 2003, section 2, at a
fraction of the cost of its Gaussian filter.
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
    """Distort each image independently; pixels from outside the image are paper.

    Args:
        x: float32 [N, C, S, S] in the range `pixels`, on the generator's device.
        amounts: maximum distortions.
        pixels: values of paper and ink.
        generator: random numbers.

    Returns:
        float32 [N, C, S, S].
    """
    count, size = len(x), x.shape[-1]
    grid = fields(count, size, amounts, generator)
    # From here on paper is 0 and ink is 1.
    ink = (x - pixels.paper) / (pixels.ink - pixels.paper)
    if amounts.stroke_width:
        widths = _uniform(generator, count) * (amounts.stroke_width * size)
        ink = change_stroke_width(ink, widths, most=amounts.stroke_width * size)
    moved = warps.sample_bilinear(ink, grid)
    if amounts.blur:
        weights = torch.rand((count, 1, 1, 1), generator=generator, device=generator.device)
        moved = moved.lerp(gaussian(moved, amounts.blur * size), weights)
    if amounts.ink or amounts.noise:
        _change_grey(moved, amounts, generator)
    return moved.mul_(pixels.ink - pixels.paper).add_(pixels.paper)


def gaussian(x: Tensor, deviation: float) -> Tensor:
    """Gaussian filter, truncated at three standard deviations; zeros outside the image.

    Args:
        x: float [N, C, S, S].
        deviation: standard deviation in pixels, above 0.
    """
    reach = max(1, math.ceil(3 * deviation))
    offsets = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    weights = torch.exp(-0.5 * (offsets / deviation).square())
    weights = (weights / weights.sum()).view(1, 1, 1, -1)
    planes = x.reshape(-1, 1, *x.shape[2:])
    rows = F.conv2d(planes, weights, padding=(0, reach))
    return F.conv2d(rows, weights.transpose(2, 3), padding=(reach, 0)).view(x.shape)


def _change_grey(ink: Tensor, amounts: Augmentation, generator: torch.Generator) -> None:
    """Scale the darkness of ink [N, C, S, S] and add noise, in place, clamped to [0, 1]."""
    if amounts.ink:
        ink *= 1 + _uniform(generator, len(ink), 1, 1, 1) * amounts.ink
    if amounts.noise:
        deviation = _uniform(generator, len(ink), 1, 1, 1) * amounts.noise
        ink += torch.randn(ink.shape, generator=generator, device=ink.device) * deviation
    ink.clamp_(0, 1)


def fields(count: int, size: int, amounts: Augmentation, generator: torch.Generator) -> Tensor:
    """Random sampling positions, as for torch's grid_sample: affine plus elastic.

    Returns:
        float32 [count, size, size, 2], (x, y), in (-1, 1) inside the image.
    """
    matrices = affine_matrices(count, amounts, generator)
    points = amounts.elastic_grid
    coarse = torch.randn(count, 2, points**2, generator=generator, device=generator.device)
    amplitudes = torch.cat([matrices, coarse * (2 * amounts.elastic)], dim=2)
    return warps.sampling_grid(amplitudes, size)


def affine_matrices(count: int, amounts: Augmentation, generator: torch.Generator) -> Tensor:
    """Random affine maps from output to input positions, float [count, 2, 3], in half sizes."""
    angle = _uniform(generator, count) * math.radians(amounts.rotate)
    shear = _uniform(generator, count) * amounts.shear
    across, down = (1 + _uniform(generator, count, 2) * amounts.scale).unbind(1)
    shift_x, shift_y = (_uniform(generator, count, 2) * (2 * amounts.translate)).unbind(1)
    return warps.affine(across, down, shear, angle, shift_x, shift_y)


def change_stroke_width(ink: Tensor, widths: Tensor, *, most: float) -> Tensor:
    """Make strokes wider or narrower; no stroke vanishes, and no gap between two closes.

    Grey-scale erosion by 2x2 squares (Serra 1982, chapter XII): a step removes up to one pixel from
    the width of everything wider than one pixel, on two of its edges, and in the next step on the
    other two. Parts that an opening would remove, being too thin, are kept, and so is what connects
    them to the rest. For wider strokes the paper is eroded in the same way.

    Args:
        ink: float [N, C, S, S], paper 0 and full ink 1.
        widths: float [N], pixels that the strokes of each image grow; below 0 they shrink.
        most: maximum absolute value of `widths`, as a Python number to avoid a synchronisation.

    Returns:
        float [N, C, S, S], in the range of `ink`.
    """
    widths = widths.view(-1, 1, 1, 1)
    grow = (widths > 0).to(ink.dtype)
    sign = 1 - 2 * grow
    # What is eroded: the ink, or for wider strokes the paper.
    body = grow + sign * ink
    for step in range(math.ceil(most)):
        body = body - (widths.abs() - step).clamp(0, 1) * _shell(body, forward=step % 2 == 0)
    return grow + sign * body


def _shell(body: Tensor, *, forward: bool) -> Tensor:
    """What erosion by a 2x2 square removes from thick parts: float [N, C, S, S], at least 0."""
    eroded = -_highest(-body, forward)
    opened = _highest(eroded, not forward)
    near_thin = _highest(body - opened, forward)
    return (opened - eroded).sub_(near_thin).clamp_min_(0)


def _highest(x: Tensor, forward: bool) -> Tensor:
    """Maximum over a 2x2 square whose first (forward) or last corner is the pixel."""
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
