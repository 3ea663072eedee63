"""Classical augmentation: random stroke width, affine and elastic distortion, blur, ink, noise.

Affine and elastic distortion are one displacement field, so that an image is interpolated only
once. Elastic: random displacements of a coarse grid of control points, interpolated bicubically
(see hwgen.imaging.warps), which gives the smooth field of Simard et al. 2003, section 2, at a
fraction of the cost of its Gaussian filter.
"""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.data import to_float, to_uint8
from hwgen.errors import InputError
from hwgen.imaging import warps
from hwgen.pixel_range import PixelRange
from hwgen.recogniser.network import AugmentationSpec
from hwgen.schema import check_numbers, check_seed


class Augmentation(nn.Module):
    """Random distortions of handwritten characters, as a module for any pipeline.

    Takes a batch [N, C, S, S], each image of which is distorted by itself, or one image [C, S, S].
    Floats have the range of `pixels`; uint8 has 255 for paper and 0 for ink. The result has the
    shape, type and device of the input, and what comes from outside the image is paper. In
    evaluation mode images stay as they are, as with nn.Dropout. On a batch it is much faster than
    in the transform of a dataset, image by image.

    Args:
        rotate: see AugmentationSpec for this and all other amounts, which are maxima.
        shear: see AugmentationSpec.
        scale: see AugmentationSpec.
        translate: see AugmentationSpec.
        elastic: see AugmentationSpec.
        elastic_grid: see AugmentationSpec.
        stroke_width: see AugmentationSpec.
        blur: see AugmentationSpec.
        ink: see AugmentationSpec.
        noise: see AugmentationSpec.
        pixels: values of paper and ink of float images; 1 and 0 by default, as of ToTensor.
        seed: call n gives the same distortions for the same seed, in a DataLoader's worker for the
            same seed of the worker. None takes the random numbers of torch.manual_seed.

    Attributes:
        amounts: all amounts.
        calls: number of calls so far; set it to repeat or resume.

    Raises:
        InputError: an amount or the seed is out of range.
    """

    def __init__(
        self,
        rotate: float = AugmentationSpec.rotate,
        shear: float = AugmentationSpec.shear,
        scale: float = AugmentationSpec.scale,
        translate: float = AugmentationSpec.translate,
        elastic: float = AugmentationSpec.elastic,
        elastic_grid: int = AugmentationSpec.elastic_grid,
        stroke_width: float = AugmentationSpec.stroke_width,
        blur: float = AugmentationSpec.blur,
        ink: float = AugmentationSpec.ink,
        noise: float = AugmentationSpec.noise,
        *,
        pixels: PixelRange | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.amounts = AugmentationSpec(
            rotate, shear, scale, translate, elastic, elastic_grid, stroke_width, blur, ink, noise
        )
        _check_amounts(self.amounts)
        if seed is not None:
            check_seed(seed)
        self.pixels = pixels or PixelRange(paper=1.0, ink=0.0)
        self.seed, self.calls = seed, 0

    def forward(self, x: Tensor) -> Tensor:
        """Distort images, see the class.

        Raises:
            InputError: the images are not square, or neither floats nor uint8.
        """
        _check_images(x)
        if not self.training or not len(x):
            return x
        generator = torch.Generator(x.device).manual_seed(self._next_seed())
        grey = x.dtype == torch.uint8
        batch = to_float(x, self.pixels) if grey else x.float()
        batch = batch if x.ndim == 4 else batch[None]
        moved = augment(batch, self.amounts, pixels=self.pixels, generator=generator)
        moved = to_uint8(moved, self.pixels) if grey else moved.to(x.dtype)
        return moved.reshape(x.shape)

    def extra_repr(self) -> str:
        """The amounts other than 0."""
        amounts = [f"{name}={value:g}" for name, value in asdict(self.amounts).items() if value]
        pixels = f"paper={self.pixels.paper:g}, ink={self.pixels.ink:g}"
        return ", ".join([*amounts, f"pixels=({pixels})", f"seed={self.seed}"])

    def _next_seed(self) -> int:
        self.calls += 1
        if self.seed is None:
            return int(torch.randint(1 << 62, ()))
        worker = torch.utils.data.get_worker_info()  # whose seed differs from epoch to epoch
        words = (self.seed, self.calls, 0 if worker is None else worker.seed)
        return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(2))


def augment(
    x: Tensor, amounts: AugmentationSpec, *, pixels: PixelRange, generator: torch.Generator
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


def _check_amounts(amounts: AugmentationSpec) -> None:
    check_numbers(amounts, "augmentation")
    for name, value in asdict(amounts).items():
        least = 2 if name == "elastic_grid" else 0
        if value < least:
            raise InputError(f"{name} should be {least} or more, found {value:g}")


def _check_images(x: Tensor) -> None:
    if not isinstance(x, Tensor):
        raise InputError(
            f"expected a tensor, found {type(x).__name__}",
            remedy="Convert images first, such as with torchvision.transforms.v2.ToImage",
        )
    if x.ndim not in (3, 4) or x.shape[-1] != x.shape[-2]:
        raise InputError(
            f"expected square images [N, C, S, S] or [C, S, S], found shape {list(x.shape)}",
            remedy="Pad or resize them first; channels come before height and width",
        )
    if x.dtype != torch.uint8 and not x.is_floating_point():
        raise InputError(f"expected floats or uint8, found {x.dtype}", remedy="Use x.float()")


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


def _change_grey(ink: Tensor, amounts: AugmentationSpec, generator: torch.Generator) -> None:
    """Scale the darkness of ink [N, C, S, S] and add noise, in place, clamped to [0, 1]."""
    if amounts.ink:
        ink *= 1 + _uniform(generator, len(ink), 1, 1, 1) * amounts.ink
    if amounts.noise:
        deviation = _uniform(generator, len(ink), 1, 1, 1) * amounts.noise
        ink += torch.randn(ink.shape, generator=generator, device=ink.device) * deviation
    ink.clamp_(0, 1)


def fields(count: int, size: int, amounts: AugmentationSpec, generator: torch.Generator) -> Tensor:
    """Random sampling positions, as for torch's grid_sample: affine plus elastic.

    Returns:
        float32 [count, size, size, 2], (x, y), in (-1, 1) inside the image.
    """
    matrices = affine_matrices(count, amounts, generator)
    points = amounts.elastic_grid
    coarse = torch.randn(count, 2, points**2, generator=generator, device=generator.device)
    amplitudes = torch.cat([matrices, coarse * (2 * amounts.elastic)], dim=2)
    return warps.sampling_grid(amplitudes, size)


def affine_matrices(count: int, amounts: AugmentationSpec, generator: torch.Generator) -> Tensor:
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
