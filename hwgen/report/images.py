"""In: uint8 pictures and PNG files. Out: data URIs that a page can hold."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image as PilImage

from hwgen.record import PAPER, Image

GAP = 1
"""Paper between two pictures of a sheet, pixels."""

_MOST_PIXELS = 1 << 26  # of a picture file that is read

_LONGEST = 1600  # side of the largest grid that a page holds, pixels


def data_uri(picture: PilImage.Image) -> str:
    """A picture as a PNG within a URI."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def read_picture(file: Path) -> str | None:
    """A picture file, decoded and written again as a data URI.

    None where there is no file, it is no PNG that can be decoded, or beyond measure. A large one is
    averaged down.
    """
    try:
        # No other format, since Pillow would call programs for some.
        with PilImage.open(file, formats=["PNG"]) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                return None
            picture = opened.convert("L" if opened.mode in ("1", "L", "I;16") else "RGB")
    except (OSError, ValueError, SyntaxError, PilImage.DecompressionBombError):
        return None
    picture.thumbnail((_LONGEST, _LONGEST), PilImage.Resampling.BOX)
    return data_uri(picture)


def sheet(images: Image, columns: int) -> str:
    """Pictures in reading order on one sheet of paper.

    Args:
        images: uint8 [n, size, size(, 3)], n > 0.
        columns: pictures a row.

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
