"""The network of a deformation model, and its loss.

A conditional variational autoencoder (Kingma & Welling 2014; Sohn et al. 2015) whose decoder
outputs a smooth displacement field instead of pixels. The encoder gets two samples x and x' of the
same character and outputs the z that leads from one to the other; the decoder gets x and z and
deforms x towards x'. Neither gets the class, so that what is learnt on one class applies to all. To
learn the variation within classes from pairs and apply it to other classes is the idea of Miller et
al. 2000 (Learning from one example through shared densities on transforms) and Hauberg et al. 2016
(Dreaming more data).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.generators.deformation.recipe import DeformationRecipe
from hwgen.imaging import warps

_REACH = 0.2
"""Unit of displacement: an output of 1 moves ink by a tenth of the image size."""

_SCALES = ((4, 2, 4.0), (8, 4, 37.0))
"""Windows of the distance: size and stride in pixels, and weight."""


class DeformationNet(nn.Module):
    """Encoder and decoder; ink is 1, paper 0.

    Args:
        recipe: layers.
    """

    def __init__(self, recipe: DeformationRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        width, z_dim = recipe.width, recipe.z_dim
        self.encoder = nn.Sequential(
            *_halving(2, width),
            *_halving(width, 2 * width),
            *_halving(2 * width, 2 * width),
            nn.Flatten(),
            nn.Linear(2 * width * (recipe.size // 8) ** 2, 2 * z_dim),
        )
        self.look = nn.Sequential(*_halving(1, width), *_halving(width, 2 * width))
        self.modulation = nn.Linear(z_dim, 4 * width)
        self.spread = nn.Linear(z_dim, width // 2 * (recipe.grid // 2) ** 2)
        self.bend = nn.Sequential(
            nn.Conv2d(2 * width + width // 2, 2 * width, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(2 * width, 2, 3, padding=1),
        )
        self.map = nn.Linear(z_dim, 6)
        # The identity at first.
        for layer in (self.bend[-1], self.map):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def encode(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The z that leads from x to target, both float [N, 1, S, S].

        Returns:
            Mean and log variance of z, float [N, z_dim].
        """
        mean, log_variance = self.encoder(torch.cat([x, target], dim=1)).chunk(2, dim=1)
        return mean, log_variance

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """The deformation of x by z.

        Args:
            x: float [N, 1, S, S].
            z: float [N, z_dim].

        Returns:
            Amplitudes float [N, 2, 3 + grid^2], see hwgen.imaging.warps.sampling_grid.
        """
        gain, bias = self.modulation(z)[:, :, None, None].chunk(2, dim=1)
        seen = self.look(x) * (1 + gain) + bias
        half = self.recipe.grid // 2
        coarse = F.interpolate(self.spread(z).unflatten(1, (-1, half, half)), scale_factor=2.0)
        points = self.bend(torch.cat([seen, coarse], dim=1)).flatten(2)
        identity = torch.eye(2, 3, device=x.device)
        return torch.cat(
            [identity + _REACH * self.map(z).unflatten(1, (2, 3)), _REACH * points], dim=2
        )


def deform(ink: Tensor, amplitudes: Tensor) -> Tensor:
    """Ink float [N, C, S, S] of any size, moved by `DeformationNet`'s amplitudes."""
    return warps.sample_bilinear(ink, warps.sampling_grid(amplitudes, ink.shape[-1]))


def pair_loss(net: DeformationNet, x: Tensor, target: Tensor, noise: Tensor) -> dict[str, Tensor]:
    """The loss and its parts: means over pairs of samples of the same class.

    Args:
        net: not changed.
        x: float [N, 1, S, S], ink 1.
        target: another sample of the class of each.
        noise: standard normal [N, z_dim], to sample z (Kingma & Welling 2014, section 2.4).

    Returns:
        "loss"; "distance" between deformed x and target, "unbent" between x and target, "kl".
    """
    recipe = net.recipe
    mean, log_variance = net.encode(x, target)
    amplitudes = net(x, mean + noise * (log_variance / 2).exp())
    distance = _distance(deform(x, amplitudes), target)
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
    points = amplitudes[:, :, 3:].unflatten(2, (recipe.grid, recipe.grid))
    roughness = sum(points.diff(dim=axis).square().sum(dim=(1, 2, 3)).mean() for axis in (2, 3))
    return {
        "loss": distance + recipe.kl * kl + recipe.smoothness * roughness,
        "distance": distance.detach(),
        "unbent": _distance(x, target).detach(),
        "kl": kl.detach(),
    }


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared differences of window means, so that small misalignments of a stroke count less."""
    difference = a - b
    return (
        torch.stack(
            [
                weight
                * F.avg_pool2d(difference, size, stride, padding=size // 2).square().sum((1, 2, 3))
                for size, stride, weight in _SCALES
            ]
        )
        .sum(dim=0)
        .mean()
    )


def _halving(channels: int, width: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(channels, width, 3, stride=2, padding=1),
        nn.BatchNorm2d(width),
        nn.LeakyReLU(0.1),
    )
