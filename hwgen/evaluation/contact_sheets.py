"""In: a reading of a set. Out: pictures to look at: nearest pairs, best and worst read samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hwgen.evaluation.images import images_at
from hwgen.evaluation.metrics.near_copies import Pair
from hwgen.evaluation.set_statistics import SetStatistics
from hwgen.imaging.contact_sheets import save_sheet
from hwgen.record import PAPER
from hwgen.store import Store

COLUMNS = 12
ROWS = 3

NEAREST = "nearest-{space}.png"
"""Rows in turn: samples, and below each its nearest real sample. Holds real pictures."""

BEST, WORST = "best-read.png", "worst-read.png"


def save_nearest_pairs(
    folder: Path, space: str, pairs: Sequence[Pair], synthetic: Store, real: Store, size: int
) -> str:
    """Draw the nearest pairs; the name of the file."""
    below = [
        images_at(store, np.array(numbers), size)
        for store, numbers in (
            (synthetic, [pair.sample for pair in pairs]),
            (real, [pair.training for pair in pairs]),
        )
    ]
    rows = -(-len(pairs) // COLUMNS)
    sheet = np.full((rows, 2, COLUMNS, *below[0].shape[1:]), PAPER, np.uint8)
    for place in range(len(pairs)):
        for row in (0, 1):
            sheet[place // COLUMNS, row, place % COLUMNS] = below[row][place]
    name = NEAREST.format(space=space)
    save_sheet(folder / name, sheet.reshape(-1, *sheet.shape[3:]), COLUMNS)
    return name


def save_best_and_worst(
    folder: Path, reading: SetStatistics, synthetic: Store, size: int
) -> list[str]:
    """Draw the samples whose own label was most, and least, probable; the names of the files."""
    order = np.argsort(-reading.probability, kind="stable")
    shown = ROWS * COLUMNS
    for name, numbers in ((BEST, order[:shown]), (WORST, order[::-1][:shown])):
        save_sheet(folder / name, images_at(synthetic, numbers, size), COLUMNS)
    return [BEST, WORST]
