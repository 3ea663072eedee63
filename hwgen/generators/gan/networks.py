"""The generator G of a GAN, and both of its networks."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.generators.adversarial.build import build_discriminator, initialise_discriminator
from hwgen.generators.adversarial.discriminator import AnyDiscriminator
from hwgen.generators.adversarial.interface import AdversarialGenerator
from hwgen.generators.adversarial.layers import (
    ConditionalNorm,
    LabelMap,
    PlainNorm,
    SameConvTranspose2d,
    UpsampleConv2d,
    initialise,
    join,
)
from hwgen.generators.gan.presets import GeneratorSpec, Recipe
from hwgen.recogniser.feature_maps import FeatureMaps


class Generator(AdversarialGenerator):
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

    def sample_noise(self, count: int, generator: torch.Generator) -> Tensor:
        """See AdversarialGenerator; z, float32 [count, z_dim]."""
        shape = (count, self.spec.z_dim)
        if self.spec.z == "normal":
            return torch.randn(shape, generator=generator, device=generator.device)
        return torch.rand(shape, generator=generator, device=generator.device) * 2 - 1


def build_generator(recipe: Recipe, classes: int) -> Generator:
    """G alone, to load weights into; its own are not those of `build`."""
    classes = classes if recipe.conditional else 0
    return Generator(recipe.generator, recipe.channels, recipe.size, classes)


def build(
    recipe: Recipe, classes: int, maps: FeatureMaps | None = None
) -> tuple[Generator, AnyDiscriminator]:
    """G and D of a recipe, initialised from torch's global seed, on the CPU."""
    g, d = build_generator(recipe, classes), build_discriminator(recipe, classes, maps)
    initialise(g, recipe.init, slope=0.0)
    initialise_discriminator(d, recipe)
    return g, d
