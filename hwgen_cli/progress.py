"""In: counts of work done. Out: a progress bar with rate and remaining time, on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class Advance(Protocol):
    """Reports work: `done` so far, of `total` (None: not known), and a short note to show."""

    def __call__(self, done: float, total: float | None = None, note: str = "") -> None:
        """Redraw."""


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self._unit}/s")


@contextmanager
def bar(title: str, unit: str, total: float | None = None) -> Iterator[Advance]:
    """A progress bar; yields the function to call with the work done so far."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}"),
        _Rate(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, speed_estimate_period=10) as progress:
        task = progress.add_task(title, total=total, note="")

        def advance(done: float, total: float | None = None, note: str = "") -> None:
            progress.update(task, completed=done, note=note)
            if total is not None:
                progress.update(task, total=total)

        yield advance
