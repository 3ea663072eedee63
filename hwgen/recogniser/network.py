"""In: a recipe and a number of classes. Out: the recogniser's network, and its size and cost.

A scaled-down HCCR-CNN9 (Xiao et al. 2017, arXiv 1702.07975): 3x3 convolutions with batch norm, max
pooling between the stages, then a hidden linear layer with dropout. Where the paper reads 96x96
pictures this one is made for 32x32; it takes any side from 16, since adaptive average pooling ends
the convolutions on a fixed grid. Two changes for speed: ReLU for PReLU, and a stage pools before it
norms (a maximum and an increasing function may change places), on a quarter of the numbers. With
the default widths, at 32x32:

    convolutions   1,092,384 parameters           35.7 M multiply-adds
    the rest       2,099,936 + 513 a class         2.1 M + 512 a class

`parameter_count` and `flop_count` give the figures of any other recipe.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from torch.utils.flop_counter import FlopCounterMode

from hwgen.compute.winograd import Conv3x3
from hwgen.errors import InputError
from hwgen.names import suggest
from hwgen.record import PixelRange
from hwgen.schema import MAX_SIZE, MAX_STAGES, MAX_WIDTH, from_json


@dataclass(frozen=True)
class Augmentation:
    """Largest random distortions of a training picture; all zeros leave it as it is.

    Attributes:
        rotate: degrees, either way.
        shear: horizontal shift as a share of the height, either way.
        scale: relative change of each side on its own, either way.
        translate: shift as a share of the side, either way.
        elastic: standard deviation of the elastic displacement, as a share of the side.
        elastic_grid: control points a side of the elastic displacement.
        stroke_width: change of the strokes' width as a share of the side, either way.
        blur: standard deviation of a Gaussian filter, as a share of the side. Each picture is
            somewhere between itself and its filtered self.
        ink: relative change of the strokes' darkness, either way; full ink is the most.
        noise: standard deviation of grey noise, in units of full ink; each picture has its own,
            between 0 and this.
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
    """How synthetic pictures enter the training beside real ones.

    Attributes:
        share: of each batch, in [0, 1]. 1 until the middle is pre-training on synthetic pictures
            and fine-tuning on real ones.
        until: share of the steps in which they do; afterwards all pictures are real.
    """

    share: float = 0.5
    until: float = 1.0


@dataclass(frozen=True)
class RecogniserRecipe:
    """Everything that decides a recogniser, but for the data and the seed.

    Attributes:
        size: side of the pictures, pixels; larger ones are averaged down to it.
        oversample: training pictures are distorted at so many times the size, where the store has
            it, and averaged down afterwards. Distorting a picture of the final size blurs it, and
            then the network is trained on softer pictures than it will read.
        pixels: the range that the network sees.
        widths: output channels of the convolutions, one tuple a stage; all stages but the
            last end with 2x2 max pooling.
        grid: side of the map that adaptive average pooling leaves.
        hidden: width of the linear layer before the last one.
        dropout: probability, before each of the two linear layers.
        steps: optimiser steps, the same for whatever data.
        batch: pictures a step.
        lr: AdamW's highest rate; it rises linearly for `warmup` of the steps and falls as a
            cosine to 0 (one cycle).
        warmup: share of the steps.
        weight_decay: AdamW's, on weights of two and more dimensions.
        label_smoothing: share of the target spread over all classes.
        augmentation: distortions of the training pictures.
        balanced: draw every class equally often, however many pictures it has.
        mixing: of synthetic pictures, where there are any.
    """

    size: int = 32
    oversample: int = 1
    pixels: PixelRange = field(default_factory=lambda: PixelRange(paper=0.0, ink=1.0))
    widths: tuple[tuple[int, ...], ...] = ((32,), (48, 64), (96, 128), (256, 256))
    grid: int = 4
    hidden: int = 512
    dropout: float = 0.2
    steps: int = 12_000
    batch: int = 64
    lr: float = 3e-3
    warmup: float = 0.2
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    augmentation: Augmentation = field(default_factory=Augmentation)
    balanced: bool = False
    mixing: Mixing = field(default_factory=Mixing)

    def __post_init__(self) -> None:
        widths = [width for stage in self.widths for width in stage]
        if (
            not 1 <= len(self.widths) <= len(widths) <= MAX_STAGES
            or not all(self.widths)
            or not 1 <= min(*widths, self.hidden) <= max(*widths, self.hidden) <= MAX_WIDTH
            or max(self.size, self.grid) > MAX_SIZE
            or not 0 <= self.dropout <= 1
        ):
            raise InputError(
                "the layers of the recogniser cannot be",
                remedy=f"At most {MAX_STAGES} convolutions, at least one a stage; widths of 1 to "
                f"{MAX_WIDTH:,}; sides of at most {MAX_SIZE:,}; a dropout between 0 and 1",
            )
        if (
            self.size < 2 ** len(self.widths)
            or min(self.steps, self.batch, self.grid, self.oversample) < 1
        ):
            raise InputError(
                f"a recogniser of size {self.size} with {len(self.widths)} stages, "
                f"{self.steps} steps and batches of {self.batch} cannot be",
                remedy=f"The size must be at least {2 ** len(self.widths)}, the rest at least 1",
            )
        if not (0 <= self.mixing.share <= 1 and 0 <= self.mixing.until <= 1):
            raise InputError(
                f"a share of {self.mixing.share:g} until {self.mixing.until:g} cannot be mixed",
                remedy="Both are shares between 0 and 1",
            )


STRONG = Augmentation(
    rotate=10, shear=0.2, scale=0.2, translate=0.08, elastic=0.03, stroke_width=0.03, blur=0.025
)
"""Distorts more than the recipes do, for few samples a class; with many it does harm, and sooner to
what starts from a recogniser of other characters (benchmarks/lift_choice.py)."""

LIGHT = RecogniserRecipe(
    oversample=2,
    widths=((16,), (32, 32), (64, 64), (128, 128)),
    hidden=256,
    steps=1_000,
    augmentation=Augmentation(blur=0.025),
)
"""A third of the arithmetic and few steps, for many recognisers on few cores; for small sets."""

RECOGNISERS: Mapping[str, RecogniserRecipe] = {"default": RecogniserRecipe(), "light": LIGHT}
"""Named recipes."""

ABOUT: Mapping[str, str] = {
    "default": "The most accurate, for thousands of classes.",
    "light": "A third of the arithmetic and few steps: many recognisers on few cores, small sets.",
}
"""What each is for."""


def recogniser_named(name: str) -> RecogniserRecipe:
    """A row of RECOGNISERS.

    Raises:
        InputError: there is none; near names are suggested.
    """
    if name not in RECOGNISERS:
        raise InputError(f"no recogniser {name!r}", remedy=suggest(name, RECOGNISERS))
    return RECOGNISERS[name]


def recipe_to_json(recipe: RecogniserRecipe) -> dict[str, Any]:
    """A recipe as plain JSON values."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(recipe)))
    return plain


def recipe_from_json(value: Mapping[str, Any]) -> RecogniserRecipe:
    """The recipe that `recipe_to_json` wrote.

    Raises:
        InputError: a field is unknown or of the wrong type.
    """
    recipe: RecogniserRecipe = from_json(RecogniserRecipe, value, "recogniser recipe")
    return recipe


class RecogniserNetwork(nn.Sequential):
    """Pictures float [N, channels, S, S] -> class scores (logits) float [N, classes]."""

    def __init__(self, recipe: RecogniserRecipe, classes: int, channels: int = 1) -> None:
        layers: list[nn.Module] = []
        for stage, widths in enumerate(recipe.widths):
            for place, width in enumerate(widths):
                layers.append(Conv3x3(channels, width))
                if place == len(widths) - 1 and stage < len(recipe.widths) - 1:
                    layers.append(nn.MaxPool2d(2))
                layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                channels = width
        side = recipe.size >> (len(recipe.widths) - 1)
        super().__init__(
            *layers,
            # Of a map that has the grid's side already, the average is a slow copy.
            nn.AdaptiveAvgPool2d(recipe.grid) if side != recipe.grid else nn.Identity(),
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


def parameter_count(network: nn.Module) -> int:
    """Trained numbers, all layers."""
    return sum(parameter.numel() for parameter in network.parameters())


def flop_count(network: nn.Module, size: int, channels: int = 1) -> int:
    """Floating point operations to read one picture by the definition of each layer.

    A multiply-add counts as two; what `winograd` saves is not taken off.
    """
    # On the meta device nothing is computed and no layer takes a short way.
    shadow = copy.deepcopy(network).to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shadow(torch.empty(1, channels, size, size, device="meta"))
    flops: int = counter.get_total_flops()
    return flops


def folded(network: RecogniserNetwork) -> nn.Sequential:
    """A copy for reading: each norm that follows its convolution or linear layer is part of it.

    A norm behind a pooling stays: where its gain is negative, it and a maximum may not change
    places. Gives the network's scores in evaluation mode, to rounding.
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
    """Class scores float32 [N, classes] of pictures float [N, C, S, S] in the recipe's range."""
    scores: Tensor = network(x.contiguous(memory_format=torch.channels_last))
    return scores.float()
