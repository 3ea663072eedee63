"""In: an evaluation. Out: its part of the page: figures beside real ones, pairs, worst classes."""

from __future__ import annotations

from hwgen.report import plots
from hwgen.report.images import read_picture
from hwgen.report.inputs import name_of
from hwgen.report.markup import (
    Html,
    as_json,
    facts,
    figure,
    image,
    join,
    label,
    missing,
    section,
    table,
    tag,
)
from hwgen.report.number_format import count, percent
from hwgen.results.evaluation import Evaluation

ROWS = 10
"""Classes that the list of the lowest shows at most."""

_WIDTH = 820  # CSS pixels, of a sheet

_SHEETS = (
    (
        "nearest-pixels.png",
        True,
        "Rows in turn: samples, and below each the real sample of its class whose pixels are "
        "nearest. The nearest of all pairs come first: if these differ, nothing was copied.",
    ),
    (
        "nearest-features.png",
        True,
        "The same by the recogniser's features.",
    ),
    ("best-read.png", False, "The samples that the recogniser is surest of."),
    ("worst-read.png", False, "The samples whose own label is least probable to it."),
)
"""File, whether it holds real pictures, what it shows."""


def evaluation_section(evaluation: Evaluation, anchor: str, *, real: bool) -> Html:
    """Everything about one evaluation; its pictures as far as they may be shown."""
    return section(
        anchor,
        join(["Evaluation ", tag("em", name_of(evaluation.path))]),
        facts(_setting(evaluation)),
        as_json("The whole settings as JSON", evaluation.settings),
        tag("h3", "Figures beside real ones"),
        _figures(evaluation),
        tag("ul", *(tag("li", note) for note in evaluation.notes), class_="note"),
        tag("h3", "Nearest pairs, best and worst read"),
        *(_sheet(evaluation, *sheet, shown=real) for sheet in _SHEETS),
        tag("h3", "Purity by class"),
        _purity(evaluation, f"{anchor}-purity"),
    )


def _setting(evaluation: Evaluation) -> list[tuple[object, object]]:
    roles = {"synthetic": "Judged set", "real": "Real set", "real_test": "Other real set"}
    rows: list[tuple[object, object]] = []
    for role, title in roles.items():
        store = evaluation.stores.get(role)
        shown = "none given" if store is None else f"{store.path}: {count(store.count)} pictures"
        rows.append((title, shown))
    return rows


def _figures(evaluation: Evaluation) -> Html:
    rows = [
        [f.title, f.better, f.meaning, _value(f.value, f.unit), _value(f.floor, f.unit)]
        for f in evaluation.figures.values()
    ]
    return table(["Figure", "Better", "Meaning", "Value", "Real"], rows, numbers=2)


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "share":
        return percent(value)
    return count(value) if unit == "count" else f"{value:.3f}"


def _sheet(
    evaluation: Evaluation, name: str, holds_real: bool, caption: str, *, shown: bool
) -> Html:
    if holds_real and not shown:
        return missing(f"{name} holds real pictures, which are left out (--no-real).")
    uri = read_picture(evaluation.path / name)
    if uri is None:
        return missing(f"There is no picture {name} beside the evaluation.")
    return figure(image(uri, _WIDTH, caption), caption)


def _purity(evaluation: Evaluation, name: str) -> Html:
    ordered = sorted(evaluation.purity.items(), key=lambda item: item[1])
    if not ordered:
        return missing("There are no figures a class.")
    what = "share read as its label"
    lowest = table(
        ["Lowest classes", what.capitalize()],
        [[label(c), percent(value)] for c, value in ordered[:ROWS]],
        numbers=1,
    )
    plot = plots.histogram(name, list(evaluation.purity.values()), what)
    return tag("div", figure(plot, "Classes by purity."), lowest, class_="plots")


def key_figures(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """(value, what it is, where it comes from) for the top of the page."""
    source = name_of(evaluation.path)
    wanted = ("purity", "recall", "coverage")
    found = [evaluation.figures[name] for name in wanted if name in evaluation.figures]
    return [(_value(f.value, f.unit), f.title, source) for f in found]
