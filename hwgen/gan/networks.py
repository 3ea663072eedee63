"""In: a recipe and a number of classes. Out: the generator G and the discriminator D."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from hwgen.gan.layers import (
    ConditionalNorm,
    LabelledConv2d,
    LabelMap,
    PlainNorm,
    SameConv2d,
    SameConvTranspose2d,
    UpsampleConv2d,
    initialise,
)
from hwgen.presets import DiscriminatorSpec, GeneratorSpec, Recipe

SLOPE = 0.2
"""Of D's leaky ReLUs."""


class Generator(nn.Module):
    """G: noise and labels to pictures, as GeneratorSpec says.

    With the spec of `paper-hwdb` this is the authors' network (arXiv 1611.04076v1, Fig. 6).

    Args:
        spec: layers.
        classes: number of classes; 0 builds an unconditional network.
    """

    def __init__(self, spec: GeneratorSpec, classes: int) -> None:
        super().__init__()
        self.spec = spec
        self.label_map = LabelMap(classes, spec.label_dim, spec.label_sd) if classes else None
        condition = spec.z_dim + (spec.label_dim if classes else 0)
        channels, side = spec.start
        self.start = nn.Linear(condition, channels * side * side)
        self.start_norm = self._norm(channels, condition, flat=channels * side * side)
        up = SameConvTranspose2d if spec.upsampling == "deconv" else UpsampleConv2d
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for stage in spec.stages:
            self.convs.append(up(channels, stage.channels, stage.kernel, stage.stride))
            channels = stage.channels
        for stage in spec.stages[:-1]:
            self.norms.append(self._norm(stage.channels, condition))

    def _norm(self, channels: int, condition: int, flat: int = 0) -> nn.Module:
        if self.spec.norm == "conditional":
            return ConditionalNorm(channels, condition)
        if self.spec.norm == "none":
            return PlainNorm(nn.Identity())
        # The authors normalise the first layer's whole vector, not its channels.
        return PlainNorm(nn.BatchNorm1d(flat) if flat else nn.BatchNorm2d(channels))

    def forward(
        self, z: Tensor, y: Tensor | None = None, label_weight: float | Tensor = 1.0
    ) -> Tensor:
        """Z [N, z_dim], y int64 [N] -> pictures [N, C, S, S] in the output's range.

        Φ(y) is multiplied by `label_weight`, see hwgen.gan.steps.label_weight.
        """
        condition = z
        if self.label_map is not None:
            condition = torch.cat([z, self.label_map(y) * label_weight], dim=1)
        h = self.start(condition)
        if isinstance(self.start_norm, PlainNorm):
            h = self.start_norm(h, condition)
        h = h.unflatten(1, (self.spec.start[0], self.spec.start[1], self.spec.start[1]))
        h = h.contiguous(memory_format=torch.channels_last)
        if isinstance(self.start_norm, ConditionalNorm):
            h = self.start_norm(h, condition)
        for conv, norm in zip(self.convs, self.norms, strict=False):
            h = norm(conv(F.relu(h)), condition)
        h = self.convs[-1](F.relu(h)).float()
        return torch.sigmoid(h) if self.spec.output == "sigmoid" else torch.tanh(h)


class Discriminator(nn.Module):
    """D: pictures and labels to one number each, as DiscriminatorSpec says.

    With the spec of `paper-hwdb` this is the authors' network: Φ(y) joins the output of every
    layer, but not the picture.

    Args:
        spec: layers.
        channels: of the picture.
        size: side of the picture.
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
        """D(x | Φ(y)), without a last activation.

        Args:
            x: float [N, C, S, S].
            y: int64 [N], or None for an unconditional network.
            label_weight: what Φ(y) is multiplied by, see hwgen.gan.steps.label_weight.
            parts: batches in x, one after the other, equally long: batch norm sees them apart,
                as if each came alone; all else is done for all of them at once.

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
    """A norm of each of `parts` batches in h [N, ...]."""
    if parts == 1 or isinstance(norm, nn.Identity):
        out: Tensor = norm(h)
        return out
    return torch.cat([norm(part) for part in h.chunk(parts)])


def join(h: Tensor, phi: Tensor | None) -> Tensor:
    """Concatenate Φ(y) [N, W] to h [N, C]."""
    return h if phi is None else torch.cat([h, phi.to(h.dtype)], dim=1)


def build(recipe: Recipe, classes: int) -> tuple[Generator, Discriminator]:
    """G and D of a recipe with their starting weights, on the CPU (torch's global seed decides)."""
    classes = classes if recipe.conditional else 0
    g = Generator(recipe.generator, classes)
    d = Discriminator(recipe.discriminator, recipe.channels, recipe.size, classes)
    initialise(g, recipe.init, slope=0.0)
    initialise(d, recipe.init, slope=SLOPE)
    if recipe.discriminator.norm == "spectral":
        for part in d.modules():
            if isinstance(part, nn.Conv2d | nn.Linear | LabelMap):
                spectral_norm(part)
    return g, d


def parameter_count(module: nn.Module) -> int:
    """Number of trained numbers."""
    return sum(p.numel() for p in module.parameters())
