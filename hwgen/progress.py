"""Progress reports and stop requests of long operations."""

from __future__ import annotations

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
