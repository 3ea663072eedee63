"""In: a lift. Out: its part of the page: the advice, the curve, and the table behind it."""

from __future__ import annotations

from hwgen.report.inputs import Interval, name_of
from hwgen.report.lift_plots import lift_svg
from hwgen.report.markup import Html, as_json, facts, figure, join, missing, section, table, tag
from hwgen.report.number_format import accuracy, difference
from hwgen.results.lift import BASELINE, Estimate, Lift, count_name

_CAPTION = (
    "Bars are 95 % intervals by the bootstrap over classes and draws. Left: top-1 accuracy on real "
    "samples. Right: the same less that of classical augmentation on the same real samples; where "
    "a bar crosses zero, nothing is shown to be won. At “all”, classes have different numbers."
)


def lift_section(lift: Lift, anchor: str) -> Html:
    """Everything about one lift."""
    return section(
        anchor,
        join(["Do synthetic samples help? ", tag("em", name_of(lift.path))]),
        tag("p", tag("strong", lift.advice)),
        facts(_setting(lift)),
        as_json("The whole settings as JSON", lift.settings),
        figure(lift_svg(anchor, lift), _CAPTION),
        *(part for group in lift.groups for part in _group(lift, group)),
    )


def _setting(lift: Lift) -> list[tuple[object, object]]:
    return [
        ("Protocol", lift.kind),
        ("Drawn from", _store(lift, "train")),
        ("Test set", _store(lift, "test")),
        ("Judged on", lift.settings["protocol"].get("judged_on", "not stated")),
        ("Generator", lift.settings["generator"].get("kind", "not stated")),
        ("Draws", lift.draws),
        ("Writers in both training and test", lift.writers_shared or "none known"),
    ]


def _store(lift: Lift, role: str) -> str:
    path = {"train": lift.train, "test": lift.test}[role]
    return f"{path}: {lift.made[role]}" if role in lift.made else path


def _group(lift: Lift, group: str) -> list[Html]:
    some = "" if len(lift.groups) == 1 else f", {group} classes"
    rows = []
    for count in lift.counts:
        for series in lift.series:
            value = lift.accuracy.get((group, count, series))
            more = lift.differences.get((group, count, series))
            if value is not None:
                rows.append(
                    [
                        count_name(count),
                        series.name,
                        accuracy(_interval(value)),
                        "" if more is None else difference(_interval(more)),
                    ]
                )
    heading = tag("h3", f"Accuracy by the number of real samples{some}")
    if not rows:
        return [heading, missing("Nothing was measured.")]
    head = ["Real samples a class", "Trained with", "Top-1", f"More than {BASELINE}"]
    return [heading, table(head, rows, numbers=2)]


def _interval(value: Estimate) -> Interval:
    return Interval(value.mean, value.low, value.high)


def key_figures(lift: Lift) -> list[tuple[str, str, str]]:
    """(value, what it is, where it comes from) for the top of the page: the most that is won."""
    group = lift.groups[0]
    won = [(v, n, s) for (g, n, s), v in lift.differences.items() if g == group and v.low > 0]
    if not won:
        return []
    most, number, series = max(won, key=lambda one: one[0].mean)
    what = f"by {series.name}, at {count_name(number)} real samples a class"
    return [(f"{100 * most.mean:+.1f} points", what, name_of(lift.path))]
