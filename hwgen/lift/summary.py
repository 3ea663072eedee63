"""In: rows of a protocol. Out: accuracies with intervals, paired differences, and what to do.

Intervals are 95 %, by the bootstrap over classes and draws together: each time both are drawn anew
with replacement, so that they hold for other characters and other samples (Efron & Tibshirani 1993,
chapter 8). Two arms are compared on the same draws and classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from hwgen.lift.cells import Row
from hwgen.lift.draws import ALL
from hwgen.metrics.intervals import Interval

RESAMPLES = 2000

_DOING = {
    "classical+synthetic": "add {} synthetic ones a class",
    "pretrained": "start from the recogniser of other characters",
    "pretrained+synthetic": "start from the recogniser of other characters and add {} synthetic "
    "ones a class",
}
"""What an arm asks of a user who augments classically already."""

_SEED = 0

Counts = npt.NDArray[np.float64]


def summarise(
    rows: Sequence[Row], groups: Mapping[str, Sequence[int]], baseline: str, amount: int
) -> dict[str, Any]:
    """Everything that a table or a plot needs.

    Args:
        rows: cells of a protocol.
        groups: names of sets of classes, the first one being what the protocol is about.
        baseline: the arm that others are compared with.
        amount: synthetic samples a class that the advice is about. It should be chosen elsewhere:
            the best of several on a test set promises too much.

    Returns:
        "accuracy": one entry a (group, count, arm, amount), with "mean", "low", "high", "draws" and
        "runs"; "differences": likewise, less the baseline, over the draws that both have;
        "advice": a sentence.
    """
    cells: dict[tuple[int, str, int], list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.cell):
        cells.setdefault((row.cell.count, row.cell.arm, row.cell.amount), []).append(row)
    accuracy, differences = [], []
    for group, classes in groups.items():
        for (count, arm, amount), own in cells.items():
            key = {"group": group, "count": count, "arm": arm, "amount": amount}
            right, total = _counts(own, classes)
            runs = (right.sum(axis=1) / total.sum(axis=1)).tolist()
            value = asdict(bootstrap(right, total))
            accuracy.append({**key, **value, "draws": len(own), "runs": runs})
            plain = {row.cell.draw: row for row in cells.get((count, baseline, 0), [])}
            pairs = [(row, plain[row.cell.draw]) for row in own if row.cell.draw in plain]
            if arm != baseline and pairs:
                right, total = _counts([row for row, _ in pairs], classes)
                less, _ = _counts([row for _, row in pairs], classes)
                value = asdict(bootstrap(right - less, total))
                runs = ((right - less).sum(axis=1) / total.sum(axis=1)).tolist()
                differences.append({**key, **value, "draws": len(pairs), "runs": runs})
    return {
        "accuracy": accuracy,
        "differences": differences,
        "advice": advise(differences, next(iter(groups)), amount),
    }


def bootstrap(right: Counts, total: Counts) -> Interval:
    """The share sum(right) / sum(total), with limits.

    Args:
        right: float64 [draws, classes]; differences of such counts do as well.
        total: float64 [draws, classes].
    """
    rng = np.random.default_rng(_SEED)
    draws, classes = right.shape
    # How often each draw and each class is taken, instead of the taken ones themselves.
    d = rng.multinomial(draws, np.full(draws, 1 / draws), size=RESAMPLES).astype(np.float64)
    c = rng.multinomial(classes, np.full(classes, 1 / classes), size=RESAMPLES).astype(np.float64)
    shares = ((d @ right) * c).sum(axis=1) / ((d @ total) * c).sum(axis=1)
    low, high = np.quantile(shares, [0.025, 0.975]).tolist()
    return Interval(float(right.sum() / total.sum()), low, high)


def advise(differences: Sequence[Mapping[str, Any]], group: str, amount: int) -> str:
    """A sentence that a user can act on; it promises only what excludes 0.

    Args:
        differences: see `summarise`.
        group: whose.
        amount: synthetic samples a class; other amounts are passed over.
    """
    found = [
        d
        for d in differences
        if d["group"] == group and d["arm"] in _DOING and d["amount"] in (0, amount)
    ]
    if not found:
        return "Nothing was compared with classical augmentation, so nothing can be said."
    some = "" if group == "all" else f" of the {group} classes"
    parts, without = [], []
    for count in sorted({d["count"] for d in found}, key=lambda n: n or 10**9):
        best = max((d for d in found if d["count"] == count), key=lambda d: d["mean"])
        if best["low"] > 0:
            doing = _DOING[best["arm"]].format(best["amount"])
            parts.append(
                f"at {_number(count)}, {doing}: expect {100 * best['mean']:+.1f} points "
                f"({100 * best['low']:+.1f} to {100 * best['high']:+.1f})"
            )
        else:
            without.append(_number(count))
    if without:
        parts.append(f"at {', '.join(without)}, stay with classical augmentation")
    return f"Real samples a class{some}: {'; '.join(parts)}."


def _number(count: int) -> str:
    return "all" if count == ALL else str(count)


def _counts(rows: Sequence[Row], classes: Sequence[int]) -> tuple[Counts, Counts]:
    right, total = (
        np.array([getattr(row, name) for row in rows], np.float64)[:, list(classes)]
        for name in ("right", "total")
    )
    return right, total
