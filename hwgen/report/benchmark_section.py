"""In: a benchmark. Out: its part of the page: arms, purity, diversity, worst classes."""

from __future__ import annotations

from hwgen.report import plots
from hwgen.report.inputs import Benchmark, Interval, Ratio, name_of
from hwgen.report.markup import (
    Html,
    as_json,
    facts,
    figure,
    join,
    label,
    missing,
    section,
    table,
    tag,
)
from hwgen.report.number_format import accuracy, count, difference, duration, percent

ROWS = 10
"""Classes that each list shows at most."""


def benchmark_section(benchmark: Benchmark, anchor: str) -> Html:
    """Everything about one benchmark."""
    return section(
        anchor,
        join(["Recogniser figures ", tag("em", name_of(benchmark.path))]),
        _setting(benchmark),
        as_json("The whole settings as JSON", benchmark.settings),
        tag("h3", f"Accuracy on {_tested_on(benchmark)} pictures"),
        _arms(benchmark, anchor),
        tag("h3", "Does adding synthetic pictures help?"),
        _differences(benchmark),
        tag("h3", "Purity of the synthetic set"),
        _ratio(
            benchmark.purity,
            f"{anchor}-purity",
            "share read as its label",
            "The share of synthetic pictures that a recogniser trained on real pictures alone "
            "reads as the label they were made for. Mistakes of the recogniser count against "
            "the synthetic set.",
        ),
        tag("h3", "Diversity of the synthetic set"),
        _ratio(
            benchmark.diversity,
            f"{anchor}-diversity",
            "variety, of the real one's",
            "Variety within a class: the standard deviation of each pixel over at most 50 "
            "pictures, averaged over pixels; synthetic divided by real. Well below 100 % means "
            "that the pictures of a class are too alike; noise in the pictures raises it.",
        ),
        tag("h3", "Worst classes"),
        _worst(benchmark),
    )


def _tested_on(benchmark: Benchmark) -> str:
    """`real test`; `test` where an older benchmark does not tell."""
    test = benchmark.stores.get("test")
    return f"{test.made if test else ''} test".lstrip()


def _setting(benchmark: Benchmark) -> Html:
    roles = {"train": "Training set", "synthetic": "Synthetic set", "test": "Test set"}
    rows: list[tuple[object, object]] = []
    for role, title in roles.items():
        store = benchmark.stores.get(role)
        shown = "none given"
        if store is not None:
            made = f", {store.made}" if store.made else ""
            shown = f"{store.path}: {count(store.count)} pictures{made}"
        rows.append((title, shown))
    rows.append(
        ("Recogniser", f"{count(benchmark.parameters)} parameters, {count(benchmark.flops)} FLOPs")
    )
    shared = benchmark.writers_shared
    rows.append(
        ("Writers in both training and test", ", ".join(shared) if shared else "none known")
    )
    for field in ("seeds", "device", "precision"):
        value = benchmark.settings.get(field, "not stated")
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        rows.append((field.capitalize(), shown))
    return facts(rows)


def _arms(benchmark: Benchmark, anchor: str) -> Html:
    if not benchmark.arms:
        return missing("This benchmark has no arms.")
    rows = [
        [
            arm.name,
            accuracy(arm.top1),
            accuracy(arm.top5),
            len(arm.trials),
            duration(sum(trial.seconds for trial in arm.trials) / max(1, len(arm.trials))),
        ]
        for arm in benchmark.arms
    ]
    alone = any(arm.top1.low is None for arm in benchmark.arms)
    caption = (
        "Each arm is the same recogniser with the same recipe, trained on other data, and always "
        "tested on the same real pictures. The dot is the mean over seeds, the bar its 95 % "
        "interval, each ring one seed. The intervals tell of the spread between seeds, not of "
        "the choice of writers or test pictures."
    )
    if alone:
        caption += " An arm with one seed has no interval."
    plot = figure(plots.intervals(f"{anchor}-arms", benchmark.arms), caption)
    head = ["Trained on", "Top-1", "Top-5", "Seeds", "Training time"]
    return join([table(head, rows, numbers=4), tag("div", plot, class_="plots")])


def _differences(benchmark: Benchmark) -> Html:
    if not benchmark.differences:
        return missing("No synthetic set was given, so there is nothing to compare.")
    rows = [[name, difference(d), _reading(d)] for name, d in benchmark.differences.items()]
    return join(
        [
            table(["Difference", "Top-1", "Reading"], rows),
            tag(
                "p",
                "Differences are paired by seed; the interval is a 95 % t-interval over seeds. "
                "Where it includes zero, the seeds do not tell the two arms apart.",
                class_="note",
            ),
        ]
    )


def _reading(value: Interval) -> str:
    if value.low is None or value.high is None:
        return "one seed: cannot be told from chance"
    if value.low > 0:
        return "better"
    return "worse" if value.high < 0 else "no difference shown"


def _ratio(ratio: Ratio | None, name: str, what: str, meaning: str) -> Html:
    if ratio is None:
        return missing("Not measured: no synthetic set was given.")
    parts: list[object] = [tag("p", accuracy(ratio.overall), class_="figure")]
    if ratio.per_class:
        ordered = sorted(ratio.per_class.items(), key=lambda item: item[1])
        lowest = table(
            ["Lowest classes", what.capitalize()],
            [[label(c), percent(value)] for c, value in ordered[:ROWS]],
            numbers=1,
        )
        plot = plots.histogram(name, list(ratio.per_class.values()), what)
        parts.append(tag("div", figure(plot, meaning), lowest, class_="plots"))
    else:
        parts += [tag("p", meaning, class_="note"), missing("There are no figures a class.")]
    return join(parts)


def _worst(benchmark: Benchmark) -> Html:
    if not benchmark.worst:
        return missing("No class is listed.")
    rows = []
    for row in benchmark.worst[:ROWS]:
        others = sorted(row.read_as.items(), key=lambda item: -item[1])[:5]
        read_as = join([join([label(c), f" {n}×"]) for c, n in others], ", ")
        rows.append([label(row.label), read_as, percent(row.accuracy), count(row.count)])
    return join(
        [
            table(["Class", "Misread as", "Accuracy", "Readings"], rows, numbers=2),
            tag(
                "p",
                "The classes that recognisers trained on real pictures misread most often on the "
                "test set. Readings are its test pictures times the seeds; with few of them a "
                "figure is uncertain.",
                class_="note",
            ),
        ]
    )


def key_figures(benchmark: Benchmark) -> list[tuple[str, str, str]]:
    """(value, what it is, where it comes from) for the top of the page."""
    source = name_of(benchmark.path)
    out = [(percent(a.top1.mean), f"top-1, trained on {a.name}", source) for a in benchmark.arms]
    if benchmark.purity:
        out.append((percent(benchmark.purity.overall.mean), "purity of the synthetic set", source))
    if benchmark.diversity:
        ratio = percent(benchmark.diversity.overall.mean)
        out.append((ratio, "diversity of the synthetic set", source))
    return out
