"""In: an image of any size. Out: the same, uint8 [size, size(, 3)], as a store holds it."""

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
    """How an image of any size becomes a square one.

    By default the aspect ratio stays: the longer side is scaled, up or down, to the frame's inner
    side and the image is centred on paper. Scaling is bilinear and antialiased (Pillow's
    BILINEAR, whose triangle grows with the reduction).

    Attributes:
        size: side of the result, pixels.
        stretch: fill the whole frame and give up the aspect ratio, as the paper does.
        margin: paper left free on each side, pixels; -1 takes size // 16, or 0 where the frame is
            filled.
        crop: fill the whole frame with the centre square of the image.

    Raises:
        InputError: nothing would be left of the frame, or it shall be filled in two ways, or be
            filled and keep a margin.
    """

    size: int = 64
    stretch: bool = False
    margin: int = -1
    crop: bool = False

    def __post_init__(self) -> None:
        if self.stretch and self.crop:
            raise InputError("a frame is filled by stretching or by cropping", remedy="Drop one")
        fills = self.stretch or self.crop
        if self.margin == -1:
            object.__setattr__(self, "margin", 0 if fills else self.size // 16)
        if self.margin < 0 or self.size - 2 * self.margin < 1:
            raise InputError(
                f"a margin of {self.margin} leaves no room in a frame of {self.size} pixels"
            )
        if fills and self.margin:
            how = "stretch" if self.stretch else "crop"
            raise InputError(f"{how} fills the frame, so it has no margin", remedy="Drop one")

    def apply(self, image: Image) -> Image:
        """Frame one image.

        Args:
            image: uint8 [h, w], 255 = paper, or [h, w, 3].

        Returns:
            uint8 [size, size] or [size, size, 3].
        """
        return self.apply_batch([image])[0]

    def apply_batch(self, images: Sequence[Image], out: Image | None = None) -> Image:
        """Frame images, each as `apply` does.

        Args:
            images: n times uint8 [h, w] of any sizes, or n times [h, w, 3].
            out: where to put the result; None makes an array.

        Returns:
            uint8 [n, size, size] or [n, size, size, 3].
        """
        colours = images[0].shape[2:] if images else ()
        mode = "RGB" if colours else "L"
        shape = (self.size, self.size, *colours)
        if out is None:
            out = np.empty((len(images), *shape), np.uint8)
        # Sheets of many frames, since turning a Pillow image into an array costs more than scaling
        # a small one; not larger, so that their memory is used again and again.
        step = max(1, _SHEET_BYTES // math.prod(shape))
        paper = (PAPER,) * len(mode)
        for start in range(0, len(images), step):
            some = images[start : start + step]
            sheet = PilImage.new(mode, (self.size, self.size * len(some)), paper)
            for row, image in enumerate(map(self._shown, some)):
                height, width = image.shape[:2]
                box = self.scaled(height, width)
                view = PilImage.frombuffer(mode, (width, height), np.ascontiguousarray(image))
                left, top = (self.size - box[0]) // 2, (self.size - box[1]) // 2
                scaled = view.resize(box, PilImage.Resampling.BILINEAR)
                sheet.paste(scaled, (left, row * self.size + top))
            out[start : start + step] = np.asarray(sheet).reshape(-1, *shape)
        return out

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        """Width and height, within the frame, of an image of this height and width; pixels."""
        inner = self.size - 2 * self.margin
        if self.stretch or self.crop:
            return inner, inner
        scale = inner / max(height, width)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def _shown(self, image: Image) -> Image:
        """What is shown of an image, cut out before it is scaled."""
        if not self.crop:
            return image
        height, width = image.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return image[top : top + side, left : left + side]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that decides every pixel, for recipes and manifests."""
        view = {**asdict(self), "filter": "bilinear, antialiased"}
        if not self.crop:
            del view["crop"]  # manifests from before there was a choice do not name it either
        return view
