"""In: rows of pictures. Out: one PNG with a row of pictures a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as PILImage

from hwgen.files import replacing
from hwgen.record import PAPER, Image


def grid_rows(classes: int, rows: int) -> list[int]:
    """At most `rows` class ids, evenly spread over all classes."""
    return sorted(set(np.linspace(0, classes - 1, min(rows, classes)).round().astype(int).tolist()))


def make_grid(rows: Sequence[Image], size: int | None = None) -> PILImage.Image:
    """Pictures in rows, two pixels apart; a short row is filled with paper.

    Args:
        rows: each uint8 [n, S, S] or [n, S, S, 3], n may differ.
        size: side to draw each picture with; None keeps S.
    """
    side = size or next((row.shape[1] for row in rows), 1)
    cell = side + 2
    mode = "RGB" if rows and rows[0].ndim == 4 else "L"
    width = max((len(row) for row in rows), default=1)
    sheet = PILImage.new(mode, (cell * width + 2, cell * len(rows) + 2), (PAPER,) * len(mode))
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            picture = PILImage.fromarray(image)
            if image.shape[0] != side:
                picture = picture.resize((side, side), PILImage.Resampling.BOX)
            sheet.paste(picture, (2 + j * cell, 2 + i * cell))
    return sheet


def save_grid(path: Path, rows: Sequence[Image], size: int | None = None) -> None:
    """Write `make_grid` as a PNG file, atomically."""
    with replacing(path) as temporary:
        make_grid(rows, size).save(temporary, format="PNG", optimize=True)
