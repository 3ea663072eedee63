"""Selecting files by writer, and splitting writers into training and test sets."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hwgen.errors import InputError
from hwgen.io.files import repair_utf8
from hwgen.schema import check_seed
from hwgen.sources.casia_files import RawFile

Split = Literal["train", "test"]

_MAX_DIGITS = 18
_RANGE = re.compile(r"(\d{1,18})-(\d{1,18})")


@dataclass(frozen=True)
class WriterSelection:
    """Which writers' files to read.

    For the same files, fraction and seed, the splits "train" and "test" have no writer in common
    and together contain all of them.

    Attributes:
        named: ids and ranges of numbers, such as "1001-1050,1055"; "" selects every writer.
        held_out: fraction of these writers that is held out for tests, 0 (none) to below 1.
        split: "train" selects the writers that are not held out, "test" those that are.
        seed: of the random choice of held-out writers.

    Raises:
        InputError: a value is out of range.
    """

    named: str = ""
    held_out: float = 0.0
    split: Split = "train"
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if not 0 <= self.held_out < 1:
            raise InputError(
                f"the held-out fraction must be at least 0 and below 1, found {self.held_out}"
            )
        if self.split == "test" and not self.held_out:
            raise InputError(
                "the test split needs held-out writers",
                remedy="Give the fraction to hold out, such as --held-out 0.1",
            )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for the store's origin."""
        # "part" is the key in stores that already exist.
        return {
            "named": self.named,
            "held_out": self.held_out,
            "part": self.split,
            "seed": self.seed,
        }


ALL_WRITERS = WriterSelection()


def select_files(files: Sequence[RawFile], writers: WriterSelection) -> list[RawFile]:
    """The files of the selected writers, in order.

    Raises:
        InputError: a file's name contains no writer id; a named writer, or every writer of a
            range, is missing; or a split would be empty.
    """
    nameless = [file.name for file in files if not file.writer]
    if nameless and (writers.named or writers.held_out):
        raise InputError(
            f"the names of {len(nameless)} files contain no writer id",
            where=nameless[0],
            remedy="Name each file after its writer, such as 1001.pot or 1001-c.pot",
        )
    present = list(dict.fromkeys(file.writer for file in files))
    chosen = set(named_writers(writers.named, present) if writers.named else present)
    if writers.held_out:
        # By a hash, so that the result does not depend on the order of the files.
        ranked = sorted(chosen, key=lambda writer: _rank(writer, writers.seed))
        count = max(1, round(writers.held_out * len(ranked)))
        if count == len(ranked):
            raise InputError(
                f"holding out {writers.held_out} of {len(ranked)} writers leaves none to train on",
                remedy="Hold out a smaller fraction",
            )
        chosen = set(ranked[:count] if writers.split == "test" else ranked[count:])
    return [file for file in files if file.writer in chosen]


def named_writers(text: str, present: Sequence[str]) -> list[str]:
    """Writer ids from text such as "1001-1050,1055".

    Args:
        text: ids and ranges of numbers, separated by commas.
        present: the ids that exist.

    Raises:
        InputError: an id, or every id of a range, is missing from `present`.
    """
    chosen: list[str] = []
    for name in (item.strip() for item in repair_utf8(text).split(",")):
        match = _RANGE.fullmatch(name)
        if match and name not in present:
            low, high = int(match[1]), int(match[2])
            numbers = [id for id in present if id.isdecimal() and len(id) <= _MAX_DIGITS]
            found = [id for id in numbers if low <= int(id) <= high]
        else:
            found = [id for id in present if id == name]
        if not found:
            some = ", ".join(present[:5]) + (", …" if len(present) > 5 else "")
            raise InputError(
                f"no writer {name!r} among the {len(present)} writers ({some})",
                remedy="Give ids and ranges, such as 1001-1050,1055",
            )
        chosen += found
    return chosen


def _rank(writer: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {writer}".encode()).digest()
