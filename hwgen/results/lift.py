"""In: a lift.json. Out: its figures, checked field by field, in the order of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwgen.io.json_files import read_object, reading
from hwgen.schema import from_json

LIFT_FILE = "lift.json"
LIFT_FORMAT = "hwgen-lift"
LIFT_VERSION = 1

MAX_SHOWN = 50
"""Groups, numbers of samples, and ways of training that a page shows, of each."""

ALL = 0
"""As a number of real samples: all."""

BASELINE = "classical"
"""What the differences are taken from."""


@dataclass(frozen=True)
class Series:
    """One way of training: an arm, with so many synthetic samples a class (0: none)."""

    arm: str
    amount: int

    @property
    def name(self) -> str:
        """`classical+synthetic, 100 a class`."""
        return f"{self.arm}, {self.amount} a class" if self.amount else self.arm


@dataclass(frozen=True)
class Estimate:
    """A share, or a difference of shares, with its 95 % interval."""

    mean: float
    low: float
    high: float


Figures = Mapping[tuple[str, int, Series], Estimate]
"""By group of classes, real samples a class, and series."""


@dataclass(frozen=True)
class Lift:
    """A lift.json, checked.

    Attributes:
        path: its folder.
        kind: "few-shot" or "rare".
        groups: of classes, the one that the protocol is about first.
        counts: real samples a class, ascending, ALL last.
        series: the ways of training, in the order of the protocol.
        draws: how often each was repeated.
        accuracy: top-1.
        differences: less the baseline's top-1; not of the baseline itself.
        advice: a sentence.
        train, test: paths of the stores.
        made: how the characters of "train" and "test" were made, see Store.made_as; {} where an
            older lift does not tell.
        writers_shared: known writers of both.
        data: content hashes of the stores drawn from and judged on.
        version: of the hwgen that wrote it.
        settings: what decides the figures, plain JSON.
    """

    path: Path
    kind: str
    groups: tuple[str, ...]
    counts: tuple[int, ...]
    series: tuple[Series, ...]
    draws: int
    accuracy: Figures
    differences: Figures
    advice: str
    train: str
    test: str
    made: dict[str, str]
    writers_shared: int
    data: dict[str, str]
    version: str
    settings: dict[str, Any]

    @property
    def compared(self) -> tuple[Series, ...]:
        """The series that have a difference."""
        return tuple(s for s in self.series if any(key[2] == s for key in self.differences))


def count_name(count: int) -> str:
    """`10`, or `all`."""
    return "all" if count == ALL else str(count)


def read_lift(file: Path) -> Lift:
    """A lift.json, checked field by field.

    Raises:
        InputError: not JSON, of another format, or a field is missing, of the wrong type, or more
            than a page can show.
    """
    with reading(file, "a lift", "Run hwgen lift again"):
        plain = read_object(file, LIFT_FORMAT, LIFT_VERSION)
        found: _File = from_json(_File, plain, "lift", ignore_unknown=True)
        accuracy, differences = _figures(found.accuracy), _figures(found.differences)
        if not accuracy:
            raise ValueError("no accuracy")
        groups, counts, series = (dict.fromkeys(keys) for keys in zip(*accuracy, strict=True))
        arms = found.protocol.arms
        if min(counts) < 0:
            raise ValueError(f"{min(counts)} real samples a class")
        if max(len(groups), len(counts), len(series)) > MAX_SHOWN:
            raise ValueError(
                f"{len(groups):,} groups, {len(counts):,} counts and {len(series):,} ways of "
                "training"
            )
        unknown = [one.arm for one in series if one.arm not in arms]
        if unknown:
            raise ValueError(f"an arm {unknown[0]!r:.60} that the protocol does not have")
    return Lift(
        path=file.parent,
        kind=found.protocol.kind,
        groups=tuple(groups),
        counts=tuple(sorted(counts, key=lambda count: (count == ALL, count))),
        series=tuple(sorted(series, key=lambda one: (arms.index(one.arm), one.amount))),
        draws=found.protocol.draws,
        accuracy=accuracy,
        differences=differences,
        advice=found.advice,
        train=found.train,
        test=found.test.store,
        made=found.made,
        writers_shared=found.test.writers_shared,
        data={"train": found.decides.train, "judged_on": found.decides.judged_on},
        version=found.hwgen,
        settings={key: plain[key] for key in ("protocol", "generator", "decides")},
    )


def _figures(entries: Sequence[_Entry]) -> dict[tuple[str, int, Series], Estimate]:
    return {
        (e.group, e.count, Series(e.arm, e.amount)): Estimate(e.mean, e.low, e.high)
        for e in entries
    }


@dataclass(frozen=True)
class _Entry:
    group: str
    count: int
    arm: str
    amount: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class _Protocol:
    kind: str
    draws: int
    arms: tuple[str, ...]


@dataclass(frozen=True)
class _Decides:
    train: str
    judged_on: str


@dataclass(frozen=True)
class _Test:
    store: str
    writers_shared: int


@dataclass(frozen=True)
class _File:
    """What is read of a lift.json."""

    hwgen: str
    protocol: _Protocol
    generator: dict[str, Any]
    decides: _Decides
    train: str
    test: _Test
    accuracy: tuple[_Entry, ...]
    differences: tuple[_Entry, ...]
    advice: str
    made: dict[str, str] = field(default_factory=dict)
