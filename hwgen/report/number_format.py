"""Numbers as the page shows them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from hwgen.report.markup import Html, join, tag
from hwgen.results.parts import Interval


def count(value: float) -> str:
    """12345 -> 12,345."""
    return f"{value:,.0f}" if math.isfinite(value) else "not a number"


def percent(value: float) -> str:
    """0.93456 -> 93.5 %."""
    return f"{100 * value:.1f} %" if math.isfinite(value) else "not a number"


def duration(seconds: float) -> str:
    """7384 -> 2 h 3 min."""
    if not math.isfinite(seconds):
        return "not a number"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def accuracy(value: Interval) -> Html:
    """A mean in percent, with its interval within 0 and 100 % where there is one."""
    limits = _limits(value)
    if limits is None:
        return join([percent(value.mean)])
    return join([percent(value.mean), tag("span", limits, class_="interval")], " ")


def accuracy_in_words(value: Interval) -> str:
    """The same in one line of text: `93.5 % (92.8 to 94.1)`."""
    limits = _limits(value)
    return percent(value.mean) + ("" if limits is None else f" ({limits})")


def _limits(value: Interval) -> str | None:
    if value.low is None or value.high is None:
        return None
    return f"{100 * max(0.0, value.low):.1f} to {100 * min(1.0, value.high):.1f}"


def difference(value: Interval) -> Html:
    """A difference of accuracies in percentage points, with its sign and interval."""
    mean = f"{100 * value.mean:+.2f} points".replace("-", "−")
    if value.low is None or value.high is None:
        return join([mean])
    ends = f"{100 * value.low:+.2f} to {100 * value.high:+.2f}".replace("-", "−")
    return join([mean, tag("span", ends, class_="interval")], " ")


def in_points(value: Interval) -> str:
    """The same in one line of text: `+0.2 points (−0.1 to +0.5)`."""
    ends = ""
    if value.low is not None and value.high is not None:
        ends = f" ({100 * value.low:+.1f} to {100 * value.high:+.1f})"
    return f"{100 * value.mean:+.1f} points{ends}".replace("-", "−")


def spread(values: Iterable[int]) -> str:
    """Smallest, median and largest of some counts."""
    ordered = sorted(values)
    if not ordered:
        return "none"
    return " / ".join(map(count, (ordered[0], ordered[len(ordered) // 2], ordered[-1])))
