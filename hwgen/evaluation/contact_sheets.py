"""Contact sheets of an evaluation: nearest pairs, and the samples that read best and worst."""

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
"""Alternating rows: samples, and below each its nearest real sample. Shows real images."""

BEST, WORST = "best-read.png", "worst-read.png"

SHEETS = (BEST, WORST, *(NEAREST.format(space=space) for space in ("pixels", "features")))
"""Names of all contact sheets."""


def save_nearest_pairs(
    folder: Path, space: str, pairs: Sequence[Pair], *, synthetic: Store, real: Store, size: int
) -> str:
    """Save the nearest pairs as a contact sheet.

    Args:
        folder: output directory.
        space: "pixels" or "features"; part of the file's name.
        pairs: the nearest first.
        synthetic: store of the samples.
        real: store of their nearest real samples.
        size: of each image on the sheet, pixels.

    Returns:
        The file's name.
    """
    above = images_at(synthetic, np.array([pair.sample for pair in pairs]), size)
    below = images_at(real, np.array([pair.training for pair in pairs]), size)
    rows = -(-len(pairs) // COLUMNS)
    sheet = np.full((rows, 2, COLUMNS, *above.shape[1:]), PAPER, np.uint8)
    for i in range(len(pairs)):
        row, column = divmod(i, COLUMNS)
        sheet[row, 0, column], sheet[row, 1, column] = above[i], below[i]
    name = NEAREST.format(space=space)
    save_sheet(folder / name, sheet.reshape(-1, *sheet.shape[3:]), COLUMNS)
    return name


def save_best_and_worst(
    folder: Path, statistics: SetStatistics, synthetic: Store, size: int
) -> list[str]:
    """Save the samples with the highest and with the lowest probability of their own label.

    Returns:
        The names of the two files.
    """
    read = statistics.read
    order = read[np.argsort(-statistics.probability[read], kind="stable")]
    shown = ROWS * COLUMNS
    for name, records in ((BEST, order[:shown]), (WORST, order[::-1][:shown])):
        save_sheet(folder / name, images_at(synthetic, records, size), COLUMNS)
    return [BEST, WORST]
