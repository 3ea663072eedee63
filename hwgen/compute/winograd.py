"""Winograd's convolution for small feature maps on a CPU.

Minimal filtering F(4x4, 3x3) (Lavin & Gray 2016, arXiv 1509.09308, section 4): a tile of 4x4
outputs takes 36 products per pair of channels instead of 144,

    Y = A^T [(G w G^T) * (B^T x B)] A        (Eq. 8, tile by tile)

Faster than torch's conv2d, forward and backward, by 1.3 (128 channels, 8x8), 1.5 (256, 8x8) and 1.8
(256, 4x4), at batch 64 on one thread; the gain in whole training steps is in
benchmarks/results/throughput-2026-11-23-2cpu. All steps are matrix products, so autograd derives
the gradients, with the same saving. Rounding errors grow about fivefold: to 1e-4 at unit variance
in float32.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TILE = 4
"""Outputs per tile in each dimension."""

LARGEST = 8
"""Maximum size of a map: on larger maps, which have fewer channels, the transforms cost what they
save."""

MANY = 128
"""Minimum number of channels for which convolutions of a GAN's D are faster this way."""

_B_T = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_G = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_A_T = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution with stride 1 and padding 1, by Winograd's algorithm where it is faster."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels, width, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve float [N, channels, S, S] to [N, width, S, S]."""
        if pays(x, x.shape[-1]):
            return winograd(x, self.weight, self.bias)
        return super().forward(x)


def pays(x: Tensor, size: int) -> bool:
    """Whether Winograd's algorithm is faster for a map like x and a result of this size.

    True on a CPU, in float32, up to LARGEST. cuDNN chooses its algorithms by itself.
    """
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and size <= LARGEST
        and not torch.is_autocast_enabled("cpu")
    )


def conv5x5_halving(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A 5x5 convolution of stride 2 with TensorFlow's 'SAME' padding, as one 3x3 convolution.

    In polyphase form, the kernel has at most 3x3 taps on each of the four images of every second
    pixel. Faster only for many channels.

    Args:
        x: float32 [N, C, S, S], S even, on the CPU.
        weight: float32 [K, C, 5, 5].
        bias: float32 [K].

    Returns:
        float32 [N, K, S / 2, S / 2], channels_last.
    """
    six = F.pad(weight, (1, 0, 1, 0))
    return winograd(F.pixel_unshuffle(x, 2), F.pixel_unshuffle(six, 2), bias)


def winograd(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`conv2d(x, weight, bias, padding=1)` up to rounding.

    Args:
        x: float32 [N, C, S, S], on the CPU.
        weight: float32 [K, C, 3, 3].
        bias: float32 [K].

    Returns:
        float32 [N, K, S, S], channels_last.
    """
    n, c, side, _ = x.shape
    k = len(weight)
    into, out_of = _tilings(side)
    tiles = len(into) // 6
    # Rows, then columns: [S, S, N, C] -> [6 tiles, 6 tiles, N, C]. Batch and channels stay
    # last, so that each step is a few large products.
    spread = torch.matmul(
        into, (into @ x.permute(2, 3, 0, 1).reshape(side, -1)).view(-1, side, n * c)
    )
    points = spread.view(6, tiles, 6, tiles, -1).transpose(1, 2).reshape(36, -1, c)
    kernels = (_kernel_map() @ weight.permute(2, 3, 1, 0).reshape(9, -1)).view(36, c, k)
    products = torch.bmm(points, kernels)
    spread = products.view(6, 6, tiles, tiles, -1).transpose(1, 2).reshape(len(into), len(into), -1)
    y = (out_of @ torch.matmul(out_of, spread).view(len(into), -1)).view(side, side, n, k)
    if bias is not None:
        y = y + bias
    return y.permute(2, 3, 0, 1).contiguous(memory_format=torch.channels_last)


@functools.cache
@torch.inference_mode(False)  # the cached tensor may be used with autograd later
def _tilings(side: int) -> tuple[Tensor, Tensor]:
    """B^T of all tiles of a line, with the padding, [6 tiles, side], and A^T, [side, 6 tiles]."""
    tiles = -(-side // TILE)
    into = torch.zeros(6, tiles, TILE * tiles + 2)
    out_of = torch.zeros(tiles, TILE, 6, tiles)
    for tile in range(tiles):
        into[:, tile, TILE * tile : TILE * tile + 6] = torch.tensor(_B_T)
        out_of[tile, :, :, tile] = torch.tensor(_A_T)
    return (
        into[:, :, 1 : side + 1].reshape(6 * tiles, side),
        out_of.view(TILE * tiles, 6 * tiles)[:side].contiguous(),
    )


@functools.cache
@torch.inference_mode(False)  # the cached tensor may be used with autograd later
def _kernel_map() -> Tensor:
    """One matrix, [36, 9], for w -> G w G^T."""
    g = torch.tensor(_G)
    return torch.kron(g, g)
