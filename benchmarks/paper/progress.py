"""Progress lines on standard error: work done, rate and remaining time."""

from __future__ import annotations

import sys
import time

LINE_EVERY = 30.0
"""Seconds between two lines."""


class Progress:
    """Prints the progress of one piece of work, at most one line in `line_every` seconds.

    Args:
        title: of the work.
        unit: of the counts, in the plural.
        total: count at the end.
        done: count at the start, from an earlier run of the command.
        line_every: seconds between two lines; the end always has one.
    """

    def __init__(
        self, title: str, unit: str, total: int, *, done: int = 0, line_every: float = LINE_EVERY
    ) -> None:
        self._title, self._unit, self._total = title, unit, total
        self._first, self._every = done, line_every
        self._began = self._printed = time.monotonic()

    def __call__(self, done: int, note: str = "") -> None:
        """Print a line if one is due."""
        now = time.monotonic()
        if now - self._printed < self._every and done < self._total:
            return
        self._printed = now
        rate = (done - self._first) / max(now - self._began, 1e-9)
        text = f"{self._title}: {done:,} of {self._total:,} {self._unit}, {_rate(rate, self._unit)}"
        if rate and done < self._total:
            text += f", {clock((self._total - done) / rate)} left"
        print(f"{text}  {note}".rstrip(), file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds: `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _rate(speed: float, unit: str) -> str:
    return f"{3600 * speed:,.0f} {unit}/h" if 0 < speed < 1 else f"{speed:,.0f} {unit}/s"
