"""Finished trials summed up: accuracies with intervals, and paired differences.

Intervals are 95 % and have three parts, added as squares: the bootstrap over classes of the mean
over seeds (Efron & Tibshirani 1993, chapter 13), since other characters would give other figures;
Student's t over seeds, since other samples would, and three are too few to resample; and Student's
t over the writers of the test samples, since other writers would, each weighted by the number of
samples and taken to vary alike. With a single seed the second part is not known and left out; so is
the third where the test samples have one writer, or not all are known. Each part also holds the
chance of single samples, so their sum is rather too large (as resampling rows and columns, Owen
2007). Two arms are compared on the same real samples, classes and writers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hwgen.evaluation.metrics.intervals import CONFIDENCE, Interval, t_interval, t_quantile
from hwgen.experiments.lift.advice import advise
from hwgen.experiments.lift.convergence import arm_is_converged, mean_held_out
from hwgen.results.lift import AMONG_RARE, BASELINES, Estimate, Series, most_steps
from hwgen.results.trials import TrialResult, total_steps

RESAMPLES = 2000

_SEED = 0

Counts = npt.NDArray[np.float64]
Writers = Sequence[tuple[int, int]]
"""Correct and total of each."""

_Found = dict[tuple[int, Series], list[TrialResult]]


@dataclass(frozen=True)
class Summary:
    """Everything that a table or a plot needs.

    Attributes:
        accuracy: top-1, one entry per group, count and series.
        differences: likewise, less that of the baseline, over the seeds that both have.
        generator_differences: likewise, less that of the first generator in the same arm.
        advice: what a user should do.
    """

    accuracy: tuple[Estimate, ...]
    differences: tuple[Estimate, ...]
    generator_differences: tuple[Estimate, ...]
    advice: str


def summarise(
    results: Sequence[TrialResult],
    groups: Mapping[str, Sequence[int]],
    advised: int,
    baseline: str = BASELINES[0],
    generators: Sequence[str] = ("",),
    kind: str = "real",
) -> Summary:
    """Sum up finished trials.

    Args:
        results: of one experiment.
        groups: names of sets of class ids; the first is the one that the experiment is about. In
            AMONG_RARE results count that have this accuracy.
        advised: synthetic samples per class that the advice is about, to be chosen on other
            samples: the best of several on a test set promises too much.
        baseline: the arm that others are compared with.
        generators: their names, the one that others are compared with first.
        kind: of the training samples, see `advise`.
    """
    series: _Found = {}
    for result in sorted(results, key=lambda result: result.trial):
        trial = result.trial
        one = Series(trial.arm, trial.amount, trial.generator, trial.steps)
        series.setdefault((trial.count, one), []).append(result)
    best = _best_steps(series)
    series |= best
    accuracy, differences, between = [], [], []
    for group, classes in groups.items():
        counted = _counted(series, group)
        for (count, one), own in counted.items():
            if not any(result.total[class_id] for result in own for class_id in classes):
                continue  # no test sample
            key: dict[str, Any] = {
                "group": group,
                "count": count,
                "arm": one.arm,
                "amount": one.amount,
                "generator": one.generator,
                "steps": one.steps,
                "best_steps": own[0].trial.steps if (count, one) in best else 0,
                "total_steps": _total_steps(own),
                "held_out": _known(mean_held_out(own)),
                "converged": _converged(series, count, one) if (count, one) in best else None,
            }
            counts = *_counts(own, classes), _writer_counts(own, group)
            accuracy.append(_estimate(*counts, lowest=0.0, **key))
            plain = counted.get((count, Series(baseline, 0, steps=one.steps)), [])
            if one.arm != baseline and (paired := _paired(own, plain, classes, group)):
                differences.append(_estimate(*paired, **key))
            first = counted.get((count, replace(one, generator=generators[0])), [])
            if one.generator not in ("", generators[0]) and (
                paired := _paired(own, first, classes, group)
            ):
                between.append(_estimate(*paired, **key))
    # An arm whose steps were chosen counts with those; the baseline with all that were tried.
    tried = [result for result in results if result.trial.arm == baseline]
    chosen = [result for own in best.values() for result in own if result.trial.arm != baseline]
    steps = most_steps([*tried, *chosen] if best else results)
    group = next(iter(groups))
    advice = advise(
        accuracy, differences, between, group, advised, steps, baseline, generators[0], kind
    )
    return Summary(tuple(accuracy), tuple(differences), tuple(between), advice)


def _counted(series: _Found, group: str) -> _Found:
    """The results with the correct samples that count in this group of classes."""
    if group != AMONG_RARE:
        return series
    return {
        place: [
            replace(result, correct=result.correct_among_rare)
            for result in own
            if result.correct_among_rare is not None
        ]
        for place, own in series.items()
    }


def _best_steps(series: _Found) -> _Found:
    """For each series that was trained for several numbers of steps, the results of the best one.

    It is the one with the highest accuracy on held-out samples, and of equal ones that of the
    fewest steps. A series without such an accuracy is left out.
    """
    tried: dict[tuple[int, Series], list[tuple[float, int]]] = {}
    for (count, one), own in series.items():
        if one.steps:
            place = (count, replace(one, steps=0))
            tried.setdefault(place, []).append((mean_held_out(own), -one.steps))
    return {
        (count, one): series[count, replace(one, steps=-max(scores)[1])]
        for (count, one), scores in tried.items()
        if not any(math.isnan(score) for score, _ in scores)
    }


def _converged(series: _Found, count: int, arm: Series) -> bool:
    """Whether more steps no longer help an arm that was trained for several numbers of them."""
    found = {
        one.steps: own
        for (own_count, one), own in series.items()
        if own_count == count and one.steps and replace(one, steps=0) == arm
    }
    return arm_is_converged([found[steps] for steps in sorted(found)])


def _total_steps(results: Sequence[TrialResult]) -> int | None:
    """Training steps, pretraining included; the most if they differ, None if not known."""
    found = [total_steps(result.config) for result in results]
    known = [steps for steps in found if steps is not None]
    return max(known) if len(known) == len(found) else None


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _paired(
    own: Sequence[TrialResult], others: Sequence[TrialResult], classes: Sequence[int], group: str
) -> tuple[Counts, Counts, Writers] | None:
    """Differences over the seeds that both have, as arguments of `interval`; None without any."""
    by_seed = {one.trial.seed: one for one in others}
    pairs = [(one, by_seed[one.trial.seed]) for one in own if one.trial.seed in by_seed]
    if not pairs:
        return None
    mine, theirs = [one for one, _ in pairs], [one for _, one in pairs]
    (correct, total), (less, _) = _counts(mine, classes), _counts(theirs, classes)
    return correct - less, total, _writer_counts(mine, group, theirs)


def _estimate(
    correct: Counts, total: Counts, writers: Writers, lowest: float = -1.0, **key: Any
) -> Estimate:
    found = interval(correct, total, writers)
    assert found.low is not None
    assert found.high is not None
    runs = (correct.sum(axis=1) / total.sum(axis=1)).tolist()
    return Estimate(
        **key,
        mean=found.mean,
        low=max(lowest, found.low),
        high=min(1.0, found.high),
        trials=len(runs),
        runs=tuple(runs),
        writers=len(writers) if len(writers) > 1 else 0,
    )


def interval(correct: Counts, total: Counts, writers: Writers = ()) -> Interval:
    """The fraction sum(correct) / sum(total), with limits over classes, seeds and writers.

    Args:
        correct: float64 [seeds, classes]; differences of such counts do as well.
        total: float64 [seeds, classes].
        writers: correct and total of each writer of the test samples; () leaves them out.
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
    seeds = (correct.sum(axis=1) / total.sum(axis=1)).tolist()
    halves = _half(seeds), _half_over_writers(writers)
    return Interval(
        mean, mean - math.hypot(mean - low, *halves), mean + math.hypot(high - mean, *halves)
    )


def _half(values: Sequence[float]) -> float:
    """Half the length of Student's interval of their mean; 0 for a single value."""
    found = t_interval(values)
    return 0.0 if found.high is None else found.high - found.mean


def _half_over_writers(writers: Writers) -> float:
    """The same of all samples together, whose writers have fractions that vary alike; 0 for one."""
    count = len(writers)
    if count < 2:
        return 0.0
    correct, total = np.array(writers, np.float64).T
    error = float(np.std(correct / total, ddof=1) * np.linalg.norm(total / total.sum()))
    return t_quantile((1 + CONFIDENCE) / 2, count - 1) * error


def _counts(results: Sequence[TrialResult], classes: Sequence[int]) -> tuple[Counts, Counts]:
    correct, total = (
        np.array([getattr(result, name) for result in results], np.float64)[:, list(classes)]
        for name in ("correct", "total")
    )
    return correct, total


def _writer_counts(
    results: Sequence[TrialResult], group: str, others: Sequence[TrialResult] = ()
) -> Writers:
    """Correct and total samples of each test writer, over the seeds; those of others subtracted.

    () if not all results have the same writers.
    """
    own, less = (
        [(result.by_writer or {}).get(group, {}) for result in some] for some in (results, others)
    )
    if any(one.keys() != own[0].keys() for one in (*own, *less)):
        return ()
    return [
        (
            sum(one[name][0] for one in own) - sum(one[name][0] for one in less),
            sum(one[name][1] for one in own),
        )
        for name in own[0]
    ]
