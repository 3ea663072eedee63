"""A table of contact sheets in one small PNG file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hwgen.imaging.contact_sheets import contact_sheet
from hwgen.io.files import atomic_write
from hwgen.record import PAPER, Image

GREYS = 16
"""Grey levels of the file: not visibly fewer, and a third of the size."""


def save_panels(file: Path, lines: Sequence[Sequence[Image]], columns: int) -> None:
    """Save each entry as a contact sheet, one line of entries per row; missing entries are blank.

    Args:
        file: PNG.
        lines: entries of grey images, uint8 [n, h, w], equally many in each.
        columns: images per row of an entry.
    """
    sheets = [[np.asarray(contact_sheet(images, columns)) for images in line] for line in lines]
    width = max(map(len, sheets))
    blank = np.full_like(next(sheet for line in sheets for sheet in line), PAPER)
    flat = [sheet for line in sheets for sheet in (*line, *[blank] * (width - len(line)))]
    with atomic_write(file) as temporary:
        contact_sheet(np.stack(flat), width).quantize(GREYS).save(temporary, "PNG", optimize=True)
