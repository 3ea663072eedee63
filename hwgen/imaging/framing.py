"""Framing: scaling images of any size to the square size of a store."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image as PilImage

from hwgen.errors import InputError
from hwgen.record import PAPER, Image

_SHEET_BYTES = 256 << 10


@dataclass(frozen=True)
class Framing:
    """How an image of any size is made square.

    By default the aspect ratio is kept: the longer of width and height is scaled, up or down, to
    the size within the margin, and the image is centred on paper. Scaling is bilinear and
    antialiased (Pillow's BILINEAR, with a filter as wide as the reduction).

    Attributes:
        size: width and height of the result, pixels.
        stretch: fill the whole frame without keeping the aspect ratio, as the paper does.
        margin: width of the paper border, pixels; -1 stands for size // 16, or 0 with `stretch`
            or `crop`.
        crop: fill the whole frame with the centre square of the image.

    Raises:
        InputError: the margin leaves no space, or options that exclude each other.
    """

    size: int = 64
    stretch: bool = False
    margin: int = -1
    crop: bool = False

    def __post_init__(self) -> None:
        if self.stretch and self.crop:
            raise InputError("stretch and crop exclude each other", remedy="Use one of them")
        fills = self.stretch or self.crop
        if self.margin == -1:
            object.__setattr__(self, "margin", 0 if fills else self.size // 16)
        if self.margin < 0 or self.size - 2 * self.margin < 1:
            raise InputError(
                f"a margin of {self.margin} pixels leaves no space in an image of {self.size}",
                remedy=f"Give a margin from 0 to {(self.size - 1) // 2}",
            )
        if fills and self.margin:
            how = "stretch" if self.stretch else "crop"
            raise InputError(f"{how} and a margin exclude each other", remedy="Use one of them")

    def apply(self, image: Image) -> Image:
        """Frame one image.

        Args:
            image: uint8 [h, w], 255 = paper, or [h, w, 3].

        Returns:
            uint8 [size, size] or [size, size, 3].
        """
        return self.apply_batch([image])[0]

    def apply_batch(self, images: Sequence[Image], out: Image | None = None) -> Image:
        """Frame many images.

        Args:
            images: n times uint8 [h, w] of any sizes, or n times [h, w, 3].
            out: array for the result; None creates one.

        Returns:
            uint8 [n, size, size] or [n, size, size, 3].
        """
        colours = images[0].shape[2:] if images else ()
        mode = "RGB" if colours else "L"
        shape = (self.size, self.size, *colours)
        if out is None:
            out = np.empty((len(images), *shape), np.uint8)
        # Sheets of many frames, since converting a Pillow image to an array costs more than scaling
        # a small one; limited in size, so that their memory is reused.
        step = max(1, _SHEET_BYTES // math.prod(shape))
        paper = (PAPER,) * len(mode)
        for start in range(0, len(images), step):
            some = images[start : start + step]
            sheet = PilImage.new(mode, (self.size, self.size * len(some)), paper)
            for row, image in enumerate(map(self._cropped, some)):
                height, width = image.shape[:2]
                box = self.scaled(height, width)
                view = PilImage.frombuffer(mode, (width, height), np.ascontiguousarray(image))
                left, top = (self.size - box[0]) // 2, (self.size - box[1]) // 2
                scaled = view.resize(box, PilImage.Resampling.BILINEAR)
                sheet.paste(scaled, (left, row * self.size + top))
            out[start : start + step] = np.asarray(sheet).reshape(-1, *shape)
        return out

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        """Width and height in the frame of an image of this height and width; pixels."""
        inner = self.size - 2 * self.margin
        if self.stretch or self.crop:
            return inner, inner
        scale = inner / max(height, width)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def _cropped(self, image: Image) -> Image:
        """The part of an image that is scaled: all of it, or its centre square."""
        if not self.crop:
            return image
        height, width = image.shape[:2]
        size = min(height, width)
        top, left = (height - size) // 2, (width - size) // 2
        return image[top : top + size, left : left + size]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON of all parameters, for recipes and manifests."""
        fields = {**asdict(self), "filter": "bilinear, antialiased"}
        if not self.crop:
            del fields["crop"]  # absent from older manifests, too
        return fields
