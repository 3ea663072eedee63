"""Finished trials of a lift: one file each, and the rows of lift.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwgen.errors import RunError
from hwgen.io.json_files import read_object, reading, write_json
from hwgen.schema import check_same, from_json, key, to_json

ALL, NONE = 0, -1
"""As a number of real samples: all, and none."""


def count_name(count: int) -> str:
    """`10`, `0` for NONE, or `all`."""
    return "all" if count == ALL else str(max(count, 0))


MOST_WRITERS = 1000
"""Of whom a result keeps counts; more would fill lift.json with their names."""

ByWriter = dict[str, dict[str, tuple[int, int]]]
"""By group of classes and writer: test samples read as their label, and all."""


@dataclass(frozen=True, order=True)
class Trial:
    """One recogniser to train and test.

    Attributes:
        count: real samples per class (of the rare classes, in the experiment "rare"); ALL is all,
            NONE is none.
        seed: of the choice of real samples, of the generator and of the recogniser.
        arm: name of the arm.
        amount: synthetic samples per class; 0 without.
        generator: name of the generator among several; "" for the only one, and without.
        steps: training steps among several numbers; 0 for the only one.
    """

    count: int
    seed: int = field(metadata=key("draw"))
    arm: str
    amount: int
    generator: str = field(default="", metadata=key("generator", left_out=""))
    steps: int = field(default=0, metadata=key("steps", left_out=0))

    @property
    def subset(self) -> str:
        """Name of its real samples: `n10-draw0`, `all-draw0`."""
        return f"{'all' if self.count == ALL else f'n{count_name(self.count)}'}-draw{self.seed}"

    @property
    def run(self) -> str:
        """Name of its generator's run: `n10-draw0`, `n10-draw0-refiner-32`."""
        return f"{self.subset}-{self.generator}" if self.generator else self.subset

    @property
    def real_store(self) -> str:
        """Its real samples, as a path in the experiment's directory."""
        return f"draws/{self.subset}.store"

    @property
    def synthetic_store(self) -> str:
        """Its synthetic samples, likewise."""
        return f"synthetic/{self.run}-{self.amount}.store"

    @property
    def name(self) -> str:
        """Name of its file: `n10-draw0-classical+synthetic-100-refiner-32-3000steps`."""
        parts = (self.amount and str(self.amount), self.generator)
        steps = self.steps and f"{self.steps}steps"
        return "-".join(map(str, filter(None, (self.subset, self.arm, *parts, steps))))


@dataclass(frozen=True)
class TrialResult:
    """A finished trial.

    Attributes:
        trial: which one.
        config: plain JSON on which the result depends.
        correct: test samples read as their label, by class id.
        total: test samples, by class id.
        facts: plain JSON beside it: seconds, hardware, loss, number of images, and the cost of the
            generator's training.
        held_out: accuracy on held-out samples, to choose the number of steps; None if not measured.
        correct_among_rare: test samples read as their label where only the rare classes are
            candidates, by class id, 0 for other classes; None if not measured.
        by_writer: the same by the writers of the test samples; None in older files, and if there is
            one writer, or more than MOST_WRITERS, or a sample's is not known.
    """

    trial: Trial = field(metadata=key("cell"))
    config: dict[str, Any] = field(metadata=key("decides"))
    correct: list[int] = field(metadata=key("right"))
    total: list[int]
    facts: dict[str, Any]
    held_out: float | None = field(default=None, metadata=key("held_out", left_out=None))
    correct_among_rare: list[int] | None = field(
        default=None, metadata=key("right_among_rare", left_out=None)
    )
    by_writer: ByWriter | None = field(default=None, metadata=key("by_writer", left_out=None))

    def save(self, path: Path) -> None:
        """Write it to a file of its own, atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, to_json(self))

    @classmethod
    def load(cls, path: Path, config: Mapping[str, Any] | None = None) -> TrialResult:
        """Read what `save` wrote.

        Raises:
            RunError: the file is damaged.
            RecipeChangedError: its config is not `config`.
        """
        with reading(path, "a finished trial", "Remove it", raising=RunError):
            found: TrialResult = from_json(cls, read_object(path), "row")
            for counts in (found.correct, found.correct_among_rare or [0] * len(found.total)):
                pairs = zip(counts, found.total, strict=True)
                _check_counts(pairs)
            for group in (found.by_writer or {}).values():
                _check_counts(group.values())
                if not all(total for _, total in group.values()):
                    raise ValueError("a writer without test samples")
        if config is not None:
            check_same(found.config, to_json(config), "this trial was computed", where=str(path))
        return found


def _check_counts(pairs: Iterable[tuple[int, int]]) -> None:
    """Refuse impossible pairs of correct and total counts.

    Raises:
        ValueError: see above.
    """
    if not all(0 <= correct <= total for correct, total in pairs):
        raise ValueError("more samples were read correctly than there are")


def total_steps(config: Mapping[str, Any]) -> int | None:
    """Optimiser steps of a recogniser, those of its pretraining included.

    Args:
        config: see TrialResult; also the "decides" of a recogniser's provenance. Untrusted.

    Returns:
        None if not known.
    """
    total = 0
    found: object = config
    while isinstance(found, Mapping):
        recipe = found.get("recipe")
        steps = recipe.get("steps") if isinstance(recipe, Mapping) else None
        if not isinstance(steps, int):
            return None
        total += steps
        start = found.get("start")
        if start is None:
            return total
        found = start.get("decides") if isinstance(start, Mapping) else None
    return None
