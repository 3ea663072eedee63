"""The plot of a lift: accuracy, and its difference to the baseline, by samples per class."""

from __future__ import annotations

from hwgen.report.matplotlib_settings import plot_settings

# isort: split
import math
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hwgen.io.files import atomic_write
from hwgen.io.outputs import MARK
from hwgen.report.markup import Html
from hwgen.report.plot_fonts import fonts_of_plot
from hwgen.report.plots import COLOURS, FAINT, SERIES, STYLE, TEXT, as_svg, keep_within, plain
from hwgen.results.lift import ALL, BASELINE, NONE, Figures, Lift, Series, count_name

_ARMS = (
    "none",
    "classical",
    "synthetic",
    "classical+synthetic",
    "pretrained",
    "pretrained+synthetic",
)
_COLOUR = dict(zip(_ARMS, (SERIES[i] for i in (5, 0, 3, 1, 4, 2)), strict=True))
_MARKS = "os^Dv"
_DODGE = (
    0.04  # horizontal distance of series in doublings, so that intervals do not hide each other
)
_DASHES = ("-", "--", "-.")  # of the groups of classes, in their order
_DPI = 160


def lift_svg(name: str, lift: Lift) -> Html:
    """The plot as part of a page.

    Args:
        name: unique on the page; letters, digits and hyphens.
        lift: the result.
    """
    with plot_settings(STYLE | _fonts(lift)):
        return as_svg(_plot(lift, {}), name, "accuracy by the number of samples per class")


def save_lift_png(lift: Lift, file: Path) -> Path:
    """Write the plot as a PNG file, in the light colours of the page."""
    css = resources.files("hwgen.report").joinpath("style.css").read_text(encoding="utf-8")
    light = {f"var(--{name})": colour for name, colour in reversed(_variables(css))}
    colours = {marker: light[variable] for marker, variable in COLOURS.items()}
    style = {key: colours.get(value, value) for key, value in STYLE.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    with plot_settings(style | _fonts(lift)), atomic_write(file) as temporary:
        figure = _plot(lift, colours)
        figure.savefig(
            temporary, format="png", dpi=_DPI, facecolor="white", metadata={"Software": MARK}
        )
    return file


def _fonts(lift: Lift) -> dict[str, list[str]]:
    return fonts_of_plot([*lift.groups, *(one.name for one in lift.shown)])


def _variables(css: str) -> list[tuple[str, str]]:
    """Names and colours in the order of the file: the light theme comes first."""
    return re.findall(r"--([\w-]+): (#\w+);", css)


def _plot(lift: Lift, colours: Mapping[str, str]) -> Figure:
    """Accuracy and, where there is one, the difference to the baseline; thin: other classes."""
    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    panels = [figures for figures in (lift.accuracy, lift.differences) if figures]
    left, *others = figure.subplots(1, len(panels), squeeze=False)[0]
    groups = [group for group in lift.groups if group != "all" or len(lift.groups) == 1]
    for axes, figures in zip((left, *others), panels, strict=True):
        for place, group in enumerate(groups):
            for series in lift.shown:
                _line(axes, lift, figures, group, series, dashes=_dashes(place), colours=colours)
        _axes(axes, lift)
    keep_within(left, "y", 100.0)
    left.set_title("Top-1 accuracy, %", loc="left", fontsize=10)
    for right in others:
        right.axhline(0, color=colours.get(FAINT, FAINT), lw=1, zorder=1)
        right.set_title(f"Minus {BASELINE}, points", loc="left", fontsize=10)
    handles = [
        Line2D(
            [],
            [],
            color=_colour(lift, one, colours),
            marker=_mark(lift, one),
            ms=4,
            label=plain(one.name),
        )
        for one in lift.shown
    ]
    if len(groups) > 1:
        colour = colours.get(TEXT, TEXT)
        handles += [
            Line2D(
                [],
                [],
                color=colour,
                lw=0.8 if place else 1.8,
                ls=_dashes(place),
                label=f"{plain(group)} classes",
            )
            for place, group in enumerate(groups)
        ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4 if len(handles) < 7 else 3)
    return figure


def _line(
    axes: Axes,
    lift: Lift,
    figures: Figures,
    group: str,
    series: Series,
    *,
    dashes: str,
    colours: Mapping[str, str],
) -> None:
    known = [count for count in lift.counts if (group, count, series) in figures]
    if not known:
        return
    found = [figures[group, count, series] for count in known]
    shift = _DODGE * (lift.shown.index(series) - (len(lift.shown) - 1) / 2)
    x = [_place(lift, count) + shift for count in known]
    y = [100 * one.mean for one in found]
    colour = _colour(lift, series, colours)
    if dashes != _DASHES[0]:
        axes.plot(
            x, y, color=colour, lw=0.8, ls=dashes, marker=_mark(lift, series), ms=3, mfc="none"
        )
        return
    first, numbers = sum(count == NONE for count in known), sum(count != ALL for count in known)
    axes.plot(x[first:numbers], y[first:numbers], color=colour, lw=1.8)
    # The distances to 0 and to "all", a different number in each class, have no meaning: dotted.
    for part in (slice(0, first + 1), slice(max(0, numbers - 1), None)):
        axes.plot(x[part], y[part], color=colour, lw=1, ls=":")
    low = [100 * (one.mean - one.low) for one in found]
    high = [100 * (one.high - one.mean) for one in found]
    # The bootstrap's limits can, in rare cases, both lie on one side of the mean.
    limits = [[max(0.0, v) for v in values] for values in (low, high)]
    axes.errorbar(
        x,
        y,
        yerr=limits,
        color=colour,
        fmt=_mark(lift, series),
        ms=4,
        elinewidth=1.1,
        capsize=2,
    )


def _axes(axes: Axes, lift: Lift) -> None:
    places = [_place(lift, count) for count in lift.counts]
    axes.set_xticks(places, [count_name(count) for count in lift.counts])
    axes.set_xlim(min(places) - 0.4, max(places) + 0.4)
    axes.grid(axis="y")
    some = "" if lift.groups[0] == "all" else f"{plain(lift.groups[0])} "
    axes.set_xlabel(f"samples per {some}class")


def _dashes(place: int) -> str:
    return _DASHES[min(place, len(_DASHES) - 1)]


def _place(lift: Lift, count: int) -> float:
    """Position on the x axis, in doublings; "all" and 0 are one and a half beside the rest."""
    places = [math.log2(c) for c in lift.counts if c not in (ALL, NONE)]
    if count == NONE:
        return min(places, default=0.0) - 1.5
    return math.log2(count) if count != ALL else max(places, default=0.0) + 1.5


def _colour(lift: Lift, series: Series, colours: Mapping[str, str]) -> str:
    """The colour of the arm; with several generators, of the arm and the generator."""
    marker = _COLOUR.get(series.arm, SERIES[-1])
    if len({one.generator for one in lift.shown} - {""}) > 1:
        kinds = list(dict.fromkeys((one.arm, one.generator) for one in lift.shown))
        marker = SERIES[kinds.index((series.arm, series.generator)) % len(SERIES)]
    return colours.get(marker, marker)


def _mark(lift: Lift, series: Series) -> str:
    """Marker by the number of synthetic samples, and of steps; the colour is the arm's."""
    own = [one for one in lift.shown if (one.arm, one.generator) == (series.arm, series.generator)]
    return _MARKS[own.index(series) % len(_MARKS)]
