"""The network of the recogniser, its recipe, and its size and cost.

A scaled-down HCCR-CNN9 (Xiao et al. 2017, arXiv 1702.07975): 3x3 convolutions with batch norm, max
pooling between the stages, then a hidden linear layer with dropout. The paper's input is
96x96; this network is made for 32x32 and takes any size from 16, because adaptive average pooling
reduces the last feature maps to a fixed grid. Two changes for speed: ReLU in place of PReLU, and
pooling before batch norm (a maximum and an increasing function commute), on a quarter of the
numbers. With the default widths, at 32x32:

    convolutions   1,092,384 parameters              35.7 M multiply-adds
    the rest       2,099,936 + 513 per class          2.1 M + 512 per class

`parameter_count` and `flop_count` compute both for any recipe.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from torch.utils.flop_counter import FlopCounterMode

from hwgen.compute.winograd import Conv3x3
from hwgen.errors import InputError
from hwgen.pixel_range import PixelRange
from hwgen.schema import (
    MAX_SIZE,
    MAX_STAGES,
    MAX_WIDTH,
    check_numbers,
    from_json,
    key,
    to_json,
)
from hwgen.suggestions import suggest

ENLARGED = 2
"""Maximum factor by which images are enlarged to be read. A recogniser of 64x64 pixels reads real
pen ink rendered at 32x32 as well as at 64x64: 91.9 % against 91.7 % of 3,117 samples."""

MAX_STEM = 15
"""Maximum kernel size of a first convolution with stride 2."""


@dataclass(frozen=True)
class AugmentationSpec:
    """Maximum random distortions of a training image; all zeros leave it unchanged.

    Attributes:
        rotate: degrees, in both directions.
        shear: horizontal shift relative to the height, in both directions.
        scale: relative change of width and of height, independently, in both directions.
        translate: shift relative to the size, in both directions.
        elastic: standard deviation of the elastic displacement, relative to the size.
        elastic_grid: control points of the elastic displacement, per dimension.
        stroke_width: change of the stroke width relative to the size, in both directions.
        blur: standard deviation of a Gaussian filter, relative to the size. Each image is a random
            interpolation between unfiltered and filtered.
        ink: relative change of the darkness of strokes, in both directions, up to full ink.
        noise: maximum standard deviation of Gaussian noise, in units of full ink; each image has
            its own, between 0 and this.
    """

    rotate: float = 6.0
    shear: float = 0.12
    scale: float = 0.1
    translate: float = 0.05
    elastic: float = 0.02
    elastic_grid: int = 5
    stroke_width: float = 0.0
    blur: float = 0.0
    ink: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True)
class Mixing:
    """How synthetic images are mixed into training.

    Attributes:
        fraction: of each batch that is synthetic, in [0, 1]. With 1, and `until` 0.5, training
            pretrains on synthetic and then fine-tunes on real images.
        until: fraction of the steps with synthetic images; afterwards all are real.
    """

    fraction: float = field(default=0.5, metadata=key("share"))
    until: float = 1.0


@dataclass(frozen=True)
class RecogniserRecipe:
    """All settings of a recogniser and its training, except data and seed.

    Attributes:
        size: input size in pixels; larger images are averaged down to it, smaller ones enlarged.
        oversample: training images are distorted at this multiple of the size and averaged down
            afterwards. Distorting at the final size blurs, so that the network would be trained on
            softer images than it is tested on. Images of smaller stores are enlarged for it.
        pixels: input range of the network.
        widths: output channels of the convolutions, one tuple per stage; all stages but the
            last end with 2x2 max pooling.
        stem: kernel of the first convolution, which then has stride 2, an odd number; 0 for 3x3
            with stride 1.
        grid: output size of adaptive average pooling.
        hidden: width of the linear layer before the last one.
        dropout: probability, before each of the two linear layers.
        steps: optimiser steps, whatever the number of samples.
        batch: samples per step.
        lr: maximum learning rate of AdamW; it rises linearly for `warmup` of the steps and falls
            to 0 as a cosine (one cycle).
        warmup: fraction of the steps.
        weight_decay: of AdamW, on weights of two and more dimensions.
        label_smoothing: fraction of the target that is spread over all classes.
        augmentation: distortions of training images.
        balanced: sample every class with the same probability, whatever its number of samples.
        mixing: of synthetic images, where there are any.
    """

    size: int = 32
    oversample: int = 1
    pixels: PixelRange = field(default_factory=lambda: PixelRange(paper=0.0, ink=1.0))
    widths: tuple[tuple[int, ...], ...] = ((32,), (48, 64), (96, 128), (256, 256))
    stem: int = field(default=0, metadata=key("stem", left_out=0))
    grid: int = 4
    hidden: int = 512
    dropout: float = 0.2
    steps: int = 12_000
    batch: int = 64
    lr: float = 3e-3
    warmup: float = 0.2
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    augmentation: AugmentationSpec = field(default_factory=AugmentationSpec)
    balanced: bool = False
    mixing: Mixing = field(default_factory=Mixing)

    def __post_init__(self) -> None:
        check_numbers(self, "recipe")
        widths = [width for stage in self.widths for width in stage]
        if (
            not 1 <= len(self.widths) <= len(widths) <= MAX_STAGES
            or not all(self.widths)
            or not 1 <= min(*widths, self.hidden) <= max(*widths, self.hidden) <= MAX_WIDTH
            or max(self.size, self.grid) > MAX_SIZE
            or not 0 <= self.dropout <= 1
        ):
            raise InputError(
                "the recogniser's layers are out of range",
                remedy=f"Use at most {MAX_STAGES} convolutions, at least one per stage; widths of "
                f"1 to {MAX_WIDTH:,}; sizes of at most {MAX_SIZE:,}; a dropout between 0 and 1",
            )
        if self.stem and not (self.stem % 2 and 3 <= self.stem <= MAX_STEM):
            raise InputError(
                f"the recogniser's stem should be 0 or an odd number from 3 to {MAX_STEM}, found "
                f"{self.stem}"
            )
        smallest = 2 ** (len(self.widths) + bool(self.stem))
        least = {"steps": 1, "batch": 1, "grid": 1, "oversample": 1, "size": smallest}
        for name, limit in least.items():
            if getattr(self, name) < limit:
                raise InputError(
                    f"the recogniser's {name} should be at least {limit}, found "
                    f"{getattr(self, name)}"
                )
        if not (0 <= self.mixing.fraction <= 1 and 0 <= self.mixing.until <= 1):
            raise InputError(
                f"mixing of {self.mixing.fraction:g} until {self.mixing.until:g} is out of range",
                remedy="Both are fractions between 0 and 1",
            )

    @property
    def smallest(self) -> int:
        """Size of the smallest images that are read and trained on, in pixels."""
        return math.ceil(self.size / ENLARGED)


STRONG = AugmentationSpec(
    rotate=10, shear=0.2, scale=0.2, translate=0.08, elastic=0.03, stroke_width=0.03, blur=0.025
)
"""Stronger than the recipes' augmentation, for few samples per class. With many it lowers accuracy,
and with pretrained weights already at fewer (benchmarks/lift_choice.py)."""

LIGHT = RecogniserRecipe(
    oversample=2,
    widths=((16,), (32, 32), (64, 64), (128, 128)),
    hidden=256,
    steps=1_000,
    augmentation=AugmentationSpec(blur=0.025),
)
"""A third of the computation and few steps: for many recognisers on few cores, and small sets."""

STRONG_64 = RecogniserRecipe(
    size=64,
    widths=((24,), (48,), (96, 96), (192, 192)),
    stem=5,
    hidden=384,
    steps=40_000,
    augmentation=AugmentationSpec(blur=0.025),
)
"""Reads 64x64 for half of the computation of the default: its first convolution has stride 2."""

RECOGNISERS: Mapping[str, RecogniserRecipe] = {
    "default": RecogniserRecipe(),
    "light": LIGHT,
    "strong-64": STRONG_64,
}
"""Presets by name."""

LAYERS = ("widths", "stem", "hidden", "grid")
"""Settings that decide the shapes of the weights, apart from the last layer's."""

ABOUT: Mapping[str, str] = {
    "default": "32x32 pixels, for thousands of classes.",
    "light": "A third of the computation and few steps: many recognisers on few cores, small sets.",
    "strong-64": "64x64 pixels and a long training: the most accurate for thousands of classes.",
}
"""What each preset is for."""


def recogniser_named(name: str, size: int | None = None) -> RecogniserRecipe:
    """A preset of RECOGNISERS, with another input size if one is given.

    Raises:
        InputError: unknown name, for which similar ones are suggested; a size too small for it.
    """
    if name not in RECOGNISERS:
        raise InputError(f"unknown recogniser preset {name!r}", remedy=suggest(name, RECOGNISERS))
    recipe = RECOGNISERS[name]
    return recipe if size is None else replace(recipe, size=size)


def fine_tuned(recipe: RecogniserRecipe) -> RecogniserRecipe:
    """The recipe for a training that starts from pretrained weights: a third of the learning rate.

    On held-out samples it gained 0.6 points with 5 real samples per class and 1.0 with refined ones
    alone (benchmarks/results/refiner-pretrained-2026-11-29-2cpu, one trial).
    """
    return replace(recipe, lr=recipe.lr / 3)


def recipe_to_json(recipe: RecogniserRecipe) -> dict[str, Any]:
    """A recipe as plain JSON values."""
    plain: dict[str, Any] = to_json(recipe)
    return plain


def recipe_from_json(value: Mapping[str, Any]) -> RecogniserRecipe:
    """The recipe that `recipe_to_json` wrote.

    Raises:
        InputError: a field is unknown or of the wrong type.
    """
    recipe: RecogniserRecipe = from_json(RecogniserRecipe, value, "recogniser recipe")
    return recipe


class RecogniserNetwork(nn.Sequential):
    """Images float [N, channels, S, S] -> class scores (logits) float [N, classes]."""

    def __init__(self, recipe: RecogniserRecipe, classes: int, channels: int = 1) -> None:
        layers: list[nn.Module] = []
        for stage, widths in enumerate(recipe.widths):
            for place, width in enumerate(widths):
                if recipe.stem and not layers:
                    layers.append(_halving(channels, width, recipe.stem))
                else:
                    layers.append(Conv3x3(channels, width))
                if place == len(widths) - 1 and stage < len(recipe.widths) - 1:
                    layers.append(nn.MaxPool2d(2))
                layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                channels = width
        # The stem rounds half of the size up, pooling rounds it down.
        size = (recipe.size + bool(recipe.stem)) >> (len(recipe.widths) - 1 + bool(recipe.stem))
        super().__init__(
            *layers,
            # A map that already has the grid's size would only be copied.
            nn.AdaptiveAvgPool2d(recipe.grid) if size != recipe.grid else nn.Identity(),
            nn.Flatten(),
            nn.Dropout(recipe.dropout),
            nn.Linear(channels * recipe.grid**2, recipe.hidden, bias=False),
            nn.BatchNorm1d(recipe.hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(recipe.dropout),
            nn.Linear(recipe.hidden, classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # He et al. 2015, Eq. 10
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def _halving(channels: int, width: int, kernel: int) -> nn.Conv2d:
    """A convolution with stride 2, [N, channels, S, S] to [N, width, ceil(S / 2), ...]."""
    return nn.Conv2d(channels, width, kernel, stride=2, padding=kernel // 2, bias=False)


def parameter_count(network: nn.Module) -> int:
    """Number of trained weights."""
    return sum(parameter.numel() for parameter in network.parameters())


def flop_count(network: nn.Module, size: int, channels: int = 1) -> int:
    """Floating-point operations per image, by the definition of each layer.

    A multiply-add counts as two; the savings of Winograd convolution are not subtracted.
    """
    # On the meta device nothing is computed, and no layer uses a fast path.
    shadow = copy.deepcopy(network).to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shadow(torch.empty(1, channels, size, size, device="meta"))
    flops: int = counter.get_total_flops()
    return flops


def folded(network: RecogniserNetwork) -> nn.Sequential:
    """A copy for inference, with norms folded into the convolution or linear layer before them.

    A norm after pooling is kept, because it does not commute with a maximum where its gain is
    negative. Scores are those of the network in evaluation mode, up to rounding.
    """
    layers: list[nn.Module] = []
    for layer in copy.deepcopy(network).eval():
        last = layers[-1] if layers else None
        if isinstance(layer, nn.BatchNorm2d) and isinstance(last, nn.Conv2d):
            layers[-1] = fuse_conv_bn_eval(last, layer)
        elif isinstance(layer, nn.BatchNorm1d) and isinstance(last, nn.Linear):
            layers[-1] = fuse_linear_bn_eval(last, layer)
        elif not isinstance(layer, nn.Dropout):
            layers.append(layer)
    return nn.Sequential(*layers).eval().to(memory_format=torch.channels_last)


def logits(network: nn.Module, x: Tensor) -> Tensor:
    """Class scores float32 [N, classes] of images float [N, C, S, S] in the recipe's range."""
    scores: Tensor = network(x.contiguous(memory_format=torch.channels_last))
    return scores.float()
