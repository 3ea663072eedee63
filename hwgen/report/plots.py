"""Plots as inline SVG in the colours of the page, for its light and its dark theme.

Matplotlib draws with marker colours, which are then replaced by CSS variables of the page; the
colours themselves are in style.css (series-1 and so on). Figures are made through the object
interface: global settings of matplotlib change only during a call.
"""

from __future__ import annotations

from hwgen.report.matplotlib_settings import plot_settings

# isort: split
import html
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from hwgen.report.markup import Html
from hwgen.report.plot_fonts import fonts_of_plot
from hwgen.report.stroke_font import FAMILY
from hwgen.results.benchmark import Arm
from hwgen.sources.strokes.drawn_labels import strokes_of

Points = Sequence[tuple[float, float]]
"""(x, y) pairs of one curve."""

Values = npt.NDArray[np.float64]

SERIES = tuple(f"#00001{i}" for i in range(1, 7))
"""Marker colours of curves; `as_svg` replaces them by CSS variables of the page."""

TEXT, FAINT = "#000001", "#000002"
COLOURS = {TEXT: "var(--text)", FAINT: "var(--faint)"} | {
    marker: f"var(--series-{i})" for i, marker in enumerate(SERIES, 1)
}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "font.size": 9,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "text.color": TEXT,
    "text.parse_math": False,
    "xtick.color": FAINT,
    "xtick.labelcolor": TEXT,
    "ytick.color": FAINT,
    "ytick.labelcolor": TEXT,
}
_WIDTH = 5.0  # inches, 72 SVG units each
_NAME = 40  # maximum letters of a name
_BUCKETS = 240  # maximum points of a curve, so that a long run does not make a large page


@dataclass(frozen=True)
class Level:
    """A horizontal line to compare with: its height and its name."""

    y: float
    name: str


def curves(
    name: str,
    series: Mapping[str, Points],
    *,
    levels: Sequence[Level] = (),
    percent: bool = False,
    from_zero: bool = False,
    seen: str = "training images seen",
) -> Html:
    """Curves over training progress.

    A long curve is divided into equal intervals: the line is the mean of each, the band reaches
    from its lowest to its highest value. Values that are not finite leave a gap.

    Args:
        name: unique on the page; letters, digits and hyphens.
        series: legend text -> points, at most as many as SERIES, each with at least one point.
        levels: lines to compare with.
        percent: show y as percent.
        from_zero: begin the y axis at zero.
        seen: label of the x axis.
    """
    with plot_settings(STYLE):
        figure = Figure(figsize=(_WIDTH, 2.7), layout="constrained")
        axes = figure.add_subplot()
        for (title, points), colour in zip(series.items(), SERIES, strict=False):
            x, low, mean, high = _thin(points)
            alone = len(x) == 1
            axes.plot(x, mean, color=colour, lw=1.6, marker="o" if alone else "", label=title)
            axes.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)
        for level in levels:
            axes.axhline(level.y, color=FAINT, lw=1, ls=(0, (4, 3)))
            axes.annotate(
                level.name,
                (1, level.y),
                xycoords=("axes fraction", "data"),
                xytext=(-2, 3),
                textcoords="offset points",
                ha="right",
                fontsize=8,
            )
        axes.grid(axis="y")
        axes.set_xlim(0, max(1, 1.02 * axes.dataLim.xmax))
        if from_zero:
            axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_major_locator(MaxNLocator(6))
        if percent:
            axes.yaxis.set_major_formatter(_PERCENT)
            keep_within(axes, "y", _whole(y for points in series.values() for _, y in points))
        axes.set_xlabel(seen)
        if len(series) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
        return as_svg(figure, name, ", ".join(series))


def intervals(name: str, arms: Mapping[str, Arm]) -> Html:
    """Top-1 accuracy of each arm: its mean and interval, and each seed as a small ring."""
    with plot_settings(STYLE | fonts_of_plot(arms)):
        figure = Figure(figsize=(_WIDTH, 0.75 + 0.42 * len(arms)), layout="constrained")
        axes = figure.add_subplot()
        for row, arm in enumerate(arms.values()):
            if arm.top1.low is not None and arm.top1.high is not None:
                axes.plot([arm.top1.low, arm.top1.high], [row, row], color=SERIES[0], lw=2.2)
            axes.plot(arm.top1.mean, row, "o", color=SERIES[0], ms=7)
            seeds = [trial.top1 for trial in arm.trials]
            axes.plot(seeds, [row + 0.28] * len(seeds), "o", mfc="none", mec=SERIES[1], ms=4)
        axes.set_yticks(range(len(arms)), list(map(plain, arms)))
        axes.set_ylim(len(arms) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.margins(x=0.08)
        keep_within(axes, "x", 1.0)
        axes.xaxis.set_major_formatter(_PERCENT)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel("top-1 accuracy on the test store")
        return as_svg(figure, name, "top-1 accuracy of each arm with its interval")


def histogram(name: str, values: Sequence[float], what: str) -> Html:
    """Distribution of a figure over the classes; values are fractions, shown as percent."""
    with plot_settings(STYLE):
        figure = Figure(figsize=(_WIDTH, 2.0), layout="constrained")
        axes: Axes = figure.add_subplot()
        axes.hist(values, bins=20, color=SERIES[0])
        keep_within(axes, "x", _whole(values))
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.xaxis.set_major_formatter(_PERCENT)
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.set_xlabel(what)
        axes.set_ylabel("classes")
        return as_svg(figure, name, f"{what}: number of classes")


def keep_within(axes: Axes, axis: Literal["x", "y"], top: float) -> None:
    """Cut an axis at 0 and at `top`, which margins and intervals exceed but no fraction can."""
    low, high = axes.get_xlim() if axis == "x" else axes.get_ylim()
    low, high = max(0.0, low), min(top, high)
    if low < high:
        (axes.set_xlim if axis == "x" else axes.set_ylim)(low, high)


def _whole(values: Iterable[float]) -> float:
    """1 where the values are parts of a whole; ratios may be larger, and have no limit."""
    return 1.0 if all(value <= 1 for value in values if math.isfinite(value)) else math.inf


def _percent(value: float, _: int | None = None) -> str:
    return f"{100 * value:.4g}%"


_PERCENT = FuncFormatter(_percent)


def _thin(points: Points) -> tuple[Values, Values, Values, Values]:
    """x, lowest, mean and highest y of at most _BUCKETS intervals of a curve."""
    table = np.asarray(sorted(points, key=lambda point: point[0]), dtype=float)
    table[~np.isfinite(table[:, 1]), 1] = np.nan
    parts = np.array_split(table, min(len(table), _BUCKETS))
    x = np.array([part[-1, 0] for part in parts])
    y = [part[:, 1] for part in parts]
    # An interval with one value that is not finite becomes a gap, so that the value is visible.
    low, mean, high = (np.array([reduce(v) for v in y]) for reduce in (np.min, np.mean, np.max))
    return x, low, mean, high


def plain(name: str) -> str:
    """A short name in characters that the plot has: ASCII, and those of `fonts_of_plot`.

    Others are shown as their code, such as U+0411; the tables show the name in full.
    """
    shown = name if len(name) <= _NAME else f"{name[: _NAME - 3]}..."
    drawn = "" if shown.isascii() else strokes_of(shown)
    return "".join(
        char if " " <= char <= "~" or char in drawn else f"U+{ord(char):04X}" for char in shown
    )


def as_svg(figure: Figure, name: str, title: str) -> Html:
    """A figure in marker colours, as part of a page.

    Args:
        figure: drawn with STYLE.
        name: unique on the page; letters, digits and hyphens.
        title: text alternative.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    for marker, colour in COLOURS.items():
        svg = svg.replace(marker, colour)
    # Make ids unique on the page, and use its font.
    svg = re.sub(r'((?:\bid="|href="#|url\(#))', rf"\g<1>{name}-", svg)
    fonts = rf"\1 '{FAMILY}', system-ui, sans-serif"
    svg = re.sub(r"(font: [\d.]+px|font-family:) [^;\"]*", fonts, svg)
    svg = re.sub(r'width="[\d.]+pt" height="[\d.]+pt" ', "", svg, count=1)
    return Html(svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(title)}" ', 1))
