"""Rules that detect mode collapse and divergence.

They judge by the log alone, so that a resumed run is judged as an uninterrupted one. The thresholds
were chosen on the logs of 30 runs (benchmarks/results/glyph-ablation-*, gpu-runs-*). Two of them
collapsed: in one z was ignored from the start (variety 6 to 14 % of the real one), in the other
more and more (from 70 % to 17 %). The rules detect both and none of the others, whose variety was
36 % or more at every snapshot. D's outputs are no indicator: they saturate (means 0.97 apart, of 1)
early in some of the best runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hwgen.errors import DivergedError
from hwgen.runs import Run

LEAST_OF_BEST = 1 / 3
"""Least variety, relative to the best so far, or to the real one where that is less."""

LEAST_OF_REAL, YOUNG = 0.15, 0.25
"""Least variety relative to the real one, once this fraction of the run is done."""

LEAST_PURITY, MUCH_PURITY = 0.5, 0.2
"""Least purity relative to the best so far, where that was above this, which chance is not."""

LARGEST = 1e9
"""A loss, an output of D, a penalty or the norm of a network above this has diverged.

In 210 logs and 76 checkpoints, of all losses and presets, the largest norm of a run that did not
diverge was 1.4e3, and its largest mean loss over 50 steps 2.8e4 (1.4e6 in a single step; glyph-32
at ten times its learning rate, which then recovered). A run that diverged was at 4e23 within its
first 50 steps.
"""


def diverged(numbers: Mapping[str, float]) -> str:
    """Which of these numbers have diverged, in words; empty if none has.

    Args:
        numbers: losses, outputs of D, penalties or norms, by name.
    """
    wrong = [name for name, value in numbers.items() if not math.isfinite(value)]
    if wrong:
        return f"{', '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} no longer finite"
    large = [f"{k} is {v:.1e}" for k, v in numbers.items() if abs(v) > LARGEST]
    return f"{', '.join(large)}, above the limit of {LARGEST:.0e}" if large else ""


def check_finite(numbers: Mapping[str, float], run: Run) -> None:
    """Raise if any of the numbers has diverged.

    Raises:
        DivergedError: names them.
    """
    wrong = diverged(numbers)
    if wrong:
        raise DivergedError(wrong, where=str(run.path))


def norm(tensors: Iterable[Tensor]) -> float:
    """Euclidean norm of all weights and statistics of a network together."""
    return float(torch.nn.utils.get_total_norm([t for t in tensors if t.is_floating_point()]))


def collapse(
    found: Mapping[str, Any],
    before: Sequence[Mapping[str, Any]],
    *,
    real: float | None,
    done: float,
) -> str:
    """What has collapsed, in words; empty if nothing has.

    Args:
        found: measures of an Observation.
        before: the run's log.
        real: deviation of real records, grey levels, where it is known.
        done: fraction of the run that is done, 0 to 1.
    """
    now = found["deviation"]
    best = max((entry["deviation"] for entry in before if "deviation" in entry), default=0.0)
    if now < LEAST_OF_BEST * min(best, best if real is None else real):
        return (
            f"mode collapse: the samples of a class now differ by {now:.1f} grey levels, by "
            f"{best:.1f} at the best snapshot"
        )
    if real is not None and done >= YOUNG and now < LEAST_OF_REAL * real:
        return (
            f"mode collapse: the samples of a class differ by {now:.1f} grey levels, real ones by "
            f"{real:.1f}"
        )
    if "purity" in found:
        same_reader = [
            entry["purity"]
            for entry in before
            if "purity" in entry and entry.get("recogniser") == found.get("recogniser")
        ]
        purest = max(same_reader, default=0.0)
        if purest > MUCH_PURITY and found["purity"] < LEAST_PURITY * purest:
            return (
                f"the samples are no longer legible: {found['purity']:.1%} are read as their "
                f"label, down from {purest:.1%}"
            )
    return ""


def good_snapshots(log: Sequence[Mapping[str, Any]], *, real: float | None) -> list[int]:
    """Images of the logged snapshots that had not collapsed, oldest first.

    Early snapshots need variety, too: a run may start with little, but its snapshots are not good
    until the variety has grown.

    Args:
        log: a run's.
        real: deviation of real records, grey levels, where it is known.
    """
    seen = [entry for entry in log if "deviation" in entry]
    return [
        found["images"]
        for n, found in enumerate(seen)
        if not collapse(found, seen[:n], real=real, done=1.0)
    ]
