"""In: nothing. Out: all targets by name, and how many inputs each gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.fuzz import raw
from benchmarks.fuzz.target import Target

TARGETS: Mapping[str, Callable[[Path], Target]] = {
    "gnt": raw.gnt,
    "pot": raw.pot,
    "zip": raw.zips,
}
"""Each is made in a scratch folder that it may write to."""

COUNTS: Mapping[str, int] = {"gnt": 600_000, "pot": 600_000, "zip": 60_000}
"""Inputs of a full run: more than a million over the parsers."""
