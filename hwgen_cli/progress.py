"""Progress with rate and remaining time, on standard error.

A terminal gets a live bar with a line of notes below it; a log file gets a plain line every
LINE_EVERY seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import RenderableType
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

from hwgen.progress import rate, time_left
from hwgen_cli.terminal import Console, one_line

LINE_EVERY = 30.0
"""Seconds between two lines in a log file."""


class Advance(Protocol):
    """Called with the work done so far, its total (None: not known) and a short note."""

    def __call__(self, done: float, total: float | None = None, note: str = "") -> None:
        """Show the new state."""


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else rate(speed, self._unit))


class _NotesBelow(Progress):
    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        for task in self.tasks:
            if task.fields["note"]:
                yield Text(task.fields["note"], overflow="ellipsis", no_wrap=True)


@contextmanager
def bar(
    title: str, unit: str, total: float | None = None, *, shown: bool = True
) -> Iterator[Advance]:
    """Progress of one piece of work; yields the function to call with the work done so far.

    Of several processes on one terminal, at most one may have `shown`.
    """
    console = Console(stderr=True, quiet=not shown)
    columns = (
        TextColumn("{task.description}", markup=False),  # names are untrusted
        BarColumn(bar_width=None),
        TextColumn("{task.completed:,.0f}"),
        _Rate(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    live = console.is_terminal and shown
    progress = _NotesBelow(
        *columns, console=console, speed_estimate_period=10, disable=not live, expand=True
    )
    title = one_line(title)
    task = progress.add_task(title, total=total, note="")
    began = printed = time.monotonic()
    resumed_from: float | None = None  # done before, by an earlier run of this command

    def advance(done: float, total: float | None = None, note: str = "") -> None:
        nonlocal began, printed, resumed_from
        note = one_line(note)
        now = time.monotonic()
        preparing = bool(note) and done == 0  # what comes before the first, or the resumed, work
        if preparing:
            began = now
            progress.update(task, note=note)
        else:
            if resumed_from is None:  # the rate counts from here
                resumed_from, began = done, now
                progress.reset(task, completed=round(done))
            progress.update(task, completed=done, total=total, note=note)
        finished = not preparing and done == progress.tasks[task].total
        if not live and (now - printed >= LINE_EVERY or finished):
            printed = now
            speed = (done - (resumed_from or 0)) / max(now - began, 1e-9)
            of = 0 if preparing else progress.tasks[task].total
            console.print(
                _line(title, done, of, speed, unit, note),
                highlight=False,
                soft_wrap=True,
            )

    with progress:
        yield advance


def _line(title: str, done: float, total: float | None, speed: float, unit: str, note: str) -> Text:
    counts = f"{done:,.0f}" + (f" of {total:,.0f}" if total else "")
    left = time_left(total - done, speed) if total else ""
    # A total below half a unit, such as a few KB in MB, would be printed as 0 of 0.
    known = (counts if total is None or total > 0.5 else "", rate(speed, unit), left)
    state = "  ".join(filter(None, (", ".join(filter(None, known)), note)))
    return Text(f"{title}: {state or 'done'}")
