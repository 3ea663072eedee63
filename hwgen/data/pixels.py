"""Conversion between grey values (uint8) and floats, and smaller images.

The only module that converts between the two.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hwgen.errors import InputError
from hwgen.pixel_range import PixelRange
from hwgen.record import Image


def to_float(images: Tensor, pixels: PixelRange) -> Tensor:
    """Grey values to the network's range: uint8 [...] -> float32 [...]."""
    # One pass over memory: ink + images * scale.
    ink = torch.tensor(pixels.ink)
    return torch.add(ink, images, alpha=(pixels.paper - pixels.ink) / 255)


def to_uint8(x: Tensor, pixels: PixelRange) -> Tensor:
    """The inverse of `to_float`, rounded to the nearest grey value and clipped."""
    grey = (x.float() - pixels.ink) * (255 / (pixels.paper - pixels.ink))
    return grey.round_().clamp_(0, 255).to(torch.uint8)


def average_down(images: Tensor, size: int) -> Tensor:
    """Area-average uint8 [N, C, H, H] to uint8 [N, C, size, size].

    Raises:
        InputError: the images are smaller than `size`.
    """
    stored = images.shape[-1]
    if stored == size:
        return images
    if stored < size:
        raise InputError(
            f"the store's images are {stored} pixels wide, expected at least {size}",
            remedy=f"Prepare the store with --size {size} or more",
        )
    return F.interpolate(images.float(), size=(size, size), mode="area").round_().to(torch.uint8)


def enlarge(images: Tensor, size: int) -> Tensor:
    """Interpolate uint8 [N, C, H, H], H at most `size`, bilinearly to uint8 [N, C, size, size]."""
    wide = F.interpolate(images.float(), size=(size, size), mode="bilinear", align_corners=False)
    return wide.round_().to(torch.uint8)


def to_tensor(images: Image, device: torch.device) -> Tensor:
    """uint8 [N, h, w] or [N, h, w, 3] -> uint8 [N, C, h, w] on the device."""
    tensor = torch.from_numpy(images).to(device)
    return tensor.unsqueeze(1) if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2).contiguous()


def to_images(tensor: Tensor) -> Image:
    """The inverse of `to_tensor`: uint8 [N, C, h, w] -> [N, h, w] or [N, h, w, 3]."""
    images = tensor.cpu().numpy()
    return images[:, 0] if images.shape[1] == 1 else images.transpose(0, 2, 3, 1)
