"""Images and PNG files as data URIs."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image as PilImage

from hwgen.record import PAPER, Image

GAP = 1
"""White pixels between two images of a contact sheet."""

_MOST_PIXELS = 1 << 26  # limit of an image file that is read

_LONGEST = 1600  # longest edge of an image on a page, pixels


def data_uri(image: PilImage.Image) -> str:
    """An image as a PNG within a URI."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def read_image(file: Path) -> str | None:
    """An image file, decoded and encoded again as a data URI; a large one is averaged down.

    Returns:
        None if there is no file, or it is not a PNG of at most 67,108,864 pixels.
    """
    try:
        # PNG only: for some formats Pillow would call other programs.
        with PilImage.open(file, formats=["PNG"]) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                return None
            image = opened.convert("L" if opened.mode in ("1", "L", "I;16") else "RGB")
    except (OSError, ValueError, SyntaxError, PilImage.DecompressionBombError):
        return None
    image.thumbnail((_LONGEST, _LONGEST), PilImage.Resampling.BOX)
    return data_uri(image)


def sheet(images: Image, columns: int) -> str:
    """Images in reading order on one contact sheet.

    Args:
        images: uint8 [n, size, size(, 3)], n > 0.
        columns: images per row.

    Returns:
        The sheet as a data URI.
    """
    rows = -(-len(images) // columns)
    size, cell = images.shape[1], images.shape[1] + GAP
    out = np.full((rows * cell - GAP, columns * cell - GAP, *images.shape[3:]), PAPER, np.uint8)
    for i, image in enumerate(images):
        y, x = divmod(i, columns)
        out[y * cell : y * cell + size, x * cell : x * cell + size] = image
    return data_uri(PilImage.fromarray(out))
