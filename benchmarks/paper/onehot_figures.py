"""Figure of the experiment on one-hot labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.paper.figures import save_png

FORMS = {"tiled": "label at every position", "apart": "hwgen's, label apart"}
COSTS = {
    "parameters (millions)": lambda row: (row["parameters_g"] + row["parameters_d"]) / 1e6,
    "peak memory of a step (GiB)": lambda row: row["peak_bytes"] / 2**30,
    "CPU time of a step (s)": lambda row: row["cpu_seconds"],
}


def plot_costs(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Each cost by the width of what is concatenated; Φ of the most classes as a cross."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots(1, len(COSTS))
    for place, (title, cost) in zip(axes, COSTS.items(), strict=True):
        for number, (form, label) in enumerate(FORMS.items()):
            colour = f"C{number}"
            own = [row for row in rows if row["form"] == form]
            direct = sorted((r["width"], cost(r)) for r in own if r["label"] == "one-hot")
            place.plot(*zip(*direct, strict=True), "o-", color=colour, label=f"one-hot, {label}")
            for row in own:
                if row["label"] == "phi":
                    point = (row["width"], cost(row))
                    place.plot(*point, "x", color=colour, markersize=9, label=f"Φ, {label}")
        place.set_title(title, fontsize=9)
        place.set_xlabel("numbers concatenated", fontsize=8)
        place.set_ylim(bottom=0)
        place.grid(alpha=0.3)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    save_png(figure, file)
