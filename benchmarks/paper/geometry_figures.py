"""Figures of the geometry experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.paper.figures import save_png

TITLES = {
    "minimax": "Eq. 1's minimax",
    "gan": "sigmoid cross entropy",
    "lsgan-eq8": "least squares (-1, 1, 0)",
    "lsgan-eq9": "least squares (0, 1, 1)",
}


def plot_losses(file: Path, d: Tensor, curves: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    """As Fig. 2: G's loss by D's output, and below it the absolute gradient."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    axes = figure.subplots(2, len(curves), sharex=True, sharey="row", squeeze=False)
    for (above, below), (name, (values, slopes)) in zip(axes.T, curves.items(), strict=True):
        above.plot(d, values)
        above.set_title(TITLES[name], fontsize=9)
        above.set_ylim(-8.3, 8.3)
        below.semilogy(d, slopes.abs().clamp_min(1e-6))
        below.set_ylim(1e-4, 20)
        for axis in (above, below):
            axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("G's loss")
    axes[1, 0].set_ylabel("absolute gradient")
    figure.supxlabel("D's output on a generated sample", fontsize=9)
    save_png(figure, file)


def plot_boundary(
    file: Path,
    real: Tensor,
    fake: Tensor,
    ds: Mapping[str, Tensor],
    levels: Mapping[str, float],
    paths: Mapping[str, Sequence[Tensor]],
) -> None:
    """As Fig. 1: the contour of D at each loss's level, and the far points' paths by G's loss."""
    figure = Figure(figsize=(12.6, 4.2), layout="constrained")
    axes = figure.subplots(1, len(ds), sharex=True, sharey=True)
    low, high = -5.5, 6.5
    ticks = np.linspace(low, high, 200)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    for place, (name, d) in zip(axes, ds.items(), strict=True):
        w = d.numpy()
        values = grid @ w[:2] + w[2]
        place.contour(ticks, ticks, values, levels=[levels[name]], colors="k", linewidths=1.2)
        place.plot(*real.T, ".", color="C0", markersize=2, label="real")
        place.plot(*fake.T, ".", color="C1", markersize=2, label="generated")
        path = np.stack([points.numpy() for points in paths[name]])
        place.plot(path[..., 0], path[..., 1], color="C3", linewidth=0.5, alpha=0.5)
        place.plot(*path[0].T, "*", color="C4", markersize=4, label="generated, far")
        place.plot(*path[-1].T, "x", color="C3", markersize=4, label="far, moved by G's loss")
        place.set_title(TITLES[name], fontsize=9)
        place.set_aspect("equal")
        place.set_xlim(low, high)
        place.set_ylim(low, high)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    save_png(figure, file)


def plot_divergence(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """2C(G) at the D found by descent, by Pearson's chi^2, for each coding."""
    figure = Figure(figsize=(4.6, 3.6), layout="constrained")
    axes = figure.subplots()
    for name in ("lsgan-eq8", "lsgan-eq9"):
        own = [row for row in rows if row["coding"] == name]
        own.sort(key=lambda row: row["chi2"])
        x = [row["chi2"] for row in own]
        axes.plot(x, [row["2C(G)"] for row in own], "o", markersize=4, label=TITLES[name])
        axes.plot(x, [row["affine in chi2"] for row in own], "k-", linewidth=0.7)
    axes.set_xlabel("χ²(p_d + p_g || 2 p_g)")
    axes.set_ylabel("2C(G), D by descent")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    save_png(figure, file)
