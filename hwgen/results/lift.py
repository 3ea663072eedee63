"""lift.json: accuracy by the number of real samples, with and without synthetic ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from hwgen.results.files import ResultFile
from hwgen.results.generator_facts import GeneratorFacts
from hwgen.results.trials import ALL, NONE, TrialResult, count_name, total_steps
from hwgen.schema import from_json, key, to_json

MAX_SHOWN = 50
"""Limit of a file that is read: groups of classes, numbers of samples, and series of a plot, of
each; and the numbers of steps of each series."""

__all__ = [
    "ALL",
    "AMONG_RARE",
    "AMONG_RARE_NOTE",
    "BASELINES",
    "COMMON",
    "MAX_SHOWN",
    "NONE",
    "RARE",
    "Estimate",
    "Figures",
    "GeneratorFacts",
    "Lift",
    "Series",
    "TestStore",
    "baseline_of",
    "count_name",
    "most_steps",
]

BASELINES = ("classical", "pretrained")
"""The first of them that an experiment has is the arm that all others are compared with."""

RARE, AMONG_RARE, COMMON = "rare", "rare among rare", "common"
"""Groups of classes. AMONG_RARE: the rare ones, where they alone are candidates, as in published
results on characters without samples."""

AMONG_RARE_NOTE = f"{AMONG_RARE}: only the rare classes are candidates"


@dataclass(frozen=True)
class Series:
    """One curve.

    Attributes:
        arm: name of the arm.
        amount: synthetic samples per class; 0: none.
        generator: name of the generator among several; "" for the only one, and without.
        steps: training steps among several numbers; 0 for the only one, or the best one.
    """

    arm: str
    amount: int
    generator: str = ""
    steps: int = 0

    @property
    def arm_name(self) -> str:
        """`classical+synthetic`, or `classical+refiner-32` with one of several generators."""
        return self.arm.replace("synthetic", self.generator or "synthetic")

    @property
    def name(self) -> str:
        """`classical+synthetic, 100 per class`."""
        amount = f", {self.amount} per class" if self.amount else ""
        return f"{self.arm_name}{amount}" + (f", {self.steps:,} steps" if self.steps else "")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Accuracy, or a difference of accuracies, of one series at one number of real samples.

    Attributes:
        group: of classes: "all", RARE, AMONG_RARE, COMMON.
        count: real samples per class; ALL is all, NONE is none.
        arm: see Series.
        amount: see Series.
        generator: see Series.
        steps: see Series.
        best_steps: training steps that were the best of several on held-out samples; 0: not chosen.
        total_steps: training steps, pretraining included; None: not known.
        held_out: accuracy of the series on held-out samples; None: not measured.
        converged: whether the most steps that were tried gained too little over fewer to matter;
            None where the number of steps was not chosen.
        mean: fraction of test samples.
        low, high: 95 % limits.
        trials: number of repetitions.
        runs: the value of each repetition.
        writers: number of writers of the test samples that the limits take into account; 0: none.
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
    generator: str = field(default="", metadata=key("generator", left_out=""))
    steps: int = field(default=0, metadata=key("steps", left_out=0))
    best_steps: int = field(default=0, metadata=key("best_steps", left_out=0))
    total_steps: int | None = field(default=None, metadata=key("total_steps", left_out=None))
    held_out: float | None = field(default=None, metadata=key("held_out", left_out=None))
    converged: bool | None = field(default=None, metadata=key("converged", left_out=None))
    writers: int = field(default=0, metadata=key("writers", left_out=0))

    @property
    def series(self) -> Series:
        """The curve that it belongs to."""
        return Series(self.arm, self.amount, self.generator, self.steps)

    @property
    def place(self) -> tuple[str, int, Series]:
        """Group, number of real samples, series."""
        return self.group, self.count, self.series


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
        generator: settings of the first generator; plain JSON.
        generators: all generators; empty in older files.
        start: provenance of the pretrained recogniser; None without one.
        start_classes_shared: number of classes that it was pretrained on too.
        train: path of the store that the real samples are taken from.
        test: the store that recognisers were tested on.
        data_kinds: "train" and "test" -> "real" or "simulated"; empty in older files.
        accuracy_entries: top-1.
        difference_entries: top-1 less that of the baseline on the same real samples.
        generator_difference_entries: top-1 less that of the same arm with the first generator.
        advice: what a user should do.
        missing: names of trials that are not finished.
        left_out: classes of the given stores that have no strokes, and are not in the experiment.
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
    generators: tuple[GeneratorFacts, ...] = ()
    start: dict[str, Any] | None = None
    start_classes_shared: int = 0
    train: str
    test: TestStore
    data_kinds: dict[str, str] = field(default_factory=dict, metadata=key("made"))
    accuracy_entries: tuple[Estimate, ...] = field(metadata=key("accuracy"))
    difference_entries: tuple[Estimate, ...] = field(metadata=key("differences"))
    generator_difference_entries: tuple[Estimate, ...] = field(
        default=(), metadata=key("generator_differences")
    )
    advice: str
    missing: tuple[str, ...] = ()
    left_out: tuple[str, ...] = field(default=(), metadata=key("left_out", left_out=()))
    rows: tuple[TrialResult, ...] = ()

    @cached_property
    def accuracy(self) -> Figures:
        """Top-1."""
        return {one.place: one for one in self.accuracy_entries}

    @cached_property
    def differences(self) -> Figures:
        """Top-1 less that of the baseline on the same real samples; the baseline is not in it."""
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
    def baseline(self) -> str:
        """The arm that all others are compared with."""
        return baseline_of(self._plan.arms)

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
        """Real samples per class, ascending: NONE first, ALL last."""
        found = _once(one.count for one in self.accuracy_entries)
        return tuple(sorted(found, key=lambda count: (count == ALL, count)))

    @cached_property
    def series(self) -> tuple[Series, ...]:
        """In the order of the experiment's arms and generators, the best of several steps last."""
        found = _once(one.series for one in self.accuracy_entries)
        arms, names = self._plan.arms, [one.name for one in self.generators]

        def place(one: Series) -> tuple[int, int, int, float]:
            number = names.index(one.generator) if one.generator in names else 0
            return arms.index(one.arm), number, one.amount, one.steps or math.inf

        return tuple(sorted(found, key=place))

    @property
    def shown(self) -> tuple[Series, ...]:
        """The series of a plot: those of the best steps where they were chosen, or all."""
        best = tuple(one for one in self.series if not one.steps)
        return best or self.series

    @cached_property
    def steps(self) -> dict[str, int | None]:
        """Most training steps of each arm's recognisers, pretraining included; None: not known."""
        return most_steps(self.rows)

    def is_fair(self, one: Estimate) -> bool:
        """Whether a difference to the baseline cannot come from more training.

        More steps no longer help the baseline, or the arm has had at most as many, pretraining
        included.
        """
        name = self.baseline
        plain = self.accuracy.get((one.group, one.count, Series(name, 0, steps=one.steps)))
        if plain is not None and plain.converged:
            return True
        own, most = self.steps.get(one.arm), self.steps.get(name)
        return own == most or (own is not None and most is not None and own < most)

    @property
    def budgets(self) -> tuple[Series, ...]:
        """The series of each number of steps, where a best one was chosen."""
        chosen = any(not one.steps for one in self.series)
        return tuple(one for one in self.series if one.steps) if chosen else ()

    @property
    def generator_settings(self) -> tuple[dict[str, Any], ...]:
        """Settings of every generator."""
        return tuple(one.settings for one in self.generators) or (self.generator,)

    def generator_title(self, name: str) -> str:
        """What a generator is called beside others: its name, or the kind of the only one."""
        return name or str(self.generator_settings[0].get("kind", "")) or "synthetic"

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
            **({"generators": to_json(self.generators)} if len(self.generators) > 1 else {}),
            "decides": self.config,
        }

    @property
    def about_start(self) -> str:
        """How many of the classes the recogniser to start from knows, in words."""
        classes = len(self.rows[0].total) if self.rows else 0
        return (
            f"The recogniser to start from knows {self.start_classes_shared:,} of the {classes:,} "
            "classes."
        )

    @property
    def limits_over(self) -> str:
        """What the 95 % limits are over, in words."""
        known = {bool(one.writers) for one in (*self.accuracy_entries, *self.difference_entries)}
        if known == {True}:
            return "classes, seeds and test writers"
        if known == {True, False}:
            return "classes, seeds and, where these are known, test writers"
        return "classes and seeds, not test writers"

    def check(self) -> None:
        """See ResultFile."""
        from_json(_Hashes, self.config, "lift.decides", ignore_unknown=True)
        if not self.accuracy_entries:
            raise ValueError("no accuracy")
        least = min(one.count for one in self.accuracy_entries)
        if least < NONE:
            raise ValueError(f"{least} real samples per class")
        arms = self._plan.arms
        unknown = [one.arm for one in self.accuracy_entries if one.arm not in arms]
        if unknown:
            raise ValueError(f"an arm {unknown[0]!r:.60} that the experiment does not have")
        sizes = len(self.groups), len(self.counts), len(self.shown)
        if max(sizes) > MAX_SHOWN or len(self.series) > MAX_SHOWN * (1 + len(self.shown)):
            raise ValueError("{:,} groups, {:,} counts and {:,} series".format(*sizes))


def baseline_of(arms: Sequence[str]) -> str:
    """The one of these arms that the others are compared with, see BASELINES."""
    return next((name for name in BASELINES if name in arms), BASELINES[0])


def most_steps(rows: Iterable[TrialResult]) -> dict[str, int | None]:
    """Most training steps of each arm's recognisers, pretraining included; None: not known."""
    found: dict[str, int | None] = {}
    for row in rows:
        arm, steps = row.trial.arm, total_steps(row.config)
        most = found.get(arm, 0)
        found[arm] = None if steps is None or most is None else max(steps, most)
    return found


T = TypeVar("T")


def _once(values: Iterable[T]) -> tuple[T, ...]:
    """Without repetitions, in their order."""
    return tuple(dict.fromkeys(values))
