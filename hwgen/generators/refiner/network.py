"""The refiner's generator: bends a simulated character by a smooth field and changes its ink.

Image-to-image translation without pairs, as in SimGAN (Shrivastava et al. 2017): the input gives
the character's structure, D gives the look of real handwriting. The network sees no label, so what
it learns on some characters applies to all. It begins as almost the identity.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.generators.adversarial.layers import SameConv2d, doubling_kernel, doubling_sums
from hwgen.generators.refiner.recipe import RefinerSpec

_STYLE = 64  # numbers that z becomes
_CODE = 2  # the input for the domain; more than 1, so that it counts beside z


class RefinerNet(nn.Module):
    """Simulated image and noise to a refined image; 1 is paper, -1 full ink.

    Args:
        spec: layers.
        size: width and height of the images, pixels: 4 times a power of 2.
    """

    def __init__(self, spec: RefinerSpec, size: int) -> None:
        super().__init__()
        self.spec = spec
        widths = spec.widths
        # The domain, one-hot, is part of the input that gives the style. There is no such input for
        # one domain.
        codes = _CODE * torch.eye(spec.domains)[:, : spec.domains if spec.domains > 1 else 0]
        self.codes: Tensor
        self.register_buffer("codes", codes, persistent=False)
        self.style = nn.Sequential(
            nn.Linear(spec.z_dim + codes.shape[1], _STYLE),
            nn.LeakyReLU(0.2),
            nn.Linear(_STYLE, _STYLE),
            nn.LeakyReLU(0.2),
        )
        self.down = nn.ModuleList(
            _Block(nn.Conv2d(before, width, 4, 2, 1))
            for before, width in zip((1, *widths), widths, strict=False)
        )
        self.middle = _Block(SameConv2d(widths[-1], widths[-1], 3, 1))
        # Up to half the size; each level sees the map of its size on the way down.
        self.up = nn.ModuleList(
            _Block(UpConv2d(below, width))
            for below, width in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.bend = _Block(nn.Conv2d(widths[-2], widths[-2], 3, padding=1))
        self.flow = nn.Conv2d(widths[-2], 2, 3, padding=1)
        self.fine = _Block(nn.Conv2d(widths[0] + 1, widths[0], 3, padding=1))
        self.ink = nn.Conv2d(widths[0], 1, 3, padding=1)
        for layer, deviation in ((self.flow, 0.005), (self.ink, 0.01)):
            nn.init.normal_(layer.weight, 0, deviation)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        places = (torch.arange(size) + 0.5) * (2 / size) - 1
        grid = torch.stack(torch.meshgrid(places, places, indexing="xy"), dim=-1)[None]
        self.grid: Tensor
        self.register_buffer("grid", grid, persistent=False)
        # Bicubic interpolation of control points as a matrix, which is faster.
        points = 2 * size >> len(widths)
        single = torch.eye(points**2).view(-1, 1, points, points)
        spread = F.interpolate(single, size=(size, size), mode="bicubic", align_corners=False)
        self.spread: Tensor
        self.register_buffer("spread", spread.flatten(1), persistent=False)

    def forward(self, x: Tensor, z: Tensor, domain: Tensor | None = None) -> Tensor:
        """Refine simulated images.

        Args:
            x: float [N, 1, S, S].
            z: float [N, z_dim].
            domain: int64 [N]; not needed where there is one.

        Returns:
            float32 [N, 1, S, S].
        """
        if self.spec.domains > 1:
            assert domain is not None
            z = torch.cat([z, self.codes[domain].to(z.dtype)], dim=1)
        style = self.style(z)
        maps, h = [], x
        for block in self.down:
            h = block(h, style)
            maps.append(h)
        h = self.middle(h, style)
        grid = None
        for block, seen in zip(self.up, maps[-2::-1], strict=True):
            h = block((h, seen), style)
            if grid is None:  # the coarsest level above the middle
                grid = self._sampling_grid(self.bend(h, style))
        assert grid is not None
        bent = F.grid_sample(x.float() - 1, grid, align_corners=False) + 1
        if not self.spec.ink:
            return bent
        h = F.grid_sample(_doubled(h).float(), grid, align_corners=False)
        h = self.fine(torch.cat([h, bent], dim=1), style)
        # tanh(1.5) is 0.9: G can whiten paper and blacken ink.
        return torch.tanh(1.5 * bent + self.ink(h).float())

    def _sampling_grid(self, h: Tensor) -> Tensor:
        """Where each pixel comes from, float [N, S, S, 2]."""
        flow = torch.tanh(self.flow(h).float()) * self.spec.flow
        spread = (flow.flatten(2) @ self.spread).float().unflatten(2, self.grid.shape[1:3])
        return self.grid + spread.permute(0, 2, 3, 1)


class _Block(nn.Module):
    """Convolution, batch norm whose gain and bias are linear in the style, ReLU."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.norm = nn.BatchNorm2d(conv.out_channels, affine=False)
        self.modulation = nn.Linear(_STYLE, 2 * conv.out_channels)
        nn.init.normal_(self.modulation.weight, 0, 0.05)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Any, style: Tensor) -> Tensor:
        h = self.conv(x)
        gain, bias = self.modulation(style)[:, :, None, None].chunk(2, dim=1)
        if self.training:
            return (self.norm(h) * (1 + gain)).add_(bias).relu_()
        mean, variance = self.norm.running_mean, self.norm.running_var
        assert mean is not None
        assert variance is not None
        scale = (1 + gain) * (variance + self.norm.eps).rsqrt()[:, None, None]
        return torch.addcmul(bias - mean[:, None, None] * scale, h, scale).relu_()


class UpConv2d(nn.Conv2d):
    """A 3x3 convolution of two maps: one of half the size, whose pixels are doubled, and another.

    The first is computed as a transposed convolution, see
    hwgen.generators.adversarial.layers.UpsampleConv2d: the same numbers with 4/9 of the products.
    """

    def __init__(self, below: int, width: int) -> None:
        super().__init__(below + width, width, 3, padding=1)
        self.below = below
        self.sums: Tensor
        self.register_buffer("sums", doubling_sums(), persistent=False)

    def forward(self, maps: Any) -> Tensor:
        """Two maps [N, below, H, H] and [N, width, 2H, 2H] to one [N, width, 2H, 2H]."""
        coarse, fine = maps
        low, high = self.weight.split([self.below, self.out_channels], dim=1)
        kernel = doubling_kernel(low, self.sums)
        doubled = F.conv_transpose2d(coarse, kernel, stride=2, padding=1)
        return F.conv2d(fine, high, self.bias, padding=1) + doubled


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0)


def fold_style(tensors: dict[str, Tensor], prefix: str, number: int, domains: int) -> None:
    """Turn weights of a RefinerNet of several domains into those of one domain, in place.

    Weights of other shapes, or of another network, are left as they are.

    Args:
        tensors: by name.
        prefix: of the network's.
        number: of the domain, from 0.
        domains: number of them.
    """
    weight, bias = (tensors.get(f"{prefix}style.0.{name}") for name in ("weight", "bias"))
    if weight is not None and bias is not None and weight.shape[1:] > (domains,):
        z, codes = weight.split([weight.shape[1] - domains, domains], dim=1)
        tensors[f"{prefix}style.0.weight"] = z
        tensors[f"{prefix}style.0.bias"] = bias + _CODE * codes[:, number]
