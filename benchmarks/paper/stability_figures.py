"""Curves and contact sheets of the stability experiment."""

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
"""Samples per run in the sheet, in two rows."""

SHEET_COLOURS = 64


def plot_curves(
    file: Path,
    columns: Mapping[str, Sequence[tuple[str, str]]],
    rows: Mapping[str, Sequence[Row]],
) -> None:
    """Distance (above) and variety (below) by step, one thin line per seed.

    Args:
        file: PNG.
        columns: title -> names of settings and their losses, plotted together.
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
    axes[0, 0].set_ylabel("distance; 1: the mean image", fontsize=8)
    axes[1, 0].set_ylabel("variety, fraction of the real", fontsize=8)
    figure.supxlabel("step", fontsize=8)
    save_png(figure, file)


def plot_sheet(
    file: Path, rows: Mapping[str, Sequence[Row]], samples: Mapping[str, Sequence[Image]]
) -> None:
    """One row per setting, one column per seed: samples at the end; collapsed runs are marked."""
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
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
    # Photographs and noise: few colours make the file several times smaller.
    image = PilImage.open(buffer).convert("RGB").quantize(SHEET_COLOURS)
    with atomic_write(file) as temporary:
        image.save(temporary, format="PNG", optimize=True)
