"""Differentiable smooth warps of images.

A displacement field is a linear map plus bicubic interpolation of displacements at a coarse grid of
control points (Ronneberger et al. 2015, section 3.1). It is a sum of fixed fields, so the fields of
a batch are one matrix product. Displacements are in units of half the image size, so a
field fitted at one resolution can be applied at another.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor


def sample_bilinear(ink: Tensor, places: Tensor) -> Tensor:
    """Bilinear interpolation of ink at `places`; outside of the image is paper.

    Args:
        ink: float [N, C, S, S], paper 0.
        places: float [N, s, s, 2], (x, y), in (-1, 1) inside; see `sampling_grid`.

    Returns:
        float [N, C, s, s].
    """
    return F.grid_sample(ink, places, mode="bilinear", padding_mode="zeros", align_corners=False)


def affine(
    across: Tensor, down: Tensor, shear: Tensor, angle: Tensor, shift_x: Tensor, shift_y: Tensor
) -> Tensor:
    """Maps from output to input positions, float [N, 2, 3], in units of half the image size.

    Rotation after shear after scaling: [cos, -sin; sin, cos] [1, shear; 0, 1] diag(across, down).

    Args:
        across: scale of x, float [N]; the others likewise.
        down: scale of y.
        shear: horizontal shift as a fraction of the height.
        angle: radians.
        shift_x: in units of half the image size.
        shift_y: in units of half the image size.
    """
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [cos * across, (cos * shear - sin) * down, shift_x]
    rows += [sin * across, (sin * shear + cos) * down, shift_y]
    return torch.stack(rows, dim=1).view(-1, 2, 3)


def sampling_grid(amplitudes: Tensor, size: int) -> Tensor:
    """The input position of each output pixel.

    Args:
        amplitudes: float [N, 2, 3 + points^2], for x and y each: a row of the linear map (of x, of
            y, constant), then the displacements at the control points; in units of half the image
            size.
        size: of the field, pixels.

    Returns:
        float [N, size, size, 2], (x, y).
    """
    count, _, terms = amplitudes.shape
    basis = _basis(size, round((terms - 3) ** 0.5), amplitudes.device)
    flat = amplitudes.reshape(2 * count, terms) @ basis
    return flat.view(count, 2, size, size).permute(0, 2, 3, 1)


@functools.lru_cache(maxsize=8)
def _basis(size: int, points: int, device: torch.device) -> Tensor:
    """Basis of all fields: float32 [3 + points^2, size^2].

    The first three are x, y and 1 (what a row of an affine matrix multiplies), the rest are those
    of single control points.
    """
    places = (torch.arange(size, device=device) * 2 + 1) / size - 1
    y, x = torch.meshgrid(places, places, indexing="ij")
    single = torch.eye(points**2, device=device).view(-1, 1, points, points)
    smooth = F.interpolate(single, size=(size, size), mode="bicubic", align_corners=True)
    return torch.cat([torch.stack([x, y, torch.ones_like(x)]), smooth[:, 0]]).flatten(1)
