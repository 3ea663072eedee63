"""Histograms of D's outputs, as in the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.paper.figures import save_png
from benchmarks.paper.saturation_measures import EDGES

MODES = {"batch": "as in training", "running": "running statistics"}
"""Modes of batch norm in D and G."""


def plot_histograms(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """One row per loss and mode of batch norm, one column per iteration."""
    columns = max(len(row["moments"]) for row in rows)
    figure = Figure(figsize=(2.4 * columns, 1.7 * len(rows) * len(MODES)), layout="constrained")
    axes = figure.subplots(len(rows) * len(MODES), columns, squeeze=False)
    pairs = [(row, mode) for row in rows for mode in MODES]
    for line, (row, mode) in zip(axes, pairs, strict=True):
        loss = row["loss"]
        gan = loss["kind"] == "gan"
        low, high = (0.0, 1.0) if gan else (loss["a"], loss["b"])
        edges = low + (high - low) * EDGES
        label_x = "sigmoid of D" if gan else f"D; a {low:g}, b {high:g}, c {loss['c']:g}"
        for place, moment in zip(line, row["moments"], strict=False):
            for kind, label in (("real", "real"), ("fake", "generated")):
                counts = np.array(moment[mode][f"histogram_{kind}"])
                place.stairs(counts / counts.sum(), edges, fill=True, alpha=0.55, label=label)
            place.set_title(f"{moment['step']:,} iterations", fontsize=8)
            place.set_xlim((-0.02, 1.02) if gan else (edges[0], edges[-1]))
            place.set_xticks((low, (low + high) / 2, high))
            place.tick_params(labelsize=6)
            place.set_xlabel(label_x, fontsize=7)
        for place in line[len(row["moments"]) :]:
            place.axis("off")
        line[0].set_ylabel(f"{row['arm']}\n{MODES[mode]}", fontsize=7)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=2, fontsize=7)
    save_png(figure, file)
