"""Density plots and curves of the ring experiment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.paper.figures import save_png
from benchmarks.paper.ring_scores import Values, density, scott
from benchmarks.paper.ring_tables import Row, typical
from benchmarks.paper.ring_training import Setting, sample_data

LIMIT = 4.0
"""A plot spans [-LIMIT, LIMIT] on both axes, as in the paper."""

PIXELS = 128

Samples = Mapping[str, Mapping[int, Values]]
"""Setting -> seed -> points [snapshots, N, 2]."""


def plot_typical(
    file: Path,
    names: Sequence[str],
    rows: Mapping[str, Sequence[Row]],
    samples: Samples,
    steps: Sequence[int],
    setting: Setting,
) -> None:
    """One row per setting with its typical seed, one column per snapshot, and the target."""
    figure = Figure(figsize=(1.3 * (len(steps) + 1), 1.3 * len(names) + 0.25), layout="constrained")
    axes = figure.subplots(len(names), len(steps) + 1, squeeze=False)
    seed = torch.Generator().manual_seed(0)
    for line, name in zip(axes, names, strict=True):
        own = typical(rows[name])["seed"]
        shown = samples[name][own]
        target = sample_data(setting, shown.shape[1], seed).numpy()
        for place, points in zip(line, (*shown, target), strict=True):
            _panel(place, points)
        line[0].set_ylabel(f"{name}\nseed {own}", fontsize=7)
    for place, title in zip(axes[0], (*(f"step {s:,}" for s in steps), "target"), strict=True):
        place.set_title(title, fontsize=8)
    save_png(figure, file)


def plot_all_seeds(file: Path, samples: Samples) -> None:
    """One row per setting, one column per seed, at the last step."""
    seeds = sorted({seed for own in samples.values() for seed in own})
    size = (0.95 * len(seeds) + 0.3, 0.95 * len(samples) + 0.2)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(samples), len(seeds), squeeze=False)
    for line, (name, own) in zip(axes, samples.items(), strict=True):
        for place, seed in zip(line, seeds, strict=True):
            if seed in own:
                _panel(place, own[seed][-1])
            else:
                place.axis("off")
        line[0].set_ylabel(name, fontsize=6)
    for place, seed in zip(axes[0], seeds, strict=True):
        place.set_title(f"seed {seed}", fontsize=7)
    save_png(figure, file)


def plot_curves(file: Path, rows: Mapping[str, Sequence[Row]]) -> None:
    """Modes covered by step: a thin line per seed, a thick one for their mean."""
    columns = min(4, len(rows))
    lines = math.ceil(len(rows) / columns)
    figure = Figure(figsize=(2.6 * columns, 1.9 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for place, (name, own) in zip(axes, rows.items(), strict=False):
        steps = [snapshot["step"] / 1000 for snapshot in own[0]["snapshots"]]
        for score, colour, label in (
            ("modes_near", "C0", "within 0.2"),
            ("modes", "C1", "within 3 sd"),
        ):
            curves = np.array([[s[score] for s in row["snapshots"]] for row in own])
            place.plot(steps, curves.T, color=colour, linewidth=0.6, alpha=0.35)
            place.plot(steps, curves.mean(axis=0), color=colour, linewidth=2, label=label)
        place.set_title(f"{name} ({len(own)} seeds)", fontsize=8)
        place.tick_params(labelsize=7)
        place.set_ylim(-0.3, 8.3)
    for place in axes[len(rows) :]:
        place.axis("off")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, fontsize=7)
    figure.supxlabel("thousands of steps", fontsize=8)
    figure.supylabel("modes covered", fontsize=8)
    save_png(figure, file)


def _panel(place: Axes, points: Values) -> None:
    """A density, scaled to its own maximum.

    The bandwidth is Scott's for a ring of radius 1 in every panel, so a collapsed G is a spot.
    """
    bandwidth = scott(len(points), math.sqrt(1 / 2))
    place.imshow(
        density(points, bandwidth, LIMIT, PIXELS),
        cmap="Greens",
        vmin=0,
        origin="lower",
        extent=(-LIMIT, LIMIT, -LIMIT, LIMIT),
    )
    place.set_xticks([])
    place.set_yticks([])
