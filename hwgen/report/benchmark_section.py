"""The section of a benchmark: arms, purity, variety, worst classes."""

from __future__ import annotations

from collections.abc import Mapping

from hwgen.report import plots
from hwgen.report.inputs import name_of
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
from hwgen.report.number_format import (
    accuracy,
    accuracy_in_words,
    count,
    difference,
    duration,
    in_points,
    percent,
)
from hwgen.results.benchmark import Benchmark
from hwgen.results.parts import Interval

ROWS = 10
"""Maximum number of classes in each list."""


def benchmark_section(benchmark: Benchmark, anchor: str) -> Html:
    """The section of one benchmark.

    Args:
        benchmark: the result.
        anchor: id of the section, unique on the page.
    """
    return section(
        anchor,
        join(["Benchmark ", tag("em", name_of(benchmark.folder))]),
        tag("h3", f"Accuracy on {_tested_on(benchmark)} images"),
        _arms(benchmark, anchor),
        tag("h3", "Do synthetic images help?"),
        _differences(benchmark),
        tag("h3", "Purity of the synthetic store"),
        _purity(benchmark, f"{anchor}-purity"),
        tag("h3", "Variety of the synthetic store"),
        _diversity(benchmark, f"{anchor}-diversity"),
        tag("h3", "Worst classes"),
        _worst(benchmark),
        tag("h3", "Settings"),
        _setting(benchmark),
        as_json("All settings as JSON", benchmark.settings),
    )


def _tested_on(benchmark: Benchmark) -> str:
    """`real test`; `test` in files that do not say how the test store was made."""
    test = benchmark.stores.get("test")
    return f"{test.data_kind if test else ''} test".lstrip()


def _setting(benchmark: Benchmark) -> Html:
    roles = {"train": "Training store", "synthetic": "Synthetic store", "test": "Test store"}
    rows: list[tuple[object, object]] = []
    for role, title in roles.items():
        store = benchmark.stores.get(role)
        shown = "none given"
        if store is not None:
            kind = f", {store.data_kind}" if store.data_kind else ""
            shown = f"{store.path}: {count(store.count)} images{kind}"
        rows.append((title, shown))
    rows.append(
        (
            "Recogniser",
            f"{count(benchmark.network.parameters)} parameters, "
            f"{count(benchmark.network.flops)} FLOPs per image",
        )
    )
    shared = benchmark.writers_shared
    rows.append(
        (
            "Writers in both training and test store",
            "not known" if shared is None else ", ".join(shared) or "none known",
        )
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
            benchmark.shown(name),
            accuracy(arm.top1),
            accuracy(arm.top5),
            len(arm.trials),
            duration(sum(trial.seconds for trial in arm.trials) / max(1, len(arm.trials))),
        ]
        for name, arm in benchmark.arms.items()
    ]
    caption = (
        "All arms have the same recogniser and recipe, different training data, and the same test "
        f"store{_own_steps(benchmark)}. Dot: mean over seeds; bar: its 95 % interval; ring: one "
        "seed. The intervals show the spread between seeds, not the choice of writers or test "
        "images."
    )
    if any(arm.top1.low is None for arm in benchmark.arms.values()):
        caption += " An arm with one seed has no interval."
    arms = {benchmark.shown(name): arm for name, arm in benchmark.arms.items()}
    plot = figure(plots.intervals(f"{anchor}-arms", arms), caption)
    head = ["Trained on", "Top-1", "Top-5", "Seeds", "Training time"]
    tables = [table(head, rows, numbers=4), *_by_writer(benchmark), *_searches(benchmark)]
    return join([tag("div", plot, class_="plots"), *tables])


def _by_writer(benchmark: Benchmark) -> list[Html]:
    """How much the writers of the test samples differ, where they are known."""
    found = {name: arm.by_writer for name, arm in benchmark.arms.items()}
    rows = [
        [
            benchmark.shown(name),
            percent(min(one.per_writer.values())),
            percent(max(one.per_writer.values())),
            accuracy(one.top1),
        ]
        for name, one in found.items()
        if one is not None
    ]
    head = ["Trained on", "Lowest of the test writers", "Highest", "Mean over writers"]
    return [table(head, rows, numbers=3)] if rows else []


def _searches(benchmark: Benchmark) -> list[Html]:
    """Accuracy by training steps, where the number of steps was chosen."""
    rows = [
        [benchmark.shown(name), f"{steps:,}", percent(accuracy)]
        for name, arm in benchmark.arms.items()
        if arm.search is not None
        for steps, accuracy in zip(arm.search.steps, arm.search.held_out, strict=True)
    ]
    head = ["Trained on, without the held-out samples", "Training steps", "Top-1 on these"]
    return [table(head, rows, numbers=2)] if rows else []


def _own_steps(benchmark: Benchmark) -> str:
    chosen = any(arm.search for arm in benchmark.arms.values())
    return ", and each has the number of training steps that is best on held-out samples" * chosen


def _differences(benchmark: Benchmark) -> Html:
    if not benchmark.differences:
        return missing("There is nothing to compare, because no synthetic store was given.")
    rows = [
        [benchmark.shown(name), difference(d), _reading(d)]
        for name, d in benchmark.differences.items()
    ]
    return join(
        [
            table(["Difference", "Top-1", "Reading"], rows),
            tag(
                "p",
                "Differences are paired by seed, with a 95 % t-interval over seeds. An interval "
                "that includes zero shows no difference between the arms.",
                class_="note",
            ),
        ]
    )


def _reading(value: Interval) -> str:
    if value.low is None or value.high is None:
        return "one seed: may be chance"
    if value.low > 0:
        return "better"
    return "worse" if value.high < 0 else "no difference shown"


def _purity(benchmark: Benchmark, name: str) -> Html:
    if benchmark.purity is None:
        return missing("Not measured, because no synthetic store was given.")
    return _by_class(
        benchmark.purity.top1,
        benchmark.purity.per_class,
        name,
        "fraction read as its label",
        f"The fraction of synthetic images that a recogniser of the arm “{benchmark.trained_on}” "
        "reads as the label that they were generated for. Errors of the recogniser lower it.",
    )


def _diversity(benchmark: Benchmark, name: str) -> Html:
    if benchmark.diversity is None:
        return missing("Not measured, because no synthetic store was given.")
    return _by_class(
        Interval(benchmark.diversity.ratio, None, None),
        benchmark.diversity.per_class,
        name,
        "variety, relative to the training store",
        "Variety within a class: the standard deviation of each pixel over at most 50 images, "
        "averaged over pixels; synthetic divided by training store. Well below 100 % the images of "
        "a class are too similar; noise in the images raises it.",
    )


def _by_class(
    overall: Interval, per_class: Mapping[str, float], name: str, what: str, meaning: str
) -> Html:
    parts: list[object] = [tag("p", accuracy(overall), class_="figure")]
    if per_class:
        ordered = sorted(per_class.items(), key=lambda item: item[1])
        lowest = table(
            ["Lowest classes", what.capitalize()],
            [[label(c), percent(value)] for c, value in ordered[:ROWS]],
            numbers=1,
        )
        plot = plots.histogram(name, list(per_class.values()), what)
        parts.append(tag("div", figure(plot, meaning), lowest, class_="plots"))
    else:
        parts += [tag("p", meaning, class_="note"), missing("There are no figures per class.")]
    return join(parts)


def _worst(benchmark: Benchmark) -> Html:
    if not benchmark.worst:
        return missing("No class was misread.")
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
                f"The classes of the test store that recognisers of the arm "
                f"“{benchmark.trained_on}” misread most often. Readings are test images times "
                "seeds; with few of them the accuracy is uncertain.",
                class_="note",
            ),
        ]
    )


def key_figures(benchmark: Benchmark) -> list[tuple[str, str, str]]:
    """(value, what it is, where it comes from) for the top of the page."""
    source = name_of(benchmark.folder)
    changes = [
        (in_points(value), f"top-1, {benchmark.shown(name)}", source)
        for name, value in benchmark.differences.items()
    ]
    arms = [
        (accuracy_in_words(arm.top1), f"top-1, trained on {benchmark.shown(name)}", source)
        for name, arm in benchmark.arms.items()
    ]
    return changes + arms
