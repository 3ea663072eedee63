"""In: a lift.json. Out: its figures, checked field by field, in the order of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwgen.errors import InputError

LIFT_FILE = "lift.json"
LIFT_FORMAT = "hwgen-lift"
LIFT_VERSION = 1

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
        InputError: not JSON, of another format, or a field is missing or of the wrong type.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        found = (value["format"], value["format_version"])
        if found != (LIFT_FORMAT, LIFT_VERSION):
            raise ValueError(f"format {found[0]!r} version {found[1]!r}")
        return _lift(file, value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"is not a lift this hwgen can read ({type(error).__name__}: {error})",
            where=str(file),
            remedy="Run hwgen benchmark --protocol again",
        ) from None


def _lift(file: Path, value: Mapping[str, Any]) -> Lift:
    accuracy, differences = _figures(value["accuracy"]), _figures(value["differences"])
    if not accuracy:
        raise ValueError("no accuracy")
    groups, counts, series = (dict.fromkeys(keys) for keys in zip(*accuracy, strict=True))
    arms = [str(arm) for arm in value["protocol"]["arms"]]
    return Lift(
        path=file.parent,
        kind=str(value["protocol"]["kind"]),
        groups=tuple(groups),
        counts=tuple(sorted(counts, key=lambda count: (count == ALL, count))),
        series=tuple(sorted(series, key=lambda one: (arms.index(one.arm), one.amount))),
        draws=int(value["protocol"]["draws"]),
        accuracy=accuracy,
        differences=differences,
        advice=str(value["advice"]),
        train=str(value["train"]),
        test=str(value["test"]["store"]),
        writers_shared=int(value["test"]["writers_shared"]),
        data={role: str(value["decides"][role]) for role in ("train", "judged_on")},
        version=str(value["hwgen"]),
        settings={key: value[key] for key in ("protocol", "generator", "decides")},
    )


def _figures(entries: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int, Series], Estimate]:
    return {
        (str(e["group"]), int(e["count"]), Series(str(e["arm"]), int(e["amount"]))): Estimate(
            float(e["mean"]), float(e["low"]), float(e["high"])
        )
        for e in entries
    }
