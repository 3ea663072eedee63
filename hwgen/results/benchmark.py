"""benchmark.json: recognisers trained on real, real and synthetic, and synthetic samples."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hwgen.results.files import ResultFile
from hwgen.results.parts import Interval, StoreFacts, WorstClass
from hwgen.schema import key

REAL = "real"
"""The arm that all others are compared with."""

MAX_ARMS, MAX_TRIALS = 50, 1000
"""Limits of a file that is read: arms, and trials of one arm. hwgen makes three arms."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One recogniser, tested on the real test store.

    Attributes:
        seed: random seed of its training.
        top1: fraction of test samples whose most probable class is their label.
        top1_low, top1_high: Wilson's 95 % limits over the test samples; None in older files.
        top5: fraction whose label is among the five most probable classes.
        seconds: training time.
        trained_on: device, precision, threads and torch version; empty in older files.
    """

    seed: int
    top1: float
    top1_low: float | None = None
    top1_high: float | None = None
    top5: float
    seconds: float
    trained_on: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StepSearch:
    """How the number of training steps of an arm was chosen.

    Attributes:
        steps: numbers that were tried, ascending.
        held_out: accuracy on samples held out from the training store, for each of them.
        converged: whether the last one gained too little to matter.
    """

    steps: tuple[int, ...]
    held_out: tuple[float, ...]
    converged: bool

    @property
    def best(self) -> int:
        """The number with the highest accuracy; the smallest of equal ones."""
        pairs = zip(self.held_out, self.steps, strict=True)
        return max(pairs, key=lambda one: (one[0], -one[1]))[1]


@dataclass(frozen=True)
class ByWriter:
    """Top-1 by the writers of the test samples, mean over seeds.

    Attributes:
        top1: mean over writers, each with the same weight, with Student's 95 % limits of the mean
            over all such writers. A single writer can be far outside.
        per_writer: by id.
    """

    top1: Interval
    per_writer: dict[str, float]


@dataclass(frozen=True)
class Arm:
    """Recognisers trained on the same data with different seeds.

    Attributes:
        trials: one per seed.
        top1, top5: mean over seeds with Student's 95 % limits.
        search: how the number of training steps was chosen; None if it was given.
        by_writer: of the test store; None if there is one, or a sample's writer is not known.
    """

    trials: tuple[Trial, ...] = field(metadata=key("runs"))
    top1: Interval
    top5: Interval
    search: StepSearch | None = field(default=None, metadata=key("search", left_out=None))
    by_writer: ByWriter | None = field(default=None, metadata=key("by_writer", left_out=None))


@dataclass(frozen=True)
class Network:
    """Size and cost of the recogniser.

    Attributes:
        parameters: number of trained weights.
        flops: floating-point operations per image.
    """

    parameters: int
    flops: int


@dataclass(frozen=True, kw_only=True)
class Purity:
    """Fraction of synthetic samples that recognisers trained on real samples read as their label.

    Attributes:
        trials: one per seed.
        top1: mean over seeds with Student's 95 % limits.
        per_class: mean over seeds by label.
    """

    trials: tuple[float, ...] = field(default=(), metadata=key("runs"))
    top1: Interval
    per_class: dict[str, float]


@dataclass(frozen=True)
class DiversityRatio:
    """Variety within classes, synthetic divided by real.

    Attributes:
        ratio: over the classes that both stores have.
        per_class: by label.
    """

    ratio: float
    per_class: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Benchmark(ResultFile):
    """The content of benchmark.json.

    Attributes:
        settings: recipe, seeds, device, precision.
        versions: of hwgen, Python, torch and NumPy.
        train, synthetic, test: the stores; None where not given.
        writers_shared: known writers of both the train and the test store; None if there are none,
            and the writers of some samples are not known.
        network: size and cost of the recogniser.
        arms: by name; "real" first.
        differences: `ARM - real` -> difference of top-1, paired by seed.
        purity, diversity: of the synthetic store; None where not measured.
        worst: the classes that the arm "real" misreads most.
    """

    NAME: ClassVar[str] = "benchmark.json"
    FORMAT: ClassVar[str] = "hwgen-benchmark"
    WHAT: ClassVar[str] = "a benchmark"
    COMMAND: ClassVar[str] = "hwgen benchmark"

    settings: dict[str, Any]
    versions: dict[str, str]
    train: StoreFacts | None
    synthetic: StoreFacts | None
    test: StoreFacts | None
    writers_shared: tuple[str, ...] | None = None
    network: Network
    arms: dict[str, Arm]
    differences: dict[str, Interval]
    purity: Purity | None
    diversity: DiversityRatio | None
    worst: tuple[WorstClass, ...]

    @property
    def stores(self) -> dict[str, StoreFacts]:
        """Those that were given, by role: "train", "synthetic", "test"."""
        roles = {"train": self.train, "synthetic": self.synthetic, "test": self.test}
        return {role: store for role, store in roles.items() if store is not None}

    @property
    def trained_on(self) -> str:
        """What the samples of the training store are: "real", "simulated", ..."""
        return (self.train.data_kind if self.train else "") or REAL

    def shown(self, arm: str) -> str:
        """The name of an arm or a difference, which says "real" of real training samples only."""
        return re.sub(rf"\b{REAL}\b", self.trained_on, arm)

    @property
    def verdict(self) -> str:
        """What it shows: words first, then figures with their 95 % intervals."""
        tested = f"{self.test.data_kind if self.test else ''} test samples".lstrip()
        seeds = max((len(arm.trials) for arm in self.arms.values()), default=0)
        on = f"{tested}, {seeds} seed{'' if seeds == 1 else 's'}"
        added = self.differences.get(f"{REAL}+synthetic - {REAL}")
        alone = self.differences.get(f"synthetic - {REAL}")
        parts = []
        if added is not None:
            parts.append(
                f"{_in_words(added)} added to the {self.trained_on} ones they change top-1 "
                f"accuracy by {_points(added)}"
            )
        if alone is not None:
            parts.append(f"alone, instead of the {self.trained_on} ones, by {_points(alone)}")
        if not parts and REAL in self.arms:
            top1 = self.arms[REAL].top1
            parts.append(
                f"Recognisers trained on {self.trained_on} samples read {100 * top1.mean:.1f} %"
                f"{_limits(top1, '.1f')} as their label"
            )
        sentences = [f"{'; '.join(parts)} ({on})." if parts else "", self._about_training]
        return " ".join(filter(None, sentences))

    @property
    def _about_training(self) -> str:
        """Whether more steps would help, where that was measured."""
        found = {name: arm.search for name, arm in self.arms.items() if arm.search is not None}
        if not found:
            return ""
        late = [self.shown(name) for name, search in found.items() if not search.converged]
        if late:
            return (
                f"Not converged, so that more steps may change the comparison: {', '.join(late)}."
            )
        return "Every arm has converged on samples held out from the training store."

    def check(self) -> None:
        """See ResultFile."""
        trials = max((len(arm.trials) for arm in self.arms.values()), default=0)
        searches = [arm.search for arm in self.arms.values() if arm.search is not None]
        if any(not 0 < len(one.steps) == len(one.held_out) <= MAX_TRIALS for one in searches):
            raise ValueError("numbers of steps without accuracies, or none or too many")
        if any(arm.by_writer and not arm.by_writer.per_writer for arm in self.arms.values()):
            raise ValueError("accuracy by writer without writers")
        if len(self.arms) > MAX_ARMS or trials > MAX_TRIALS:
            raise ValueError(
                f"expected at most {MAX_ARMS:,} arms of {MAX_TRIALS:,} trials, found "
                f"{len(self.arms):,} arms of up to {trials:,}"
            )


def _in_words(added: Interval) -> str:
    """Whether synthetic samples help, as the beginning of a sentence."""
    if added.low is None or added.high is None:
        return "One seed cannot show whether synthetic samples help:"
    if added.low > 0:
        return "Synthetic samples help:"
    return "Synthetic samples harm:" if added.high < 0 else "Synthetic samples show no gain:"


def _points(value: Interval) -> str:
    return f"{100 * value.mean:+.2f} points{_limits(value, '+.2f')}"


def _limits(value: Interval, form: str) -> str:
    if value.low is None or value.high is None:
        return ""
    return f" ({100 * value.low:{form}} to {100 * value.high:{form}})"
