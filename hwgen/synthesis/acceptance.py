"""Acceptance of a filtered set: samples drawn, accepted and stored per class; yield.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hwgen.errors import StoreError
from hwgen.io.json_files import read_object, reading
from hwgen.schema import from_json
from hwgen.store import Store
from hwgen.synthesis.plan import Ids, Unit
from hwgen.synthesis.sampling import UnitSamples

FILE = "yield.json"


@dataclass(frozen=True)
class ClassAcceptance:
    """Counts of one class.

    Attributes:
        drawn: samples drawn and filtered.
        passed: of these, samples that the filter accepted.
        kept: samples in the store.
    """

    drawn: int
    passed: int
    kept: int

    @property
    def rate(self) -> float:
        """Fraction of the drawn samples that the filter accepted."""
        return self.passed / max(1, self.drawn)


@dataclass(frozen=True)
class Acceptance:
    """A yield.json; see `acceptance_json`.

    Attributes:
        per_class: samples requested for each class.
        drawn: of all classes.
        passed: of these, samples that the filter accepted.
        short: labels of the classes with fewer samples than requested.
        classes: by label.
    """

    per_class: int
    drawn: int
    passed: int
    short: tuple[str, ...]
    classes: dict[str, ClassAcceptance]

    @property
    def rate(self) -> float:
        """Fraction of the drawn samples that the filter accepted."""
        return self.passed / max(1, self.drawn)


def acceptance_json(
    classes: Mapping[str, ClassAcceptance], per_class: int, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of yield.json.

    Args:
        classes: by label.
        per_class: samples requested for each class.
        settings: of the filter.

    Returns:
        Plain JSON: "filter", "per_class", "drawn", "passed", "kept", "yield" (passed / drawn),
        "short" (labels of the classes with fewer samples than requested, lowest acceptance first)
        and "classes" (drawn, passed, kept by label).
    """
    drawn = sum(found.drawn for found in classes.values())
    passed = sum(found.passed for found in classes.values())
    short = [label for label, found in classes.items() if found.kept < per_class]
    return {
        "filter": dict(settings),
        "per_class": per_class,
        "drawn": drawn,
        "passed": passed,
        "kept": sum(found.kept for found in classes.values()),
        "yield": round(passed / max(1, drawn), 5),
        "short": sorted(short, key=lambda label: classes[label].rate),
        "classes": {label: asdict(found) for label, found in classes.items()},
    }


def read_acceptance(store: Store) -> Acceptance:
    """The yield.json of a filtered store.

    Raises:
        StoreError: it is missing or damaged.
    """
    file = store.path / FILE
    with reading(file, "a report of acceptance", "Make the store again", raising=StoreError):
        found: Acceptance = from_json(Acceptance, read_object(file), "yield", ignore_unknown=True)
    return found


@dataclass
class Counts:
    """Counts over all finished units; the store writer saves them with every block of records.

    Attributes:
        units: finished units.
        records: records of these units.
        settled: records requested of these units.
        drawn: samples drawn for each class, int64.
        passed: samples that the filter accepted of each class, int64.
        kept: samples in the store of each class, int64.
    """

    units: int
    records: int
    settled: int
    drawn: Ids
    passed: Ids
    kept: Ids

    @classmethod
    def zero(cls, classes: int) -> Counts:
        """Counts before the first unit."""
        return cls(0, 0, 0, *np.zeros((3, classes), np.int64))

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Counts:
        """Counts as they were saved by `to_json`."""
        counts: dict[str, Any] = {
            name: np.array(value) if isinstance(value, list) else value
            for name, value in saved.items()
        }
        return cls(**counts)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }

    def add(self, unit: Unit, samples: UnitSamples) -> None:
        """Add a finished unit."""
        self.units += 1
        self.records += len(samples.classes)
        self.settled += int(unit.wanted.sum())
        np.add.at(self.drawn, unit.classes, samples.drawn)
        np.add.at(self.passed, unit.classes, samples.passed)
        np.add.at(self.kept, samples.classes, 1)

    def by_label(self, labels: Sequence[str]) -> dict[str, ClassAcceptance]:
        """The counts of each class; `labels` in the order of the requested classes."""
        counts = zip(self.drawn.tolist(), self.passed.tolist(), self.kept.tolist(), strict=True)
        return {label: ClassAcceptance(*found) for label, found in zip(labels, counts, strict=True)}
