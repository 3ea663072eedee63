"""Images of strokes to augment."""

import torch
from torch import Tensor

from hwgen.pixel_range import PixelRange

INK = PixelRange(paper=0.0, ink=1.0)


def strokes(count: int = 1, side: int = 24) -> Tensor:
    x = torch.zeros(count, 1, side, side)
    x[:, :, 6:18, 9:12] = 1
    x[:, :, 6:9, 9:18] = 0.5
    return x
