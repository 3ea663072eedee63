"""The generator G and the discriminator D of a recipe."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from hwgen.generators.adversarial.layers import (
    ConditionalNorm,
    LabelledConv2d,
    LabelMap,
    PlainNorm,
    SameConv2d,
    SameConvTranspose2d,
    UpsampleConv2d,
    initialise,
)
from hwgen.generators.gan.presets import DiscriminatorSpec, GeneratorSpec, Recipe

SLOPE = 0.2
"""Slope of D's leaky ReLUs."""


class Generator(nn.Module):
    """G: noise and labels to images, built from a GeneratorSpec.

    With the spec of `paper-hwdb` this is the authors' network (arXiv 1611.04076v1, Fig. 6), with
    that of `paper-scene-112` that of Fig. 3.

    Args:
        spec: layers.
        channels: of the images.
        size: width and height of the images, pixels.
        classes: number of classes; 0 builds an unconditional network.
    """

    def __init__(self, spec: GeneratorSpec, channels: int, size: int, classes: int) -> None:
        super().__init__()
        self.spec, self.image_shape = spec, (channels, size, size)
        self.label_map = LabelMap(classes, spec.label_dim, spec.label_sd) if classes else None
        condition = spec.z_dim + (spec.label_dim if classes else 0)
        joined = spec.label_dim if classes and spec.label == "concat" else 0
        width = condition
        self.hidden: nn.Module | None = None
        if spec.hidden:
            self.hidden = nn.Linear(width, spec.hidden)
            batch_norm = spec.norm != "none"
            self.hidden_norm = nn.BatchNorm1d(spec.hidden) if batch_norm else nn.Identity()
            width = spec.hidden + joined
        width_of_map, side = spec.start
        self.start = nn.Linear(width, width_of_map * side * side)
        self.start_norm = self._start_norm(condition)
        up = SameConvTranspose2d if spec.upsampling == "deconv" else UpsampleConv2d
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for stage in spec.stages:
            self.convs.append(up(width_of_map + joined, stage.channels, stage.kernel, stage.stride))
            width_of_map, side = stage.channels, side * stage.stride
        self.head: nn.Linear | None = None
        if spec.head == "linear":
            self.head = nn.Linear(width_of_map * side * side + joined, math.prod(self.image_shape))
        for stage in spec.stages if self.head else spec.stages[:-1]:
            self.norms.append(self._norm(stage.channels, condition))

    def _norm(self, channels: int, condition: int) -> nn.Module:
        if self.spec.norm == "conditional":
            return ConditionalNorm(channels, condition)
        return PlainNorm(nn.BatchNorm2d(channels) if self.spec.norm == "batch" else nn.Identity())

    def _start_norm(self, condition: int) -> nn.Module:
        channels, side = self.spec.start
        if self.spec.norm == "batch" and self.spec.start_norm == "number":
            return PlainNorm(nn.BatchNorm1d(channels * side * side))
        return self._norm(channels, condition)

    def forward(
        self, z: Tensor, y: Tensor | None = None, label_weight: float | Tensor = 1.0
    ) -> Tensor:
        """Z [N, z_dim], y int64 [N] -> images [N, C, S, S] in the output's range.

        Φ(y) is multiplied by `label_weight`, see hwgen.generators.adversarial.steps.label_weight.
        """
        phi = None if self.label_map is None else self.label_map(y) * label_weight
        concat = phi if self.spec.label == "concat" else None
        condition = join(z, phi)
        h = condition
        if self.hidden is not None:
            h = join(F.relu(self.hidden_norm(self.hidden(h))), concat)
        h = self.start(h)
        flat = isinstance(self.start_norm, PlainNorm) and self.spec.start_norm == "number"
        if flat:
            h = self.start_norm(h, condition)
        h = h.unflatten(1, (self.spec.start[0], self.spec.start[1], self.spec.start[1]))
        h = h.contiguous(memory_format=torch.channels_last)
        if not flat:
            h = self.start_norm(h, condition)
        for conv, norm in zip(self.convs, self.norms, strict=False):
            h = norm(conv(join(F.relu(h), concat)), condition)
        if self.head is None:
            h = self.convs[-1](join(F.relu(h), concat))
        else:
            h = self.head(join(F.relu(h).flatten(1), concat)).unflatten(1, self.image_shape)
        h = h.float()
        return torch.sigmoid(h) if self.spec.output == "sigmoid" else torch.tanh(h)


class Discriminator(nn.Module):
    """D: images and labels to one number each, built from a DiscriminatorSpec.

    With the spec of `paper-hwdb` this is the authors' network: Φ(y) is concatenated to the output
    of every layer, but not to the image.

    Args:
        spec: layers.
        channels: of the images.
        size: width and height of the images, pixels.
        classes: number of classes; 0 builds an unconditional network.
    """

    def __init__(self, spec: DiscriminatorSpec, channels: int, size: int, classes: int) -> None:
        super().__init__()
        self.spec = spec
        joined = spec.label_dim if classes and spec.label == "concat" else 0
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for i, stage in enumerate(spec.stages):
            conv: nn.Module = SameConv2d(channels, stage.channels, stage.kernel, stage.stride)
            if joined and i:
                conv = LabelledConv2d(
                    channels, joined, stage.channels, stage.kernel, stage.stride, size
                )
            self.convs.append(conv)
            batch_norm = spec.norm == "batch" and i > 0
            self.norms.append(nn.BatchNorm2d(stage.channels) if batch_norm else nn.Identity())
            channels, size = stage.channels, -(-size // stage.stride)
        width = channels * size * size
        self.hidden: nn.Module | None = None
        if spec.hidden:
            self.hidden = nn.Linear(width + joined, spec.hidden)
            batch_norm = spec.norm == "batch"
            self.hidden_norm = nn.BatchNorm1d(spec.hidden) if batch_norm else nn.Identity()
            width = spec.hidden
        self.out = nn.Linear(width + joined, 1)
        self.label_map: LabelMap | None = None
        if classes:
            self.label_map = LabelMap(classes, joined or width, spec.label_sd)

    def forward(
        self,
        x: Tensor,
        y: Tensor | None = None,
        label_weight: float | Tensor = 1.0,
        parts: int = 1,
    ) -> Tensor:
        """D(x | Φ(y)), without a final activation.

        Args:
            x: float [N, C, S, S].
            y: int64 [N], or None for an unconditional network.
            label_weight: factor of Φ(y), see hwgen.generators.adversarial.steps.label_weight.
            parts: number of batches in x, one after the other and equally long. Batch norm treats
                them as separate batches; everything else is computed for all at once.

        Returns:
            float32 [N].
        """
        phi = None if self.label_map is None else self.label_map(y) * label_weight
        concat = phi if self.spec.label == "concat" else None
        h = x
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            h = conv(h) if concat is None or i == 0 else conv(h, concat)
            h = F.leaky_relu(apart(norm, h, parts), SLOPE)
        h = join(h.flatten(1), concat)
        if self.hidden is not None:
            h = F.leaky_relu(apart(self.hidden_norm, self.hidden(h), parts), SLOPE)
            h = join(h, concat)
        out = self.out(h).squeeze(1)
        if self.spec.label == "projection" and phi is not None:
            out = out + (phi * h).sum(dim=1) / math.sqrt(h.shape[1])
        return out.float()


def apart(norm: nn.Module, h: Tensor, parts: int) -> Tensor:
    """Apply a norm to each of the `parts` batches in h [N, ...]."""
    if parts == 1 or isinstance(norm, nn.Identity):
        out: Tensor = norm(h)
        return out
    return torch.cat([norm(part) for part in h.chunk(parts)])


def join(h: Tensor, phi: Tensor | None) -> Tensor:
    """Concatenate Φ(y) [N, W] to h [N, C], or at every position of a map [N, C, H, W]."""
    if phi is None:
        return h
    phi = phi.to(h.dtype).reshape(*phi.shape, *[1] * (h.ndim - 2))
    return torch.cat([h, phi.expand(-1, -1, *h.shape[2:])], dim=1)


def build_generator(recipe: Recipe, classes: int) -> Generator:
    """G alone, to load weights into; its own are not those of `build`."""
    classes = classes if recipe.conditional else 0
    return Generator(recipe.generator, recipe.channels, recipe.size, classes)


def build(recipe: Recipe, classes: int) -> tuple[Generator, Discriminator]:
    """G and D of a recipe, initialised from torch's global seed, on the CPU."""
    g = build_generator(recipe, classes)
    classes = classes if recipe.conditional else 0
    d = Discriminator(recipe.discriminator, recipe.channels, recipe.size, classes)
    initialise(g, recipe.init, slope=0.0)
    initialise(d, recipe.init, slope=SLOPE)
    if recipe.discriminator.norm == "spectral":
        for part in d.modules():
            if isinstance(part, nn.Conv2d | nn.Linear | LabelMap):
                spectral_norm(part)
    return g, d


def parameter_count(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in module.parameters())
