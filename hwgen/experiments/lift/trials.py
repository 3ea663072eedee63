"""In: a protocol's settings. Out: its cells, each one recogniser to train and test; their rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hwgen.errors import RecipeChangedError, RunError
from hwgen.experiments.lift.subsets import ALL
from hwgen.io.json_files import read_object, reading, write_json
from hwgen.schema import differences, from_json


@dataclass(frozen=True)
class Arm:
    """One way to train a recogniser on the same real samples.

    Attributes:
        augmented: with classical augmentation.
        synthetic: with synthetic samples in the batches.
        pretrained: starting from a recogniser of other characters.
    """

    augmented: bool
    synthetic: bool
    pretrained: bool = False


ARMS: Mapping[str, Arm] = {
    "none": Arm(augmented=False, synthetic=False),
    "classical": Arm(augmented=True, synthetic=False),
    "synthetic": Arm(augmented=False, synthetic=True),
    "classical+synthetic": Arm(augmented=True, synthetic=True),
    "pretrained": Arm(augmented=True, synthetic=False, pretrained=True),
    "pretrained+synthetic": Arm(augmented=True, synthetic=True, pretrained=True),
}
"""All arms. The first four differ in what is made from the draw's real samples alone."""

BASELINE = "classical"


@dataclass(frozen=True, order=True)
class Cell:
    """One recogniser.

    Attributes:
        count: real samples a class (of the rare classes, in that protocol); ALL is all.
        draw: which samples; also the seed of generator and recogniser.
        arm: name in ARMS.
        amount: synthetic samples a class; 0 without.
    """

    count: int
    draw: int
    arm: str
    amount: int

    @property
    def real(self) -> str:
        """Name of its real samples: `n10-draw0`, `all-draw0`."""
        return f"{'all' if self.count == ALL else f'n{self.count}'}-draw{self.draw}"

    @property
    def name(self) -> str:
        """Name of its row: `n10-draw0-classical+synthetic-100`."""
        return f"{self.real}-{self.arm}" + (f"-{self.amount}" if self.amount else "")


def all_cells(
    counts: Sequence[int], draws: int, arms: Sequence[str], amounts: Sequence[int]
) -> list[Cell]:
    """All cells, draw after draw, so that an early stop leaves whole comparisons."""
    return [
        Cell(count, draw, arm, amount)
        for draw in range(draws)
        for count in counts
        for arm in arms
        for amount in (amounts if ARMS[arm].synthetic else [0])
    ]


@dataclass(frozen=True)
class Row:
    """A finished cell.

    Attributes:
        cell: which.
        decides: plain JSON on which the result depends.
        right: test samples read as their label, a class.
        total: test samples, a class.
        facts: plain JSON beside it: seconds, hardware, loss, number of pictures.
    """

    cell: Cell
    decides: dict[str, Any]
    right: list[int]
    total: list[int]
    facts: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write the row, atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path, decides: Mapping[str, Any] | None = None) -> Row:
        """Read what `save` wrote.

        Raises:
            RunError: the file is damaged.
            RecipeChangedError: it was made otherwise than `decides` says.
        """
        with reading(path, "a row of a protocol", "Remove it", raising=RunError):
            row: Row = from_json(cls, read_object(path), "row")
            counts = zip(row.right, row.total, strict=True)
            if not all(0 <= right <= total for right, total in counts):
                raise ValueError("more samples were read right than there are")
        if decides is not None:
            lines = differences(row.decides, json.loads(json.dumps(decides)))
            if lines:
                raise RecipeChangedError(
                    "this cell was computed otherwise (then -> now):\n  "
                    + "\n  ".join(lines)
                    + "\n",
                    where=str(path),
                    remedy="Give another --out, or the options it was computed with",
                )
        return row
