"""The section of a lift: advice, curve, and the table behind it."""

from __future__ import annotations

from hwgen.report.inputs import name_of
from hwgen.report.lift_plots import lift_svg
from hwgen.report.markup import Html, as_json, facts, figure, join, missing, section, table, tag
from hwgen.report.number_format import accuracy, difference, in_points
from hwgen.results.lift import (
    ALL,
    AMONG_RARE,
    AMONG_RARE_NOTE,
    BASELINES,
    Estimate,
    Lift,
    count_name,
)
from hwgen.results.parts import Interval

_DIFFERENCES = (
    "Right: the same minus that of {} on the same training samples; a bar that "
    "crosses zero shows no gain."
)


def lift_section(lift: Lift, anchor: str) -> Html:
    """The section of one lift; `anchor` is its id, unique on the page."""
    return section(
        anchor,
        join(["Lift ", tag("em", name_of(lift.folder))]),
        *([tag("p", lift.advice)] if headline(lift) else []),
        figure(lift_svg(anchor, lift), _caption(lift)),
        *(part for group in lift.groups for part in _group(lift, group)),
        tag("h3", "Settings"),
        facts(_setting(lift)),
        as_json("All settings as JSON", lift.settings),
    )


def verdict(lift: Lift) -> str:
    """What the page begins with: the accuracies, and what the generators have seen; or the advice.

    Where it has the accuracies, the advice is in the section.
    """
    accuracies = headline(lift)
    if not accuracies:
        return lift.advice
    return " ".join([accuracies, *(one.seen for one in lift.generators if one.seen)])


def headline(lift: Lift) -> str:
    """The accuracies at the fewest real samples, in one sentence; "" without a baseline there."""
    entries = [one for one in lift.accuracy_entries if one.group == lift.groups[0]]
    found = {(one.count, one.series): one for one in entries}
    shown = [one for one in lift.shown if one.arm == lift.baseline]
    plain = [found[place] for place in found if place[1] in shown]
    first = min(plain, key=lambda one: (one.count == ALL, one.count), default=None)
    if first is None:
        return ""
    places = [(first.count, one) for one in lift.shown if one.arm == f"{lift.baseline}+synthetic"]
    arms = [found[place] for place in places if place in found]
    added = [one for one in arms if one.amount == arms[0].amount]
    if not added:
        return ""
    made = "" if lift.data_kinds.get("train") == "simulated" else "real "
    samples = f"{count_name(first.count)} {made}sample{'' if first.count == 1 else 's'} per class"
    some = "" if len(lift.groups) == 1 else f" of the {lift.groups[0]} classes"
    each = " and ".join(
        f"{100 * one.mean:.1f} % ({lift.generator_title(one.generator)})" for one in added
    )
    start = "" if lift.baseline == BASELINES[0] else " that starts from pretrained weights"
    return (
        f"With {samples}, a recogniser{start} reads {100 * first.mean:.1f} % of the test "
        f"samples{some}; with {added[0].amount} samples per class added, {each}."
    )


def _caption(lift: Lift) -> str:
    parts = [
        f"Bars: 95 % intervals over {lift.limits_over}.",
        "Left: top-1 accuracy on the test store." if lift.differences else "",
        _DIFFERENCES.format(lift.baseline)
        if lift.differences
        else "Top-1 accuracy on the test store.",
        "At “all”, classes have different numbers of samples." if ALL in lift.counts else "",
        f"{AMONG_RARE_NOTE}." if AMONG_RARE in lift.groups else "",
        "Below: top-1 accuracy by training steps; filled: the number that is best on held-out "
        "samples, with which the arm counts above."
        if lift.budgets
        else "",
    ]
    return " ".join(filter(None, parts))


def _setting(lift: Lift) -> list[tuple[object, object]]:
    return [
        ("Experiment", lift.kind),
        ("Training store", _store(lift, "train")),
        ("Test store", _store(lift, "test")),
        ("Judged on", lift.experiment.get("judged_on", "not stated")),
        ("Generator", ", ".join(map(str, _kinds(lift)))),
        *(("Training of the generator", one.cost) for one in lift.generators),
        *([("Left out, without strokes", "".join(lift.left_out))] if lift.left_out else []),
        *([("Start of the pretrained arms", lift.about_start)] if lift.start else []),
        ("Trials of each arm", lift.trials),
        ("Training steps of each arm", _steps(lift)),
        ("Writers in both training and test store", _shared(lift.test.writers_shared)),
    ]


def _kinds(lift: Lift) -> list[object]:
    return [one.get("kind", "not stated") for one in lift.generator_settings]


def _shared(writers: int | None) -> str:
    return "not known" if writers is None else f"{writers:,}" if writers else "none known"


def _steps(lift: Lift) -> str:
    """`classical: 1,000; pretrained: 7,000`, pretraining included, of what is shown."""
    known = {arm: steps for arm, steps in lift.steps.items() if steps is not None}
    if lift.budgets:
        chosen = [one for one in lift.accuracy_entries if one.best_steps and one.total_steps]
        known = {}
        for one in chosen:
            known[one.arm] = max(one.total_steps or 0, known.get(one.arm, 0))
    return "; ".join(f"{arm}: {steps:,}" for arm, steps in known.items()) or "not stated"


def _store(lift: Lift, role: str) -> str:
    path = {"train": lift.train, "test": lift.test.store}[role]
    return f"{path}: {lift.data_kinds[role]}" if role in lift.data_kinds else path


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
                        _name(value),
                        "" if value.total_steps is None else f"{value.total_steps:,}",
                        accuracy(_interval(value)),
                        "" if more is None else difference(_interval(more)),
                    ]
                )
    heading = tag("h3", f"Accuracy by the number of samples per class{some}")
    if not rows:
        return [heading, missing("Nothing was measured.")]
    head = ["Samples per class", "Arm", "Training steps", "Top-1", f"Minus {lift.baseline}"]
    return [heading, table(head, rows, numbers=3)]


def _name(value: Estimate) -> str:
    """The name of its series, and the best number of steps where it was chosen."""
    best = f", best: {value.best_steps:,} steps" if value.best_steps else ""
    return f"{value.series.name}{best}"


def _interval(value: Estimate) -> Interval:
    return Interval(value.mean, value.low, value.high)


def key_figures(lift: Lift) -> list[tuple[str, str, str]]:
    """(value, what it is, where it comes from) for the top of the page: the largest gain.

    Arms that trained for more steps than the baseline do not count, unless it has converged.
    """
    gains = [
        one
        for one in lift.difference_entries
        if one.group == lift.groups[0]
        and one.low > 0
        and one.series in lift.shown
        and lift.is_fair(one)
    ]
    if not gains:
        return []
    most = max(gains, key=lambda one: one.mean)
    samples = "sample" if most.count == 1 else "samples"
    what = f"by {most.series.name}, at {count_name(most.count)} {samples} per class"
    return [(in_points(_interval(most)), what, name_of(lift.folder))]
