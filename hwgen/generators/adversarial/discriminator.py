"""The discriminator D of a recipe."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.generators.adversarial.layers import (
    LabelledConv2d,
    LabelMap,
    SameConv2d,
    join,
)
from hwgen.generators.adversarial.recipe import DiscriminatorSpec

SLOPE = 0.2
"""Slope of D's leaky ReLUs."""


class AnyDiscriminator(nn.Module):
    """D as training sees it.

    Attributes:
        label_map: Φ; None for an unconditional network.
    """

    label_map: nn.Module | None

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
        raise NotImplementedError


class Discriminator(AnyDiscriminator):
    """D: images and labels to one number each, built from a DiscriminatorSpec.

    With the spec of `paper-hwdb` this is the authors' network: Φ(y) is concatenated to the output
    of every layer, but not to the image, which `label_on_image` adds.

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
            if joined and (i or spec.label_on_image):
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
        self.label_map: nn.Module | None = None
        if classes:
            self.label_map = LabelMap(classes, joined or width, spec.label_sd)

    def forward(
        self,
        x: Tensor,
        y: Tensor | None = None,
        label_weight: float | Tensor = 1.0,
        parts: int = 1,
    ) -> Tensor:
        """See AnyDiscriminator.forward."""
        phi = None if self.label_map is None else self.label_map(y) * label_weight
        concat = phi if self.spec.label == "concat" else None
        h = x
        for conv, norm in zip(self.convs, self.norms, strict=True):
            h = conv(h, concat) if isinstance(conv, LabelledConv2d) else conv(h)
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
