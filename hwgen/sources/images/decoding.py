"""Decoding image files, with limits, since they may be untrusted input."""

from __future__ import annotations

import io
import struct
from contextlib import suppress

import numpy as np
from PIL import Image as PilImage
from PIL import ImageOps, UnidentifiedImageError

from hwgen.errors import InputError
from hwgen.record import PAPER, BadRecord, Image

MAX_PIXELS = 1 << 24
"""Maximum pixels of an image, 4,096 x 4,096; checked before decoding."""

MAX_BYTES = 128 << 20
"""Maximum size of an image file; checked before reading."""

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Suffixes of image files, in lower case."""

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's formats that are accepted; some of its other readers start external programs."""


def decode(data: bytes, channels: int) -> Image:
    """The first image of a file, rotated as its EXIF data says, on white where it is transparent.

    Args:
        data: the file's bytes.
        channels: 1 grey, 3 colour.

    Returns:
        uint8 [h, w] or [h, w, 3].

    Raises:
        InputError: not an image, damaged, or more than MAX_PIXELS; the text says what was found.
    """
    if not data:
        raise InputError("no bytes")
    try:
        with PilImage.open(io.BytesIO(data), formats=FORMATS) as opened:
            width, height = opened.size
            if width * height > MAX_PIXELS:
                raise InputError(f"{width} x {height} pixels")
            opened.load()
            with suppress(SyntaxError, struct.error):  # damaged EXIF data is ignored
                ImageOps.exif_transpose(opened, in_place=True)
            image = _opaque(opened)
            return np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except InputError:
        raise
    except PilImage.DecompressionBombError:
        raise InputError("far too many pixels") from None
    except UnidentifiedImageError:
        raise InputError("an unknown format") from None
    except Exception as error:
        # Pillow's readers raise errors of any kind for damaged files.
        raise InputError(str(error) or type(error).__name__) from None


def bad_image(name: str, size: int, found: str) -> BadRecord:
    """The BadRecord of one image file.

    Args:
        name: name of the file.
        size: its size in bytes, 0 if it could not be read.
        found: what was found instead of an image.
    """
    expected = f"an intact image of at most {MAX_PIXELS:,} pixels and {MAX_BYTES:,} bytes"
    return BadRecord(name, 0, size, expected, found, "bad image")


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


def _opaque(image: PilImage.Image) -> PilImage.Image:
    """The image in a mode that Pillow converts correctly to grey or colour."""
    if image.mode.startswith("I;16"):  # Pillow would clip values above 255
        return PilImage.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise InputError(f"pixels of mode {image.mode}, in which the value of white is not defined")
    if "A" in image.getbands() or "transparency" in image.info:
        layer = image.convert("RGBA")
        ground = PilImage.new("RGBA", layer.size, (PAPER, PAPER, PAPER, 255))
        return PilImage.alpha_composite(ground, layer)
    return image
