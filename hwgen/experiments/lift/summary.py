"""In: rows of a protocol. Out: accuracies with intervals, paired differences, and what to do.

Intervals are 95 % and have two parts, added as squares: the bootstrap over classes of the mean over
draws (Efron & Tibshirani 1993, chapter 13), since other characters would give other figures; and
Student's t over the draws, since other samples and seeds would, and three are too few to resample.
With a single draw the second part is not known and left out. Two arms are compared on the same
draws and classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from hwgen.evaluation.metrics.intervals import Interval, t_interval
from hwgen.experiments.lift.subsets import ALL
from hwgen.experiments.lift.trials import Row

RESAMPLES = 2000

_DOING = {
    "classical+synthetic": "add {} synthetic ones a class",
    "pretrained": "start from it",
    "pretrained+synthetic": "start from it and add {} synthetic ones a class",
}
"""What an arm asks of a user who augments classically already."""

_CHOICES = {
    "With these samples alone": ("classical+synthetic",),
    "With a recogniser of other characters": ("pretrained", "pretrained+synthetic"),
}
"""What a user may have at hand, and the arms that are then to be chosen from."""

_SEED = 0

Counts = npt.NDArray[np.float64]


def summarise(
    rows: Sequence[Row], groups: Mapping[str, Sequence[int]], baseline: str, advised: int
) -> dict[str, Any]:
    """Everything that a table or a plot needs.

    Args:
        rows: cells of a protocol.
        groups: names of sets of classes, the first one being what the protocol is about.
        baseline: the arm that others are compared with.
        advised: synthetic samples a class that the advice is about, to be chosen elsewhere: the
            best of several on a test set promises too much.

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
            if not any(row.total[class_id] for row in own for class_id in classes):
                continue  # no test sample
            key = {"group": group, "count": count, "arm": arm, "amount": amount}
            right, total = _counts(own, classes)
            runs = (right.sum(axis=1) / total.sum(axis=1)).tolist()
            value = asdict(interval(right, total))
            accuracy.append({**key, **value, "draws": len(own), "runs": runs})
            plain = {row.cell.draw: row for row in cells.get((count, baseline, 0), [])}
            pairs = [(row, plain[row.cell.draw]) for row in own if row.cell.draw in plain]
            if arm != baseline and pairs:
                right, total = _counts([row for row, _ in pairs], classes)
                less, _ = _counts([row for _, row in pairs], classes)
                value = asdict(interval(right - less, total))
                runs = ((right - less).sum(axis=1) / total.sum(axis=1)).tolist()
                differences.append({**key, **value, "draws": len(pairs), "runs": runs})
    return {
        "accuracy": accuracy,
        "differences": differences,
        "advice": advise(differences, next(iter(groups)), advised),
    }


def interval(right: Counts, total: Counts) -> Interval:
    """The share sum(right) / sum(total), with limits over classes and draws.

    Args:
        right: float64 [draws, classes]; differences of such counts do as well.
        total: float64 [draws, classes].
    """
    mean = float(right.sum() / total.sum())
    rng = np.random.default_rng(_SEED)
    classes = right.shape[1]
    # How often each class is taken, instead of the taken ones themselves.
    taken = rng.multinomial(classes, np.full(classes, 1 / classes), size=RESAMPLES)
    tests = taken @ total.sum(axis=0)
    # Classes without a test sample may be taken alone, and then say nothing.
    shares = (taken @ right.sum(axis=0))[tests > 0] / tests[tests > 0]
    low, high = np.quantile(shares, [0.025, 0.975]).tolist()
    half = 0.0
    if len(right) > 1:
        of_draws = t_interval((right.sum(axis=1) / total.sum(axis=1)).tolist())
        assert of_draws.high is not None  # there are several
        half = of_draws.high - of_draws.mean
    return Interval(mean, mean - math.hypot(mean - low, half), mean + math.hypot(high - mean, half))


def advise(differences: Sequence[Mapping[str, Any]], group: str, amount: int) -> str:
    """A sentence that a user can act on; it promises only what excludes 0.

    Of the pretrained arms it takes the one whose lower limit is highest, on the figures it quotes.

    Args:
        differences: see `summarise`.
        group: whose.
        amount: synthetic samples a class; other amounts are passed over.
    """
    able = [d for d in differences if d["group"] == group and d["amount"] in (0, amount)]
    some = "" if group == "all" else f" of the {group} classes"
    sentences = []
    for opening, arms in _CHOICES.items():
        found = [d for d in able if d["arm"] in arms]
        if found:
            sentences.append(
                f"{opening}, by the number of real samples a class{some}: {_promises(found)}."
            )
    if not sentences:
        return "Nothing was compared with classical augmentation, so nothing can be said."
    return " ".join(sentences)


def _promises(found: Sequence[Mapping[str, Any]]) -> str:
    parts, without = [], []
    for count in sorted({d["count"] for d in found}, key=lambda n: n or 10**9):
        best = max((d for d in found if d["count"] == count), key=lambda d: d["low"])
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
    return "; ".join(parts)


def _number(count: int) -> str:
    return "all" if count == ALL else str(count)


def _counts(rows: Sequence[Row], classes: Sequence[int]) -> tuple[Counts, Counts]:
    right, total = (
        np.array([getattr(row, name) for row in rows], np.float64)[:, list(classes)]
        for name in ("right", "total")
    )
    return right, total
