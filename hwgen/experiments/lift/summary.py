"""Finished trials summed up: accuracies with intervals, paired differences, and advice.

Intervals are 95 % and have two parts, added as squares: the bootstrap over classes of the mean over
seeds (Efron & Tibshirani 1993, chapter 13), since other characters would give other figures; and
Student's t over seeds, since other samples would, and three are too few to resample. With a single
seed the second part is not known and left out. Two arms are compared on the same real samples and
classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwgen.evaluation.metrics.intervals import Interval, t_interval
from hwgen.experiments.lift.arms import ARMS
from hwgen.results.lift import BASELINE, Estimate, count_name
from hwgen.results.trials import TrialResult, total_steps

RESAMPLES = 2000

_ACTIONS = {
    "classical+synthetic": "add {} synthetic samples per class",
    "pretrained": "start from them",
    "pretrained+synthetic": "start from them and add {} synthetic samples per class",
}
"""What an arm asks of a user who augments classically already."""

_CHOICES = {
    "With these samples alone": ("classical+synthetic",),
    "With pretrained weights": ("pretrained", "pretrained+synthetic"),
}
"""What a user may have at hand, and the arms to choose from in that case."""

_SEED = 0

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """Everything that a table or a plot needs.

    Attributes:
        accuracy: top-1, one entry per group, count, arm and amount.
        differences: likewise, less that of the baseline, over the seeds that both have.
        advice: what a user should do.
    """

    accuracy: tuple[Estimate, ...]
    differences: tuple[Estimate, ...]
    advice: str


def summarise(
    results: Sequence[TrialResult],
    groups: Mapping[str, Sequence[int]],
    advised: int,
    baseline: str = BASELINE,
) -> Summary:
    """Sum up finished trials.

    Args:
        results: of one experiment.
        groups: names of sets of class ids; the first is the one that the experiment is about.
        advised: synthetic samples per class that the advice is about, to be chosen on other
            samples: the best of several on a test set promises too much.
        baseline: the arm that others are compared with.
    """
    series: dict[tuple[int, str, int], list[TrialResult]] = {}
    for result in sorted(results, key=lambda result: result.trial):
        trial = result.trial
        series.setdefault((trial.count, trial.arm, trial.amount), []).append(result)
    accuracy, differences = [], []
    for group, classes in groups.items():
        for (count, arm, amount), own in series.items():
            if not any(result.total[class_id] for result in own for class_id in classes):
                continue  # no test sample
            key = {"group": group, "count": count, "arm": arm, "amount": amount}
            correct, total = _counts(own, classes)
            accuracy.append(_estimate(correct, total, **key))
            plain = {one.trial.seed: one for one in series.get((count, baseline, 0), [])}
            pairs = [(one, plain[one.trial.seed]) for one in own if one.trial.seed in plain]
            if arm != baseline and pairs:
                correct, total = _counts([one for one, _ in pairs], classes)
                less, _ = _counts([one for _, one in pairs], classes)
                differences.append(_estimate(correct - less, total, **key))
    steps = {result.trial.arm: total_steps(result.config) for result in results}
    advice = advise(differences, next(iter(groups)), advised, steps, baseline)
    return Summary(tuple(accuracy), tuple(differences), advice)


def _estimate(correct: Counts, total: Counts, **key: object) -> Estimate:
    found = interval(correct, total)
    runs = (correct.sum(axis=1) / total.sum(axis=1)).tolist()
    limits = {"mean": found.mean, "low": found.low, "high": found.high}
    return Estimate(**key, **limits, trials=len(runs), runs=tuple(runs))  # type: ignore[arg-type]


def interval(correct: Counts, total: Counts) -> Interval:
    """The fraction sum(correct) / sum(total), with limits over classes and seeds.

    Args:
        correct: float64 [seeds, classes]; differences of such counts do as well.
        total: float64 [seeds, classes].
    """
    mean = float(correct.sum() / total.sum())
    rng = np.random.default_rng(_SEED)
    classes = correct.shape[1]
    # How often each class is taken, instead of the taken ones themselves.
    taken = rng.multinomial(classes, np.full(classes, 1 / classes), size=RESAMPLES)
    tests = taken @ total.sum(axis=0)
    # A resample may hold classes without test samples only: it has no fraction.
    fractions = (taken @ correct.sum(axis=0))[tests > 0] / tests[tests > 0]
    low, high = np.quantile(fractions, [0.025, 0.975]).tolist()
    half = 0.0
    if len(correct) > 1:
        over_seeds = t_interval((correct.sum(axis=1) / total.sum(axis=1)).tolist())
        assert over_seeds.high is not None  # there are several
        half = over_seeds.high - over_seeds.mean
    return Interval(mean, mean - math.hypot(mean - low, half), mean + math.hypot(high - mean, half))


def advise(
    differences: Sequence[Estimate],
    group: str,
    amount: int,
    steps: Mapping[str, int | None],
    baseline: str = BASELINE,
) -> str:
    """What a user should do.

    A gain is promised only where its interval excludes 0 and the arm trained for as many steps as
    the baseline, pretraining included. Of several arms it takes the one with the highest lower
    limit, on the figures that it quotes.

    Args:
        differences: see Summary.
        group: of classes, that the advice is about.
        amount: synthetic samples per class; other amounts are not considered.
        steps: by arm: total steps of its recognisers, pretraining included; None if not known.
        baseline: the arm that others are compared with.
    """
    able = [one for one in differences if one.group == group and one.amount in (0, amount)]
    some = "" if group == "all" else f" of the {group} classes"
    sentences = []
    for opening, arms in _CHOICES.items():
        found = [one for one in able if one.arm in arms]
        if not found:
            continue
        own = steps.get(found[0].arm)
        opening += "" if own is None else f" ({own:,} training steps in all)"
        if own != steps.get(baseline) or (own is None and ARMS[found[0].arm].pretrained):
            sentences.append(f"{opening}: {_unequal(own, steps.get(baseline), baseline)}.")
        else:
            sentences.append(
                f"{opening}, by the number of real samples per class{some}: {_promises(found)}."
            )
    return " ".join(sentences) or f"No arm was compared with {baseline}, so there is no advice."


def _unequal(own: int | None, plain: int | None, baseline: str) -> str:
    """Why no gain is promised, and how to compare."""
    if own is None or plain is None:
        return (
            "no gain is promised, since the number of pretraining steps is not known; rerun "
            f"{baseline} with as many steps in all to compare at equal training"
        )
    return (
        f"no gain is promised, since {baseline} trained for {plain:,} only; rerun {baseline} with "
        f"--steps {own} to compare at equal training"
    )


def _promises(found: Sequence[Estimate]) -> str:
    parts, without = [], []
    for count in sorted({one.count for one in found}, key=lambda n: n or 10**9):
        best = max((one for one in found if one.count == count), key=lambda one: one.low)
        if best.low > 0:
            action = _ACTIONS[best.arm].format(best.amount)
            parts.append(
                f"at {count_name(count)}, {action}: expect {100 * best.mean:+.1f} points "
                f"({100 * best.low:+.1f} to {100 * best.high:+.1f})"
            )
        else:
            without.append(count_name(count))
    if without:
        parts.append(f"at {', '.join(without)}, keep to classical augmentation")
    return "; ".join(parts)


def _counts(results: Sequence[TrialResult], classes: Sequence[int]) -> tuple[Counts, Counts]:
    correct, total = (
        np.array([getattr(result, name) for result in results], np.float64)[:, list(classes)]
        for name in ("correct", "total")
    )
    return correct, total
