"""lift.json: accuracy by the number of real samples, with and without synthetic ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from hwgen.results.files import ResultFile
from hwgen.results.trials import TrialResult, total_steps
from hwgen.schema import from_json, key

MAX_SHOWN = 50
"""Limit of a file that is read: groups of classes, numbers of samples, and series, of each."""

ALL = 0
"""As a number of real samples: all."""

BASELINE = "classical"
"""The arm that all others are compared with."""


@dataclass(frozen=True)
class Series:
    """One curve: an arm with one number of synthetic samples per class (0: none)."""

    arm: str
    amount: int

    @property
    def name(self) -> str:
        """`classical+synthetic, 100 per class`."""
        return f"{self.arm}, {self.amount} per class" if self.amount else self.arm


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Accuracy, or a difference of accuracies, of one series at one number of real samples.

    Attributes:
        group: of classes: "all", "rare", "common".
        count: real samples per class; ALL is all.
        arm: name of the arm.
        amount: synthetic samples per class; 0: none.
        mean: fraction of test samples.
        low, high: 95 % limits.
        trials: number of repetitions.
        runs: the value of each repetition.
    """

    group: str
    count: int
    arm: str
    amount: int
    mean: float
    low: float
    high: float
    trials: int = field(default=0, metadata=key("draws"))
    runs: tuple[float, ...] = ()

    @property
    def place(self) -> tuple[str, int, Series]:
        """Group, number of real samples, series."""
        return self.group, self.count, Series(self.arm, self.amount)


Figures = Mapping[tuple[str, int, Series], Estimate]
"""By group of classes, real samples per class, and series."""


@dataclass(frozen=True)
class TestStore:
    """The store that recognisers were tested on.

    Attributes:
        store: its path.
        writers_shared: number of known writers that are in the train store too; None if there are
            none, and the writers of some samples are not known.
    """

    __test__ = False  # no test of pytest's

    store: str
    writers_shared: int | None


@dataclass(frozen=True)
class _Experiment:
    kind: str
    arms: tuple[str, ...]
    trials: int = field(metadata=key("draws"))


@dataclass(frozen=True)
class _Hashes:
    train: str
    judged_on: str


@dataclass(frozen=True, kw_only=True)
class Lift(ResultFile):
    """The content of lift.json.

    Attributes:
        version: of the hwgen that wrote it.
        experiment: see hwgen.experiments.lift.experiment.Experiment; plain JSON.
        config: what all trials share and their figures depend on; plain JSON.
        generator: settings of the generator; plain JSON.
        start: provenance of the pretrained recogniser; None without one.
        start_classes_shared: number of classes that it was pretrained on too.
        train: path of the store that the real samples are taken from.
        test: the store that recognisers were tested on.
        data_kinds: "train" and "test" -> "real" or "simulated"; empty in older files.
        accuracy_entries: top-1.
        difference_entries: top-1 less that of BASELINE on the same real samples.
        advice: what a user should do.
        missing: names of trials that are not finished.
        rows: the finished trials.
    """

    NAME: ClassVar[str] = "lift.json"
    FORMAT: ClassVar[str] = "hwgen-lift"
    WHAT: ClassVar[str] = "a lift"
    COMMAND: ClassVar[str] = "hwgen lift"

    version: str = field(metadata=key("hwgen"))
    experiment: dict[str, Any] = field(metadata=key("protocol"))
    config: dict[str, Any] = field(metadata=key("decides"))
    generator: dict[str, Any]
    start: dict[str, Any] | None = None
    start_classes_shared: int = 0
    train: str
    test: TestStore
    data_kinds: dict[str, str] = field(default_factory=dict, metadata=key("made"))
    accuracy_entries: tuple[Estimate, ...] = field(metadata=key("accuracy"))
    difference_entries: tuple[Estimate, ...] = field(metadata=key("differences"))
    advice: str
    missing: tuple[str, ...] = ()
    rows: tuple[TrialResult, ...] = ()

    @cached_property
    def accuracy(self) -> Figures:
        """Top-1."""
        return {one.place: one for one in self.accuracy_entries}

    @cached_property
    def differences(self) -> Figures:
        """Top-1 less that of BASELINE on the same real samples; BASELINE itself is not in it."""
        return {one.place: one for one in self.difference_entries}

    @cached_property
    def _plan(self) -> _Experiment:
        plan: _Experiment = from_json(
            _Experiment, self.experiment, "lift.protocol", ignore_unknown=True
        )
        return plan

    @property
    def kind(self) -> str:
        """Either "few-shot" or "rare"."""
        return self._plan.kind

    @property
    def trials(self) -> int:
        """Number of repetitions of each arm."""
        return self._plan.trials

    @property
    def groups(self) -> tuple[str, ...]:
        """Of classes, the one that the experiment is about first."""
        return _once(one.group for one in self.accuracy_entries)

    @property
    def counts(self) -> tuple[int, ...]:
        """Real samples per class, ascending, ALL last."""
        found = _once(one.count for one in self.accuracy_entries)
        return tuple(sorted(found, key=lambda count: (count == ALL, count)))

    @cached_property
    def series(self) -> tuple[Series, ...]:
        """In the order of the experiment's arms."""
        found = _once(one.place[2] for one in self.accuracy_entries)
        arms = self._plan.arms
        return tuple(sorted(found, key=lambda one: (arms.index(one.arm), one.amount)))

    @cached_property
    def steps(self) -> dict[str, int | None]:
        """Training steps of each arm's recognisers, pretraining included; None if not known."""
        return {row.trial.arm: total_steps(row.config) for row in self.rows}

    @property
    def compared(self) -> tuple[Series, ...]:
        """The series that have a difference."""
        return tuple(s for s in self.series if any(place[2] == s for place in self.differences))

    @property
    def data(self) -> dict[str, str]:
        """Content hashes of the store that samples are taken from, and of the one judged on."""
        return {"train": self.config["train"], "judged_on": self.config["judged_on"]}

    @property
    def settings(self) -> dict[str, Any]:
        """What the figures depend on, plain JSON."""
        return {
            "protocol": self.experiment,
            "generator": self.generator,
            "decides": self.config,
        }

    def check(self) -> None:
        """See ResultFile."""
        from_json(_Hashes, self.config, "lift.decides", ignore_unknown=True)
        if not self.accuracy_entries:
            raise ValueError("no accuracy")
        least = min(one.count for one in self.accuracy_entries)
        if least < 0:
            raise ValueError(f"{least} real samples per class")
        arms = self._plan.arms
        unknown = [one.arm for one in self.accuracy_entries if one.arm not in arms]
        if unknown:
            raise ValueError(f"an arm {unknown[0]!r:.60} that the experiment does not have")
        sizes = len(self.groups), len(self.counts), len(self.series)
        if max(sizes) > MAX_SHOWN:
            raise ValueError("{:,} groups, {:,} counts and {:,} series".format(*sizes))


def count_name(count: int) -> str:
    """`10`, or `all`."""
    return "all" if count == ALL else str(count)


T = TypeVar("T")


def _once(values: Iterable[T]) -> tuple[T, ...]:
    """Without repetitions, in their order."""
    return tuple(dict.fromkeys(values))
