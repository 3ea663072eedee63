"""In: a picture of any size. Out: the same picture, uint8 [size, size], as a store holds it."""

from __future__ import annotations

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
    """How a picture of any size becomes a square one.

    By default the aspect ratio stays: the longer side is scaled, up or down, to the frame's inner
    side and the picture is centred on paper. Scaling is bilinear and antialiased (Pillow's
    BILINEAR, whose triangle grows with the reduction).

    Attributes:
        size: side of the result, pixels.
        stretch: fill the whole frame and give up the aspect ratio, as the paper does.
        margin: paper left free on each side, pixels; -1 takes size // 16, or 0 with `stretch`.

    Raises:
        InputError: nothing would be left of the frame, or `stretch` is asked to keep a margin.
    """

    size: int = 64
    stretch: bool = False
    margin: int = -1

    def __post_init__(self) -> None:
        if self.margin == -1:
            object.__setattr__(self, "margin", 0 if self.stretch else self.size // 16)
        if self.margin < 0 or self.size - 2 * self.margin < 1:
            raise InputError(
                f"a margin of {self.margin} leaves no room in a frame of {self.size} pixels"
            )
        if self.stretch and self.margin:
            raise InputError("stretch fills the frame, so it has no margin", remedy="Drop one")

    def apply(self, image: Image) -> Image:
        """Frame one grey picture.

        Args:
            image: uint8 [h, w], 255 = paper.

        Returns:
            uint8 [size, size].
        """
        return self.apply_batch([image])[0]

    def apply_batch(self, images: Sequence[Image], out: Image | None = None) -> Image:
        """Frame grey pictures, each as `apply` does.

        Args:
            images: n times uint8 [h, w], of any sizes.
            out: where to put the result; None makes an array.

        Returns:
            uint8 [n, size, size].
        """
        if out is None:
            out = np.empty((len(images), self.size, self.size), np.uint8)
        # Sheets of many frames, since turning a Pillow image into an array costs more than scaling
        # a small one; not larger, so that their memory is used again and again.
        step = max(1, _SHEET_BYTES // self.size**2)
        for start in range(0, len(images), step):
            some = images[start : start + step]
            sheet = PilImage.new("L", (self.size, self.size * len(some)), PAPER)
            for row, image in enumerate(some):
                height, width = image.shape
                box = self.scaled(height, width)
                view = PilImage.frombuffer("L", (width, height), np.ascontiguousarray(image))
                left, top = (self.size - box[0]) // 2, (self.size - box[1]) // 2
                scaled = view.resize(box, PilImage.Resampling.BILINEAR)
                sheet.paste(scaled, (left, row * self.size + top))
            out[start : start + step] = np.asarray(sheet).reshape(-1, self.size, self.size)
        return out

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        """Width and height, within the frame, of a picture of this height and width; pixels."""
        inner = self.size - 2 * self.margin
        if self.stretch:
            return inner, inner
        scale = inner / max(height, width)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that decides every pixel, for recipes and manifests."""
        return {**asdict(self), "filter": "bilinear, antialiased"}
