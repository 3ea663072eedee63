"""Text on the screen: results, warnings, and how a stopped command ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from hwgen_cli.terminal import Console, escape, one_line, to_json

if TYPE_CHECKING:
    from hwgen.results.parts import WorstClass

SHOWN_CLASSES = 10
SHOWN_MISREADINGS = 4
"""Rows in the table of the worst classes, and misreadings in each."""


def print_lines(*lines: str, stderr: bool = False, quiet: bool = False) -> None:
    """Print texts, each in one line, without markup or wrapping."""
    console = Console(stderr=stderr, quiet=quiet)
    for line in lines:
        console.print(one_line(line), markup=False, highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """`40 s`, `12 minutes`, `3.5 hours`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:,.1f} hours"


def print_json(value: Any) -> None:
    """Print plain JSON on standard output."""
    print(to_json(value))


def leave_stopped(
    out: Path, then: str = "rerun the command to resume", *, quiet: bool = False
) -> NoReturn:
    """Say that Ctrl-C stopped the command, and leave with exit code 130."""
    print_lines(f"{out}: stopped; {then}", stderr=True, quiet=quiet)
    raise typer.Exit(130)


def print_test_warnings(console: Console, *, simulated: bool, shared_writers: int | None) -> None:
    """Warn where the test store says little about real handwriting of unseen writers."""
    if simulated:
        console.print(
            "[yellow]warning:[/] the test store is simulated; these results say nothing about "
            "real handwriting"
        )
    if shared_writers is None:
        console.print(
            "note: the writers of some samples are not known. If some are in both the train and "
            "the test store, accuracy on unseen writers may be lower"
        )
    elif shared_writers:
        console.print(
            f"[yellow]warning:[/] {shared_writers:,} writers are in both the train and the test "
            "store, so accuracy on unseen writers may be lower"
        )


def print_worst_classes(console: Console, title: str, worst: Sequence[WorstClass]) -> None:
    """Table of the classes with the lowest accuracy; nothing where there are none.

    Args:
        console: where to print.
        title: of the table.
        worst: of a result.
    """
    from rich.table import Table

    if not worst:
        return
    table = Table(title=title)
    table.add_column("class")
    table.add_column("accuracy, %", justify="right")
    table.add_column("read as (times)")
    for entry in worst[:SHOWN_CLASSES]:
        misread = list(entry.read_as.items())[:SHOWN_MISREADINGS]
        table.add_row(
            escape(entry.label),
            f"{100 * entry.accuracy:.1f}",
            "  ".join(f"{escape(label)} ({times})" for label, times in misread),
        )
    console.print(table)
