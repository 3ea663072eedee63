"""Straightforward fp32 ports of GAN and refiner: baseline and reference of the training step.

In the GAN labels are one-hot vectors times a matrix, and Φ(y) is tiled over the feature map and
concatenated before every layer. In both, upsampling is a layer of its own; D sees real and
generated images in two passes; G generates its images again for its own step (as two calls of
`session.run` do in the authors' mcgan.py); memory layout, convolutions and Adam are torch's
defaults. Weights are copied from hwgen's networks.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.compute.winograd import Conv3x3
from hwgen.generators.adversarial.discriminator import SLOPE, Discriminator
from hwgen.generators.adversarial.feature_discriminator import FeatureDiscriminator
from hwgen.generators.adversarial.interface import AdversarialGenerator
from hwgen.generators.adversarial.layers import (
    ConditionalNorm,
    LabelMap,
    PlainNorm,
    SameConv2d,
    UpsampleConv2d,
    same_padding,
)
from hwgen.generators.adversarial.losses import discriminator_loss, generator_loss
from hwgen.generators.adversarial.recipe import AdversarialRecipe
from hwgen.generators.gan.networks import Generator
from hwgen.generators.gan.presets import Recipe
from hwgen.generators.refiner.generator import RefinerGenerator
from hwgen.generators.refiner.network import UpConv2d
from hwgen.generators.refiner.recipe import RefinerRecipe

G = TypeVar("G", bound=AdversarialGenerator)
D = TypeVar("D", bound=nn.Module)
_Network = TypeVar("_Network", bound=nn.Module)


class PlainStep(ABC, Generic[G, D]):
    """Networks, optimisers and training step of a port.

    Args:
        g: hwgen's generator; its weights are copied.
        d: hwgen's discriminator; its weights are copied.
        recipe: of both.
        classes: number of classes.
    """

    def __init__(self, g: G, d: D, recipe: AdversarialRecipe, classes: int) -> None:
        self.recipe, self.classes = recipe, classes
        self.g = _copy(g)
        self.d = _copy(d)
        self.ema = _copy(g).requires_grad_(False) if recipe.ema else None
        o = recipe.optimizer
        betas = (o.beta1, o.beta2)
        self.optimizer_g = torch.optim.Adam(self.g.parameters(), lr=o.lr_g, betas=betas)
        self.optimizer_d = torch.optim.Adam(self.d.parameters(), lr=o.lr_d, betas=betas)

    def __call__(
        self, x: Tensor, y: Tensor, step: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """One step of D, then one of G: x [N, C, S, S], y int64 [N] -> the two losses."""
        recipe, loss = self.recipe, self.recipe.loss
        labels = F.one_hot(y, self.classes).float()
        z = self.g.sample_noise(len(x), generator)

        fake = self.generate(z, labels).detach()
        penalised = recipe.r1_gamma > 0 and step % recipe.r1_every == 0
        real = x.clone().requires_grad_(penalised)
        d_real = self.discriminate(real, labels)
        loss_d = discriminator_loss(loss, d_real, self.discriminate(fake, labels))
        total = loss_d
        if penalised:
            (slope,) = torch.autograd.grad(d_real.sum(), real, create_graph=True)
            r1 = slope.square().sum(dim=(1, 2, 3)).mean()
            per_sum = len(x) if loss.reduction == "sum" else 1
            total = total + recipe.r1_gamma / 2 * recipe.r1_every * per_sum * r1
        self.optimizer_d.zero_grad()
        total.backward()
        self.optimizer_d.step()

        loss_g = generator_loss(loss, self.discriminate(self.generate(z, labels), labels))
        self.optimizer_g.zero_grad()
        loss_g.backward(inputs=list(self.g.parameters()))
        self.optimizer_g.step()
        if self.ema is not None:
            decay = min(recipe.ema, (1 + step) / (10 + step))
            with torch.no_grad():
                for average, value in zip(self.ema.parameters(), self.g.parameters(), strict=True):
                    average.mul_(decay).add_(value, alpha=1 - decay)
                for copied, buffer in zip(self.ema.buffers(), self.g.buffers(), strict=True):
                    copied.copy_(buffer)
        return loss_d.detach(), loss_g.detach()

    @abstractmethod
    def generate(self, z: Tensor, labels: Tensor) -> Tensor:
        """Noise and one-hot labels [N, classes] -> images [N, C, S, S]."""

    @abstractmethod
    def discriminate(self, x: Tensor, labels: Tensor) -> Tensor:
        """X [N, C, S, S], one-hot labels [N, classes] -> D(x | Φ(y)), [N]."""


class PlainGan(PlainStep[Generator, Discriminator]):
    """The conditional GAN, for any recipe; see PlainStep."""

    recipe: Recipe

    def generate(self, z: Tensor, labels: Tensor) -> Tensor:
        """Z [N, z_dim], one-hot labels [N, classes] -> images [N, C, S, S]."""
        g, spec = self.g, self.recipe.generator
        assert g.label_map is not None
        condition = torch.cat([z, labels @ g.label_map.weight + g.label_map.bias], dim=1)
        h = g.start(condition)
        shape = (len(z), spec.start[0], spec.start[1], spec.start[1])
        if isinstance(g.start_norm, PlainNorm):
            h = g.start_norm.norm(h).view(shape)
        else:
            h = _norm(g.start_norm, h.view(shape), condition)
        for conv, norm in zip(g.convs, g.norms, strict=False):
            h = _norm(norm, _up(conv, F.relu(h)), condition)
        h = _up(g.convs[-1], F.relu(h))
        return torch.sigmoid(h) if spec.output == "sigmoid" else torch.tanh(h)

    def discriminate(self, x: Tensor, labels: Tensor) -> Tensor:
        """X [N, C, S, S], one-hot labels [N, classes] -> D(x | Φ(y)), [N]."""
        d, spec = self.d, self.recipe.discriminator
        assert isinstance(d.label_map, LabelMap)
        phi = labels @ d.label_map.weight + d.label_map.bias
        concat = spec.label == "concat"
        h = x
        for i, (conv, norm) in enumerate(zip(d.convs, d.norms, strict=True)):
            if concat and (i or spec.label_on_image):
                tiled = phi[:, :, None, None].repeat(1, 1, h.shape[2], h.shape[3])
                h = torch.cat([h, tiled], dim=1)
            h = F.leaky_relu(norm(_down(conv, h)), SLOPE)
        h = h.flatten(1)
        if d.hidden is not None:
            h = torch.cat([h, phi], dim=1) if concat else h
            h = F.leaky_relu(d.hidden_norm(d.hidden(h)), SLOPE)
        out = d.out(torch.cat([h, phi], dim=1) if concat else h).squeeze(1)
        if not concat:
            out = out + (phi * h).sum(dim=1) / math.sqrt(h.shape[1])
        return out


class PlainRefiner(PlainStep[RefinerGenerator, FeatureDiscriminator]):
    """The refiner; see PlainStep. The recogniser in D has its batch norm folded in, too."""

    def __init__(
        self, g: RefinerGenerator, d: FeatureDiscriminator, recipe: RefinerRecipe, classes: int
    ) -> None:
        g, d = copy.deepcopy((g, d))
        for network in (g, d, *d.maps.parts):
            _replace_layers(network.to(memory_format=torch.contiguous_format))
        super().__init__(g, d, recipe, classes)

    def generate(self, z: Tensor, labels: Tensor) -> Tensor:
        """See PlainStep."""
        images: Tensor = self.g(z, labels.argmax(dim=1))
        return images

    def discriminate(self, x: Tensor, labels: Tensor) -> Tensor:
        """See PlainStep."""
        out: Tensor = self.d(x, labels.argmax(dim=1))
        return out


class _PlainConv2d(nn.Module):
    """TensorFlow's 'SAME' convolution by torch's own."""

    def __init__(self, conv: Any) -> None:
        super().__init__()
        self.weight, self.bias, self.stride = conv.weight, conv.bias, conv.stride
        self.kernel_size = conv.kernel_size

    def forward(self, x: Tensor) -> Tensor:
        return _down(self, x)


class _PlainUpConv2d(nn.Module):
    """Upsampling, concatenation, convolution."""

    def __init__(self, conv: UpConv2d) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias

    def forward(self, maps: Any) -> Tensor:
        coarse, fine = maps
        both = torch.cat([F.interpolate(coarse, scale_factor=2.0), fine], dim=1)
        return F.conv2d(both, self.weight, self.bias, padding=1)


def _replace_layers(network: nn.Module) -> None:
    """Replace convolutions that hwgen computes in other ways, in place; parameters stay."""
    for name, layer in network.named_children():
        if isinstance(layer, UpConv2d):
            setattr(network, name, _PlainUpConv2d(layer))
        elif isinstance(layer, SameConv2d | Conv3x3):
            setattr(network, name, _PlainConv2d(layer))
        else:
            _replace_layers(layer)


def _copy(network: _Network) -> _Network:
    """The same modules and weights, in torch's default memory layout."""
    copied = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    return copied.train().requires_grad_(True)


def _norm(norm: Any, h: Tensor, condition: Tensor) -> Tensor:
    if isinstance(norm, ConditionalNorm):
        gain, bias = norm.gain_and_bias(condition).chunk(2, dim=1)
        return norm.norm(h) * (1 + gain[:, :, None, None]) + bias[:, :, None, None]
    return norm.norm(h)


def _down(conv: Any, h: Tensor) -> Tensor:
    before, after = same_padding(h.shape[-1], conv.kernel_size[0], conv.stride[0])
    return F.conv2d(F.pad(h, (before, after, before, after)), conv.weight, conv.bias, conv.stride)


def _up(conv: Any, h: Tensor) -> Tensor:
    if isinstance(conv, UpsampleConv2d):
        h = F.interpolate(h, scale_factor=conv.factor, mode="nearest")
        before, after = same_padding(h.shape[-1], conv.kernel_size[0], 1)
        return F.conv2d(F.pad(h, (before, after, before, after)), conv.weight, conv.bias)
    size = h.shape[-1] * conv.stride[0]
    before, _ = same_padding(size, conv.kernel_size[0], conv.stride[0])
    h = F.conv_transpose2d(h, conv.weight, conv.bias, conv.stride)
    return h[..., before : before + size, before : before + size]
