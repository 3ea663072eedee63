"""Confidence of the recogniser on samples with and without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.paper.figures import save_png

STYLES = {
    "conditional": ("C0", "-"),
    "unconditional": ("C1", "-"),
    "real": ("0.3", "--"),
    "overlaid": ("0.3", ":"),
}


def plot_confidence(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """One panel per number of characters: fraction of images read with at least confidence x."""
    counts = sorted({row["count"] for row in rows})
    figure = Figure(figsize=(3.0 * len(counts), 2.6), layout="constrained")
    axes = figure.subplots(1, len(counts), squeeze=False, sharey=True)[0]
    for place, count in zip(axes, counts, strict=True):
        for row in (row for row in rows if row["count"] == count):
            found = np.array(row["histogram"])
            above = np.append(found[::-1].cumsum()[::-1], 0) / found.sum()
            colour, style = STYLES[row["kind"]]
            edges = np.linspace(0, 1, len(found) + 1)
            place.plot(edges, above, color=colour, linestyle=style, label=row["kind"])
        place.set_title(f"{count:,} characters", fontsize=9)
        place.set_xlabel("confidence of the recogniser", fontsize=8)
        place.tick_params(labelsize=7)
        place.grid(alpha=0.3)
    axes[0].set_ylabel("fraction of images with at least that", fontsize=8)
    axes[0].legend(fontsize=7)
    save_png(figure, file)
