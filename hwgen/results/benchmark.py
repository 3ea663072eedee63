"""benchmark.json: recognisers trained on real, real and synthetic, and synthetic samples."""

from __future__ import annotations

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
class Arm:
    """Recognisers trained on the same data with different seeds.

    Attributes:
        trials: one per seed.
        top1, top5: mean over seeds with Student's 95 % limits.
    """

    trials: tuple[Trial, ...] = field(metadata=key("runs"))
    top1: Interval
    top5: Interval


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

    def check(self) -> None:
        """See ResultFile."""
        trials = max((len(arm.trials) for arm in self.arms.values()), default=0)
        if len(self.arms) > MAX_ARMS or trials > MAX_TRIALS:
            raise ValueError(
                f"expected at most {MAX_ARMS:,} arms of {MAX_TRIALS:,} trials, found "
                f"{len(self.arms):,} arms of up to {trials:,}"
            )
