"""In: how many samples of each class were drawn and passed a judge. Out: yield.json of a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hwgen.errors import StoreError
from hwgen.io.json_files import read_object, reading
from hwgen.schema import from_json
from hwgen.store import Store

FILE = "yield.json"


@dataclass(frozen=True)
class ClassAcceptance:
    """What became of one class.

    Attributes:
        drawn: samples that were drawn and judged.
        passed: those that passed.
        kept: those that are in the store.
    """

    drawn: int
    passed: int
    kept: int

    @property
    def rate(self) -> float:
        """Of the drawn samples, those that passed."""
        return self.passed / max(1, self.drawn)


def report(
    classes: Mapping[str, ClassAcceptance], per_class: int, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of yield.json.

    Args:
        classes: by label.
        per_class: samples that each class should have.
        settings: of the judge.

    Returns:
        Plain JSON: "filter", "per_class", "drawn", "passed", "kept", "yield" (passed / drawn),
        "short" (labels of the classes that are not full, the lowest yield first) and "classes"
        (drawn, passed, kept a label).
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


@dataclass(frozen=True)
class Acceptance:
    """A yield.json, checked; see `report`.

    Attributes:
        per_class: samples that each class should have.
        drawn: of all classes.
        passed: of these, those that passed.
        short: labels of the classes that are not full.
        classes: by label.
    """

    per_class: int
    drawn: int
    passed: int
    short: tuple[str, ...]
    classes: dict[str, ClassAcceptance]

    @property
    def rate(self) -> float:
        """Of the drawn samples, those that passed."""
        return self.passed / max(1, self.drawn)


def read_acceptance(store: Store) -> Acceptance:
    """The yield.json of a filtered store.

    Raises:
        StoreError: it is missing or damaged.
    """
    file = store.path / FILE
    with reading(file, "a report of yields", "Draw the store again", raising=StoreError):
        found: Acceptance = from_json(Acceptance, read_object(file), "yield", ignore_unknown=True)
    return found
