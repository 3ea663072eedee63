"""The section of an evaluation: figures beside their references, nearest pairs, worst classes."""

from __future__ import annotations

from hwgen.report import plots
from hwgen.report.images import read_image
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
"""Maximum number of classes in the list of the lowest."""

_WIDTH = 820  # CSS pixels, of a sheet

_SHEETS = (
    (
        "nearest-pixels.png",
        True,
        "Alternating rows: samples, and below each the sample of the compared store, of the same "
        "class, whose pixels are nearest. The nearest pairs come first: if these differ, nothing "
        "was copied.",
    ),
    (
        "nearest-features.png",
        True,
        "The same by the recogniser's features.",
    ),
    ("best-read.png", False, "The samples whose own label the recogniser finds most probable."),
    ("worst-read.png", False, "The samples whose own label it finds least probable."),
)
"""File, whether it holds samples of the compared store, caption."""


def evaluation_section(evaluation: Evaluation, anchor: str, *, real: bool) -> Html:
    """The section of one evaluation.

    Args:
        evaluation: the result.
        anchor: id of the section, unique on the page.
        real: whether images with real samples may be shown.
    """
    return section(
        anchor,
        join(["Evaluation ", tag("em", name_of(evaluation.folder))]),
        facts(_setting(evaluation)),
        as_json("All settings as JSON", evaluation.settings),
        tag("h3", "Figures"),
        _figures(evaluation),
        tag("ul", *(tag("li", note) for note in evaluation.notes), class_="note"),
        tag("h3", "Nearest pairs, best and worst read"),
        *(_sheet(evaluation, *sheet, shown=real) for sheet in _SHEETS),
        tag("h3", "Purity by class"),
        _purity(evaluation, f"{anchor}-purity"),
        *_measured_in_part(evaluation),
    )


def _setting(evaluation: Evaluation) -> list[tuple[object, object]]:
    roles = {
        "synthetic": "Judged store",
        "real": "Compared with",
        "real_test": "References from",
    }
    rows: list[tuple[object, object]] = []
    for role, title in roles.items():
        store = evaluation.stores.get(role)
        shown = "none given"
        if store is not None:
            kind = f", {store.data_kind}" if store.data_kind else ""
            shown = f"{store.path}: {count(store.count)} images{kind}"
        rows.append((title, shown))
    return rows


def _figures(evaluation: Evaluation) -> Html:
    rows = [
        [f.title, f.better, f.meaning, _value(f.value, f.unit), _value(f.reference, f.unit)]
        for f in evaluation.figures.values()
    ]
    return table(["Figure", "Better", "Meaning", "Value", "Reference"], rows, numbers=2)


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
        return missing(f"{name} holds real images, which are left out (--no-real).")
    uri = read_image(evaluation.folder / name)
    if uri is None:
        return missing(f"There is no {name} beside the evaluation.")
    return figure(image(uri, _WIDTH, caption), caption)


def _purity(evaluation: Evaluation, name: str) -> Html:
    ordered = sorted(evaluation.per_class.purity.items(), key=lambda item: item[1])
    if not ordered:
        return missing("There are no figures per class.")
    what = "fraction read as its label"
    lowest = table(
        ["Lowest classes", what.capitalize()],
        [[label(c), percent(value)] for c, value in ordered[:ROWS]],
        numbers=1,
    )
    plot = plots.histogram(name, list(evaluation.per_class.purity.values()), what)
    return tag("div", figure(plot, "Number of classes by purity."), lowest, class_="plots")


def _measured_in_part(evaluation: Evaluation) -> list[Html]:
    """Classes without purity or without real samples, with what is known of them."""
    left_out = evaluation.left_out
    if left_out is None:
        return []
    counts = {**left_out.unread, **left_out.without_real}
    known = evaluation.per_class
    rows = [
        [
            label(c),
            count(counts[c]),
            percent(known.purity[c]) if c in known.purity else "not read",
            _variety(known.diversity_features.get(c), c in left_out.without_real),
        ]
        for c in list(counts)[:ROWS]
    ]
    shown = f"; the first {ROWS}" if len(counts) > ROWS else ""
    return [
        tag("h3", f"Classes measured in part: {count(len(counts))}{shown}"),
        table(["Class", "Samples", "Read as its label", "Variety"], rows, numbers=3),
    ]


def _variety(found: float | None, without_real: bool) -> str:
    if without_real:
        return "no real samples"
    return "" if found is None else percent(found)


def key_figures(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """(value, what it is, where it comes from) for the top of the page."""
    source = name_of(evaluation.folder)
    wanted = ("purity", "recall", "coverage")
    found = [evaluation.figures[name] for name in wanted if name in evaluation.figures]
    return [(_value(f.value, f.unit), f.title, source) for f in found]
