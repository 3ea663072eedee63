"""The plot of a lift: accuracy, and its difference to the baseline, by samples per class.

Below, where several numbers of training steps were tried, accuracy by these.
"""

from __future__ import annotations

from hwgen.report.matplotlib_settings import plot_settings

# isort: split
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from hwgen.io.files import atomic_write
from hwgen.io.outputs import MARK
from hwgen.report.markup import Html
from hwgen.report.plot_fonts import fonts_of_plot
from hwgen.report.plots import COLOURS, FAINT, SERIES, STYLE, TEXT, as_svg, keep_within, plain
from hwgen.results.lift import ALL, NONE, Estimate, Figures, Lift, Series, count_name

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
_GROUP_DODGE = 0.1  # likewise, where groups of classes are side by side
_DASHES = ("-", "--", "-.")  # of the groups of classes, in their order
_DPI = 160
_MOST_CURVES = 6  # panels of accuracy by training steps
_MOST_TICKS = 5  # numbers of steps that are all labelled


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
    curves = _counts_with_curves(lift)
    figure = Figure(figsize=(9.0, 6.4 if curves else 3.8), layout="constrained")
    panels = [figures for figures in (lift.accuracy, lift.differences) if figures]
    wide, narrow = max(1, len(curves)), len(panels)
    grid = figure.add_gridspec(2 if curves else 1, wide * narrow)
    left, *others = (
        figure.add_subplot(grid[0, wide * place : wide * (place + 1)])
        for place in range(len(panels))
    )
    for place, count in enumerate(curves):
        axes = figure.add_subplot(grid[1, narrow * place : narrow * (place + 1)])
        _curves(axes, lift, count, colours)
    groups = [group for group in lift.groups if group != "all" or len(lift.groups) == 1]
    side_by_side = len(groups) > 1 and len(lift.counts) == 1
    for axes, figures in zip((left, *others), panels, strict=True):
        if side_by_side:
            _groups(axes, lift, figures, groups, colours)
            continue
        for place, group in enumerate(groups):
            for series in lift.shown:
                _line(axes, lift, figures, group, series, dashes=_dashes(place), colours=colours)
        _axes(axes, lift)
    keep_within(left, "y", 100.0)
    left.set_title("Top-1 accuracy, %", loc="left", fontsize=10)
    for right in others:
        right.axhline(0, color=colours.get(FAINT, FAINT), lw=1, zorder=1)
        right.set_title(f"Minus {lift.baseline}, points", loc="left", fontsize=10)
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
    if len(groups) > 1 and not side_by_side:
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


def _counts_with_curves(lift: Lift) -> list[int]:
    """Numbers of real samples for which accuracy by training steps is shown: the first, and the
    last one.
    """
    found = [
        count
        for count in lift.counts
        if any((lift.groups[0], count, one) in lift.accuracy for one in lift.budgets)
    ]
    return found if len(found) <= _MOST_CURVES else [*found[: _MOST_CURVES - 1], found[-1]]


def _curves(axes: Axes, lift: Lift, count: int, colours: Mapping[str, str]) -> None:
    """Accuracy of each arm by its training steps, pretraining included; filled: the best one."""
    known, numbers = True, set[int]()
    for series in lift.shown:
        found = [
            lift.accuracy[place]
            for one in lift.budgets
            if replace(one, steps=0) == series
            and (place := (lift.groups[0], count, one)) in lift.accuracy
        ]
        best = lift.accuracy.get((lift.groups[0], count, series))
        known = known and all(one.total_steps is not None for one in found)
        x = [one.total_steps or one.steps for one in found]
        y = [100 * one.mean for one in found]
        numbers.update(x)
        colour, mark = _colour(lift, series, colours), _mark(lift, series)
        axes.plot(x, y, color=colour, lw=1.4, marker=mark, ms=3.5, mfc="none")
        chosen = [place for place, one in enumerate(found) if best and one.steps == best.best_steps]
        axes.plot(
            [x[i] for i in chosen], [y[i] for i in chosen], color=colour, lw=0, marker=mark, ms=5
        )
    axes.set_xscale("log")
    axes.grid(axis="y")
    keep_within(axes, "y", 100.0)
    axes.set_title(f"{count_name(count)} per class, top-1, %", loc="left", fontsize=9)
    axes.set_xlabel("training steps, pretraining included" if known else "training steps")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda steps, _: f"{steps:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    if len(numbers) <= _MOST_TICKS:
        axes.set_xticks(sorted(numbers))


def _groups(
    axes: Axes, lift: Lift, figures: Figures, groups: Sequence[str], colours: Mapping[str, str]
) -> None:
    """One number of real samples: the groups of classes side by side."""
    for series in lift.shown:
        shift = _GROUP_DODGE * (lift.shown.index(series) - (len(lift.shown) - 1) / 2)
        found = {
            place: figures[key]
            for place, group in enumerate(groups)
            if (key := (group, lift.counts[0], series)) in figures
        }
        if found:
            x = [place + shift for place in found]
            _points(axes, x, list(found.values()), lift, series, colours)
    axes.set_xticks(range(len(groups)), [plain(group) for group in groups])
    axes.set_xlim(-0.5, len(groups) - 0.5)
    axes.grid(axis="y")
    number = count_name(lift.counts[0])
    samples = "sample" if number == "1" else "samples"
    axes.set_xlabel(f"classes; {number} {samples} per {plain(groups[0])} class")


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
    _points(axes, x, found, lift, series, colours)


def _points(
    axes: Axes,
    x: Sequence[float],
    found: Sequence[Estimate],
    lift: Lift,
    series: Series,
    colours: Mapping[str, str],
) -> None:
    """Means with their limits."""
    low = [100 * (one.mean - one.low) for one in found]
    high = [100 * (one.high - one.mean) for one in found]
    # The bootstrap's limits can, in rare cases, both lie on one side of the mean.
    limits = [[max(0.0, v) for v in values] for values in (low, high)]
    axes.errorbar(
        x,
        [100 * one.mean for one in found],
        yerr=limits,
        color=_colour(lift, series, colours),
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
