"""Progress reports and stop requests of long operations."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace


def _ignore(done: float, total: float, note: str) -> None:
    """Report nothing."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Control:
    """How the caller of a long operation follows it and stops it.

    Attributes:
        progress: called with the work done so far, the total, and a short note ("" for none);
            each operation documents its unit. A note with 0 done is about a preparation.
        stop: called at points from which the operation can be resumed; True makes it save what it
            has and return.
    """

    progress: Callable[[float, float, str], None] = _ignore
    stop: Callable[[], bool] = _never

    def quiet(self) -> Control:
        """The same stop requests without progress reports."""
        return replace(self, progress=_ignore)


NO_CONTROL = Control()
"""Reports nothing and is never asked to stop."""


class Pace:
    """Rate and remaining time of work, counted from the first report: resumed work is not.

    Args:
        unit: of the work, plural, such as "steps".
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._first: tuple[float, float] | None = None

    def text(self, done: float, total: float) -> str:
        """`14 steps/s, 0:04:45 left`, at each report; "" at the first one."""
        now = time.monotonic()
        began, before = self._first = self._first or (now, done)
        speed = (done - before) / max(now - began, 1e-9)
        return ", ".join(filter(None, (rate(speed, self._unit), time_left(total - done, speed))))


def rate(speed: float, unit: str) -> str:
    """`930 images/s`; less than one per second as `45 recognisers/h`; "" where nothing is done."""
    number, time_unit = (3600 * speed, "h") if speed < 1 else (speed, "s")
    return f"{number:,.0f} {unit}/{time_unit}" if number > 0.5 else ""


def time_left(work: float, speed: float) -> str:
    """`0:04:45 left` at so much work per second; "" where none is left, or nothing is done."""
    if work <= 0 or speed <= 0:
        return ""
    minutes, seconds = divmod(round(work / speed), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d} left"
