"""The discriminator D that sees images through a frozen recogniser.

As in projected GANs (Sauer et al. 2021, arXiv 2111.01007, section 3), D's input are the maps of a
network that was trained for another task, at several depths. Here it is a recogniser of the same
characters, whose weights of each class initialise Φ (Sauer et al. 2022, StyleGAN-XL, section 3.1,
initialise it from a classifier, too). D need not learn what a character is, so that it tells real
from generated samples of a class after few steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.generators.adversarial.discriminator import SLOPE, AnyDiscriminator
from hwgen.generators.adversarial.layers import LabelMap, SameConv2d
from hwgen.generators.adversarial.recipe import DiscriminatorSpec
from hwgen.recogniser.feature_maps import FeatureMaps


class FeatureDiscriminator(AnyDiscriminator):
    """Maps and labels to one number each.

    Maps larger than the smallest are halved by convolutions until they have its size, all are
    joined by another convolution and a linear layer, and <Φ(y), h> is added to the output, where h
    is the linear layer's output beside the input of the recogniser's last layer.

    Args:
        spec: its stages are the halving and the joining convolution.
        maps: of a frozen recogniser. They are no part of the state, but how they are scaled is: the
            same recogniser must be given again.
        classes: number of classes.
    """

    def __init__(self, spec: DiscriminatorSpec, maps: FeatureMaps, classes: int) -> None:
        super().__init__()
        self.spec, self.maps = spec, maps
        for number, (mean, rate) in enumerate(zip(maps.means, maps.rates, strict=True)):
            self.register_buffer(f"mean{number}", mean)
            self.register_buffer(f"rate{number}", rate)
        *shapes, (width, _) = maps.shapes
        halving, joining = spec.stages
        size = shapes[-1][1]
        self.halves = nn.ModuleList()
        joined = 0
        for channels, large in shapes:
            steps: list[nn.Module] = []
            while large > size:
                steps += [
                    SameConv2d(channels, halving.channels, halving.kernel, halving.stride),
                    nn.LeakyReLU(SLOPE),
                ]
                channels, large = halving.channels, large // 2
            self.halves.append(nn.Sequential(*steps))
            joined += channels
        self.join = SameConv2d(joined, joining.channels, joining.kernel, joining.stride)
        self.hidden = nn.Linear(joining.channels * size**2, spec.hidden)
        self.out = nn.Linear(spec.hidden + width, 1)
        self.label_map: nn.Module = LabelMap(classes, spec.hidden + width, spec.label_sd)

    @torch.no_grad()
    def initialise_classes(self) -> None:
        """Initialise Φ, as far as it weighs the recogniser's features, with its class weights."""
        assert isinstance(self.label_map, LabelMap)
        weights = self.maps.class_weights * self.spec.label_sd
        self.label_map.weight[:, self.spec.hidden :] = weights

    def forward(
        self,
        x: Tensor,
        y: Tensor | None = None,
        label_weight: float | Tensor = 1.0,
        parts: int = 1,
    ) -> Tensor:
        """See AnyDiscriminator.forward."""
        assert y is not None
        *maps, last = [
            (m - getattr(self, f"mean{number}")) * getattr(self, f"rate{number}")
            for number, m in enumerate(self.maps(x))
        ]
        joined = torch.cat([half(m) for half, m in zip(self.halves, maps, strict=True)], dim=1)
        h = F.leaky_relu(self.join(joined), SLOPE)
        h = F.leaky_relu(self.hidden(h.flatten(1)), SLOPE)
        h = torch.cat([h, last], dim=1)
        phi = self.label_map(y) * label_weight
        out = self.out(h).squeeze(1) + (phi * h).sum(dim=1) / math.sqrt(h.shape[1])
        return out.float()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FeatureDiscriminator:
        super()._apply(fn, recurse)
        self.maps.to(next(self.parameters()).device)
        return self
