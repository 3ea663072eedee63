"""In: rows and samples of the stability experiment. Out: curves and sheets, as PNG files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image as PilImage

from benchmarks.paper.figures import DPI, save_png
from benchmarks.paper.stability_tables import Row
from hwgen.imaging.contact_sheets import contact_sheet
from hwgen.io.files import atomic_write
from hwgen.record import Image

COLOURS = {"lsgan-eq9": "tab:blue", "lsgan-eq8": "tab:cyan", "gan": "tab:orange"}
MOST_DISTANCE = 2.0
SHOWN = 12
"""Samples of a run in the sheet, in two lines."""

SHEET_COLOURS = 64


def draw_curves(
    file: Path,
    columns: Mapping[str, Sequence[tuple[str, str]]],
    rows: Mapping[str, Sequence[Row]],
) -> None:
    """Above the distance, below the variety, against the steps; a thin line a seed.

    Args:
        file: PNG.
        columns: title -> names of settings and their losses, which are drawn together.
        rows: of each setting.
    """
    figure = Figure(figsize=(2.9 * len(columns), 4.4), layout="constrained")
    axes = figure.subplots(2, len(columns), squeeze=False, sharex=True, sharey="row")
    for column, (title, names) in enumerate(columns.items()):
        above, below = axes[:, column]
        for name, loss in names:
            for number, row in enumerate(rows.get(name, ())):
                steps = [snapshot["step"] for snapshot in row["snapshots"]]
                for place, measure in ((above, "distance"), (below, "variety")):
                    place.plot(
                        steps,
                        [snapshot[measure] for snapshot in row["snapshots"]],
                        color=COLOURS[loss],
                        linestyle="--" if "torch" in name else "-",
                        linewidth=1,
                        label=None if number else name.removeprefix("bn-g-").removeprefix("bn-gd-"),
                    )
        above.axhline(1, color="grey", linewidth=0.6, linestyle=":")
        above.set_ylim(0, MOST_DISTANCE)
        below.set_ylim(0, 1.6)
        above.set_title(title, fontsize=8)
        if above.get_legend_handles_labels()[0]:
            above.legend(fontsize=6)
        for place in (above, below):
            place.tick_params(labelsize=7)
    axes[0, 0].set_ylabel("distance; 1: the mean picture", fontsize=8)
    axes[1, 0].set_ylabel("variety, share of the real", fontsize=8)
    figure.supxlabel("step", fontsize=8)
    save_png(figure, file)


def draw_sheet(
    file: Path, rows: Mapping[str, Sequence[Row]], samples: Mapping[str, Sequence[Image]]
) -> None:
    """Rows: settings. Columns: seeds, some samples of each at its end, collapsed ones named."""
    seeds = max(len(own) for own in samples.values())
    figure = Figure(figsize=(1.9 * seeds, 0.82 * len(samples)), layout="constrained")
    axes = figure.subplots(len(samples), seeds, squeeze=False)
    for line, (name, own) in zip(axes, samples.items(), strict=True):
        for place in line:
            place.axis("off")
        for place, row, images in zip(line, rows[name], own, strict=False):
            place.imshow(np.asarray(contact_sheet(images[:SHOWN], SHOWN // 2)))
            mark = " (collapsed)" if row["collapsed"] else ""
            place.set_title(f"{name}, seed {row['seed']}{mark}", fontsize=6, pad=2)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, facecolor="white")
    # Photographs and noise: few colours make the file several times smaller.
    picture = PilImage.open(drawn).convert("RGB").quantize(SHEET_COLOURS)
    with atomic_write(file) as temporary:
        picture.save(temporary, format="PNG", optimize=True)
