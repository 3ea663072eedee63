"""Grey and colour: Pillow images of any mode, and arrays of one or three channels."""

from __future__ import annotations

import numpy as np
from PIL import Image as PilImage

from hwgen.errors import InputError
from hwgen.record import PAPER, Image

_PHOTOMETRIC = 262  # TIFF's tag
_BLANK = 5  # difference in grey that is no ink


def to_channels(image: Image, channels: int) -> Image:
    """The same pixels as grey [h, w] or colour [h, w, 3].

    Args:
        image: uint8 [h, w] or [h, w, 3].
        channels: 1 grey, 3 colour.
    """
    if image.ndim == 2:
        return image if channels == 1 else np.repeat(image[:, :, None], 3, axis=2)
    if channels == 3:
        return image
    return np.asarray(PilImage.fromarray(image).convert("L"))


def opaque(image: PilImage.Image, ground: int = PAPER) -> PilImage.Image:
    """The image in a mode that Pillow converts correctly to grey or colour.

    Args:
        image: of any mode.
        ground: grey value of what is transparent.

    Raises:
        InputError: the value of white is not defined in its mode, or its ink has the colour of the
            ground.
    """
    if image.mode.startswith("I;16"):  # Pillow would clip values above 255
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        white_is_zero = getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0  # Pillow ignores it
        return PilImage.fromarray(255 - grey if white_is_zero else grey)
    if image.mode in ("I", "F"):
        raise InputError(f"pixels of mode {image.mode}, in which the value of white is not defined")
    if "A" in image.getbands() or "transparency" in image.info:
        layer = image.convert("RGBA")
        flat = PilImage.new("RGBA", layer.size, (ground, ground, ground, 255))
        flat = PilImage.alpha_composite(flat, layer)
        _refuse_lost_ink(layer, flat, ground)
        return flat
    return image


def _refuse_lost_ink(layer: PilImage.Image, flat: PilImage.Image, ground: int) -> None:
    """Refuse ink of the colour that transparent pixels get."""
    alpha, grey = np.asarray(layer.getchannel("A")), np.asarray(flat.convert("L"))
    if alpha.min() == 255 or alpha.max() == 0:
        return  # no transparency, or nothing else
    if ground == PAPER and grey.min() >= PAPER - _BLANK:
        raise InputError("white ink on a transparent ground, for which --invert is needed")
    if ground != PAPER and grey.max() <= ground + _BLANK:
        raise InputError("black ink on a transparent ground, for which --invert is wrong")
