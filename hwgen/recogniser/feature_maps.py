"""What a frozen recogniser sees in images: its maps at several depths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from hwgen.pixel_range import PixelRange
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import folded

_LEAST = 0.1  # of the standard deviation of all: channels that hardly vary are not blown up


class FeatureMaps:
    """The maps after each stage of a recogniser but the first, and the input of its last layer.

    Nothing is trained, but gradients reach the images.

    Args:
        recogniser: with at least two stages.
        pixels: value range of the images.
        images: some of those that will be seen, float32 [N, C, S, S]; S is the recogniser's size.
        labels: of the classes whose weights are wanted.

    Attributes:
        shapes: channels and size of each map, from large to small; the last has size 1.
        means: of each channel of each map over `images`, shaped to be subtracted.
        rates: with which each channel, less its mean, has about standard deviation 1.
        parts: the layers between them.
        class_weights: float32 [classes, channels of the last map]: the recogniser's last weights,
            less their mean, at standard deviation 1; zeros for classes unknown to it.
    """

    def __init__(
        self, recogniser: Recogniser, pixels: PixelRange, images: Tensor, labels: Sequence[str]
    ) -> None:
        network = folded(recogniser.network).requires_grad_(False)
        layers = list(network)
        pools = [i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
        flatten = next(i for i, layer in enumerate(layers) if isinstance(layer, nn.Flatten))
        # Pooling is followed by batch norm and ReLU.
        ends = [0, *(i + 3 for i in pools[1:]), flatten, len(layers) - 1]
        self.parts = [network[a:b] for a, b in pairwise(ends)]
        reads = recogniser.recipe.pixels
        self._scale = (reads.ink - reads.paper) / (pixels.ink - pixels.paper)
        self._offset = reads.paper - pixels.paper * self._scale
        with torch.no_grad():
            maps = self(images)
        spread = partial(torch.std, correction=0)  # one image has a spread, too: none
        self.means = [_per_channel(torch.mean, m) for m in maps]
        self.rates = [
            1 / (_per_channel(spread, m) + _LEAST * spread(m)).clamp_min(1e-6) for m in maps
        ]
        self.shapes = [(m.shape[1], m.shape[2] if m.ndim == 4 else 1) for m in maps]
        last = layers[-1]
        assert isinstance(last, nn.Linear)
        self.class_weights = _class_weights(last.weight.detach(), recogniser, labels)

    def __call__(self, x: Tensor) -> list[Tensor]:
        """Float images [N, C, S, S] to maps [N, channels, size, size]; the last [N, channels]."""
        h, maps = x * self._scale + self._offset, []
        for part in self.parts:
            h = part(h)
            maps.append(h)
        return maps

    def to(self, device: torch.device) -> FeatureMaps:
        """Move the recogniser to a device; returns self."""
        self.parts = [part.to(device) for part in self.parts]
        return self


def _per_channel(statistic: Callable[..., Tensor], x: Tensor) -> Tensor:
    """A statistic over all dimensions but the second, which are kept."""
    return statistic(x, dim=[d for d in range(x.ndim) if d != 1], keepdim=True)


def _class_weights(weight: Tensor, recogniser: Recogniser, labels: Sequence[str]) -> Tensor:
    rows = {label: row for row, label in enumerate(recogniser.charset)}
    centred = weight - weight.mean(dim=0)
    padded = torch.cat([centred / centred.std().clamp_min(1e-6), torch.zeros_like(centred[:1])])
    return padded[[rows.get(label, -1) for label in labels]]
