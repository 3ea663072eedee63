"""In: a map and 3x3 weights. Out: their convolution with padding 1, by a quarter of the products.

Winograd's minimal filtering F(4x4, 3x3) (Lavin & Gray 2016, arXiv 1509.09308, section 4): a tile of
4x4 outputs takes 36 products a pair of channels where the definition takes 144,

    Y = A^T [(G w G^T) * (B^T x B)] A        (Eq. 8, tile by tile)

All of it is matrix products, so autograd knows the gradients, and those save as much. Rounding
grows by about five: at unit variance the result is right to some 1e-4 in float32.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

TILE = 4
"""Outputs a tile and side."""

LARGEST = 8
"""Longest side where fewer products pay: the transforms cost as much as they save on larger maps,
which have fewer channels."""

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
    """A 3x3 convolution with stride 1 and padding 1, which takes the shorter way where it pays.

    That is on a CPU, in float32, on maps of a side up to LARGEST. A GPU's library chooses for
    itself.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels, width, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve float [N, channels, S, S] to [N, width, S, S]."""
        pays = (
            x.device.type == "cpu"
            and x.dtype == torch.float32
            and max(x.shape[2:]) <= LARGEST
            and not torch.is_autocast_enabled("cpu")
        )
        return winograd(x, self.weight, self.bias) if pays else super().forward(x)


def winograd(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The same as `conv2d(x, weight, bias, padding=1)`, to rounding.

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
    # Rows, then columns: [S, S, N, C] -> [6 tiles, 6 tiles, N, C]. The batch and the channels come
    # last all along, so that each step is a few large products.
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
@torch.inference_mode(False)  # what is kept may be wanted by autograd later
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
@torch.inference_mode(False)  # what is kept may be wanted by autograd later
def _kernel_map() -> Tensor:
    """One matrix, [36, 9], for w -> G w G^T."""
    g = torch.tensor(_G)
    return torch.kron(g, g)
