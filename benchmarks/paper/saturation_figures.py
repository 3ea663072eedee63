"""In: rows of the saturation experiment. Out: a PNG file like the paper's figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.paper.figures import save_png
from benchmarks.paper.saturation_measures import EDGES


def draw_histograms(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows: losses. Columns: iterations. D's answers to real and generated pictures."""
    columns = max(len(row["moments"]) for row in rows)
    figure = Figure(figsize=(2.5 * columns, 1.75 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        loss = row["loss"]
        gan = loss["kind"] == "gan"
        low, high = (0.0, 1.0) if gan else (loss["a"], loss["b"])
        edges = low + (high - low) * EDGES
        for place, moment in zip(line, row["moments"], strict=False):
            for kind, label in (("real", "real"), ("fake", "generated")):
                counts = np.array(moment["batch"][f"histogram_{kind}"])
                place.stairs(counts / counts.sum(), edges, fill=True, alpha=0.55, label=label)
            place.set_title(f"{moment['step']:,} iterations", fontsize=8)
            place.set_xlim((-0.02, 1.02) if gan else (edges[0], edges[-1]))
            place.tick_params(labelsize=6)
        for place in line[len(row["moments"]) :]:
            place.axis("off")
        said = "sigmoid of D" if gan else f"D; a {low:g}, b {high:g}, c {loss['c']:g}"
        line[0].set_ylabel(f"{row['arm']}\nshare of pictures", fontsize=7)
        for place in line[: len(row["moments"])]:
            place.set_xlabel(said, fontsize=7)
    axes[0, 0].legend(fontsize=7)
    save_png(figure, file)
