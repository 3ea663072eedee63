"""Curves from the log of a training run, which is untrusted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hwgen.runs import logged

Log = Sequence[dict[str, Any]]
"""See Run.read_log."""


def series(log: Log, field: str) -> list[tuple[float, float]]:
    """(images, value) of each entry that has the field; a value may be NaN."""
    pairs = ((logged(entry, "images"), logged(entry, field)) for entry in log)
    return [(x, y) for x, y in pairs if x is not None and y is not None and math.isfinite(x)]


def found(log: Log, fields: Mapping[str, str]) -> dict[str, list[tuple[float, float]]]:
    """Curves by title.

    Args:
        log: of the run.
        fields: title -> field; those without any finite value are left out.
    """
    every = {title: series(log, field) for title, field in fields.items()}
    return {
        title: points for title, points in every.items() if any(math.isfinite(y) for _, y in points)
    }


def last(log: Log, field: str) -> float | None:
    """The last value of a field; None if it never appears."""
    values = series(log, field)
    return values[-1][1] if values else None
