"""Decoding image files, with limits, since they may be untrusted input."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image as PilImage
from PIL import ImageOps, UnidentifiedImageError, features

from hwgen.errors import InputError
from hwgen.imaging.channels import opaque
from hwgen.record import PAPER, BadRecord, Image

MAX_PIXELS = 1 << 24
"""Maximum pixels of an image, 4,096 x 4,096; checked before decoding."""

MAX_BYTES = 128 << 20
"""Maximum size of an image file; checked before reading."""

_AVIF = bool(features.check("avif"))  # pillow 11.3 or later

SUFFIXES = (
    *(".apng", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm"),
    *(".ppm", ".tif", ".tiff", ".webp"),
    *([".avif"] if _AVIF else []),
)
"""Suffixes of image files, in lower case."""

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP", *(["AVIF"] if _AVIF else []))
"""Pillow's formats that are accepted; some of its other readers start external programs."""

_HEADS = (b"BM", b"GIF8", b"\xff\xd8\xff", b"\x89PNG", b"II*\0", b"MM\0*", b"RIFF", b"P")
_LOOK_BYTES = 16
_SEVERAL = ("AVIF", "GIF", "PNG", "TIFF", "WEBP")
"""Formats that may hold several images."""

_NOT_A_PAGE = 0b101  # bits of TIFF's NewSubfileType: a preview, a mask
_SUBFILE_TYPE = 254
_MAX_PAGES = 64  # whose type is looked at


class Decoded(NamedTuple):
    """The first image of a file.

    Attributes:
        image: uint8 [h, w] or [h, w, 3].
        further: how many pages or frames follow it, previews not counted.
    """

    image: Image
    further: int


def decode(data: bytes, channels: int, *, ground: int = PAPER) -> Image:
    """See `decode_first`; only the image."""
    return decode_first(data, channels, ground=ground).image


def decode_first(data: bytes, channels: int, *, ground: int = PAPER) -> Decoded:
    """The first image of a file, rotated as its EXIF data says.

    Args:
        data: the file's bytes.
        channels: 1 grey, 3 colour.
        ground: grey value of what is transparent: white, or black if ink is light.

    Raises:
        InputError: not an image, damaged, or more than MAX_PIXELS; its ink has the colour of the
            ground; or it is dark as if its values had fewer bits than its format. The text says
            what was found.
    """
    if not data:
        raise InputError("no bytes")
    try:
        with PilImage.open(io.BytesIO(data), formats=FORMATS) as opened:
            width, height = opened.size
            if width * height > MAX_PIXELS:
                raise InputError(f"{width} x {height} pixels")
            deep = any(";16" in str(tile[3]) for tile in opened.tile)  # before loading clears it
            opened.load()
            with suppress(SyntaxError, struct.error):  # damaged EXIF data is ignored
                ImageOps.exif_transpose(opened, in_place=True)
            image = opaque(opened, ground).convert("L" if channels == 1 else "RGB")
            if deep:
                _refuse_few_bits(image)
            return Decoded(np.asarray(image), _further(opened))
    except InputError:
        raise
    except PilImage.DecompressionBombError:
        raise InputError("far too many pixels") from None
    except UnidentifiedImageError:
        raise InputError("an unknown format") from None
    except Exception as error:
        # Pillow's readers raise errors of any kind for damaged files.
        raise InputError(str(error) or type(error).__name__) from None


def looks_like_image(stream: BinaryIO) -> bool:
    """Whether a file begins as an image that `decode` reads; only its header is read.

    Args:
        stream: the file, seekable.
    """
    head = stream.read(_LOOK_BYTES)
    if not head.startswith(_HEADS) and not (_AVIF and head[4:8] == b"ftyp"):
        return False
    stream.seek(0)
    try:
        with PilImage.open(stream, formats=FORMATS) as opened:
            return min(opened.size) > 0
    except Exception:
        return False


def bad_image(name: str, size: int, found: str) -> BadRecord:
    """The BadRecord of one image file.

    Args:
        name: name of the file.
        size: its size in bytes, 0 if it could not be read.
        found: what was found instead of an image.
    """
    expected = f"an intact image of at most {MAX_PIXELS:,} pixels and {MAX_BYTES:,} bytes"
    return BadRecord(name, 0, size, expected, found, "bad image")


def _refuse_few_bits(image: PilImage.Image) -> None:
    """Refuse values of 8 to 14 bits stored as 16, which would be nearly black."""
    if np.asarray(image).max() < 1 << 6:
        raise InputError(
            "16-bit pixels, all below a quarter of white, as if values of fewer bits were stored: "
            "scale them to 16 bits"
        )


def _further(opened: PilImage.Image) -> int:
    """Number of pages or frames behind the first."""
    if opened.format not in _SEVERAL:
        return 0
    try:
        frames = getattr(opened, "n_frames", 1)
        further = frames - 1
        if opened.format == "TIFF":
            for page in range(1, min(frames, _MAX_PAGES)):
                opened.seek(page)
                kind = opened.tag_v2.get(_SUBFILE_TYPE, 0)  # type: ignore[attr-defined]
                further -= bool(kind & _NOT_A_PAGE)
    except Exception:  # damage behind the first image, which is read
        return 0
    return further
