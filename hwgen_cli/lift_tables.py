"""Tables of a lift on the screen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hwgen_cli.output import print_lines, print_test_warnings

if TYPE_CHECKING:
    from rich.table import Table

    from hwgen.results.lift import Estimate, Lift, Series
    from hwgen_cli.terminal import Console


def show_lift(result: Lift, console: Console) -> None:
    """The tables, the advice and what it cost."""
    from hwgen.experiments.lift.arms import ARMS

    for group in result.groups:
        console.print(_accuracies(result, group))
    if result.budgets:
        console.print(_by_steps(result))
    print_test_warnings(
        console,
        simulated=result.data_kinds.get("test") == "simulated",
        shared_writers=result.test.writers_shared,
    )
    print_lines(result.advice)
    for generator in result.generators:
        print_lines(generator.cost)
    if not any(ARMS[series.arm].pretrained for series in result.series if series.arm in ARMS):
        console.print(
            "[dim]not measured: starting from a recogniser pretrained on other or on simulated "
            "characters, such as --init-from simulated --recogniser-preset light[/]"
        )
    if result.start is not None:
        print_lines(result.about_start)
    print_lines(f"written: {result.folder / result.NAME}")


def _accuracies(result: Lift, group: str) -> Table:
    """Of the best numbers of steps where they were chosen, else of all."""
    from rich.table import Table

    from hwgen.results.lift import AMONG_RARE, AMONG_RARE_NOTE, count_name
    from hwgen_cli.terminal import escape

    some = "" if len(result.groups) == 1 else f", {escape(group)} classes"
    caption = "N: real samples per class; after an arm's name: synthetic samples per class"
    if group == AMONG_RARE:
        caption = f"{AMONG_RARE_NOTE}. {caption}"
    caption += f"; in brackets: 95 % limits over {result.limits_over}"
    table = Table("N", "augmentation", title=f"Top-1 accuracy, %{some}", caption=caption)
    table.add_column("top-1", justify="right")
    table.add_column(f"difference to {result.baseline}", justify="right")
    for count in result.counts:
        for series in result.shown:
            key = (group, count, series)
            accuracy, difference = result.accuracy.get(key), result.differences.get(key)
            if accuracy is not None:
                figures = _text(accuracy, ".1f"), _text(difference, "+.1f")
                table.add_row(count_name(count), escape(_name(series, accuracy)), *figures)
        table.add_section()
    return table


def _by_steps(result: Lift) -> Table:
    """Accuracy of each arm after each number of steps; the chosen one is marked."""
    from rich.table import Table

    from hwgen.results.lift import count_name
    from hwgen_cli.terminal import escape

    group = result.groups[0]
    some = "" if group == "all" else f", {escape(group)} classes"
    table = Table(
        "N",
        "augmentation",
        title=f"Top-1 accuracy by training steps, %{some}",
        caption="*: the best on held-out samples; no *: not converged; "
        "the steps of pretraining come on top",
    )
    numbers = sorted({one.steps for one in result.budgets})
    for steps in numbers:
        table.add_column(f"{steps:,}", justify="right")
    for count in result.counts:
        for series in result.shown:
            best = result.accuracy.get((group, count, series))
            if best is None:
                continue
            found = [
                result.accuracy.get((group, count, replace(series, steps=one))) for one in numbers
            ]
            marks = ["*" if one == best.best_steps and best.converged else "" for one in numbers]
            cells = [
                "" if one is None else f"{100 * one.mean:.1f}{mark}"
                for one, mark in zip(found, marks, strict=True)
            ]
            table.add_row(count_name(count), escape(_label(series)), *cells)
        table.add_section()
    return table


def _label(series: Series) -> str:
    """`classical+synthetic 100`."""
    return f"{series.arm_name} {series.amount}" if series.amount else series.arm_name


def _name(series: Series, accuracy: Estimate) -> str:
    """`classical+synthetic 100`, and the steps where there are several numbers of them."""
    steps = f", {series.steps:,} steps" if series.steps else ""
    best = f", best: {accuracy.best_steps:,} steps" if accuracy.best_steps else ""
    total = accuracy.total_steps or 0
    more = total > (accuracy.best_steps or accuracy.steps) > 0
    return f"{_label(series)}{steps}{best}" + (f" ({total:,} in all)" if more else "")


def _text(value: Estimate | None, form: str) -> str:
    """`65.3 (64.1 to 66.5)`."""
    if value is None:
        return ""
    low, high = (format(100 * limit, form) for limit in (value.low, value.high))
    return f"{100 * value.mean:{form}} [dim]({low} to {high})[/]"
