"""Contact sheets: one image that shows many, row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage

from hwgen.errors import InputError
from hwgen.io.files import atomic_write
from hwgen.record import Image

GAP = 2
"""Width of the background between two images, pixels."""

BACKGROUND = 160
"""Grey value of the background."""


def evenly_spaced(total: int, wanted: int) -> npt.NDArray[np.int64]:
    """At most `wanted` indices below `total`, evenly spaced from 0 on."""
    count = min(total, wanted)
    return np.arange(count) * total // max(1, count)


def contact_sheet(images: Image, columns: int) -> PilImage.Image:
    """Images in rows on a grey background.

    Args:
        images: uint8 [n, h, w] or [n, h, w, 3], n >= 1.
        columns: number of images per row.

    Raises:
        InputError: no images.
    """
    if not len(images):
        raise InputError("there are no images to show")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height, width = images.shape[1:3]
    step_y, step_x = height + GAP, width + GAP
    shape = (rows * step_y + GAP, columns * step_x + GAP, *images.shape[3:])
    sheet = np.full(shape, BACKGROUND, np.uint8)
    for place, image in enumerate(images):
        top = place // columns * step_y + GAP
        left = place % columns * step_x + GAP
        sheet[top : top + height, left : left + width] = image
    return PilImage.fromarray(sheet)


def save_sheet(path: Path, images: Image, columns: int) -> None:
    """Write a contact sheet as a PNG file, atomically; creates its folder if missing."""
    image = contact_sheet(images, columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        image.save(temporary, format="PNG", optimize=True)
