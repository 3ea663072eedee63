"""A small experiment and a generator that costs nothing, for tests of lift."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.experiments.lift.plan import Experiment
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.results.lift import ALL
from hwgen.store import Store, StoreWriter


@dataclass
class Copies:
    """A generator that repeats the real samples; says what it was given."""

    calls: list[tuple[int, int, int]]
    before: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        return {"kind": "copies"}

    @property
    def trained_before(self) -> bool:
        return False

    @property
    def trained_on(self) -> frozenset[str]:
        return frozenset([self.before] if self.before else [])

    @property
    def seen(self) -> frozenset[str] | None:
        return None

    def works_without_real(self, *, others: bool) -> bool:
        return False

    def cost(self, run: Path, seed: int) -> dict[str, Any]:
        return {"images": 7, "seconds": 1.5}

    def check(self, real: Store, run: Path, *, seed: int) -> None:
        pass

    def __call__(
        self, real: Store, run: Path, out: Path, *, amount: int, seed: int, progress: Any, stop: Any
    ) -> Store | None:
        self.calls.append((len(real), amount, seed))
        progress("copying", 0.5)
        labels = real.labels
        records = np.concatenate(
            [np.resize(np.flatnonzero(labels == c), amount) for c in range(len(real.charset))]
        )
        with StoreWriter(out, size=real.size, recipe={}, overwrite=True) as writer:
            for record in records.tolist():
                writer.add(real.record(record))
            return writer.finish(charset=real.charset, origin={"kind": "synthetic"})


def small(toy: RecogniserRecipe, **changes: Any) -> Experiment:
    given = {
        "real_per_class": (2, ALL),
        "trials": 2,
        "synthetic_per_class": (4,),
        "held_out_per_class": 3,
        "recipe": toy,
    }
    return Experiment(**{**given, **changes})
