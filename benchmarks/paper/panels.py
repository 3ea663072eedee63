"""In: pictures in a table. Out: one small PNG file of contact sheets, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hwgen.imaging.contact_sheets import contact_sheet
from hwgen.io.files import atomic_write
from hwgen.record import PAPER, Image

GREYS = 16
"""Enough for the eye; the file is a third of the size."""


def save_panels(file: Path, lines: Sequence[Sequence[Image]], columns: int) -> None:
    """Draw each entry as a contact sheet, a line of entries a row; what is missing is paper.

    Args:
        file: PNG.
        lines: of grey pictures, uint8 [n, h, w], as many in each entry.
        columns: pictures a row of an entry.
    """
    sheets = [[np.asarray(contact_sheet(images, columns)) for images in line] for line in lines]
    width = max(map(len, sheets))
    blank = np.full_like(next(sheet for line in sheets for sheet in line), PAPER)
    flat = [sheet for line in sheets for sheet in (*line, *[blank] * (width - len(line)))]
    with atomic_write(file) as temporary:
        contact_sheet(np.stack(flat), width).quantize(GREYS).save(temporary, "PNG", optimize=True)
