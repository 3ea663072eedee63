"""In: files of writers, and whose are wanted. Out: the files of these writers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hwgen.errors import InputError
from hwgen.io.files import repair_utf8
from hwgen.sources.casia_files import RawFile

Part = Literal["train", "test"]

_RANGE = re.compile(r"(\d+)-(\d+)")


@dataclass(frozen=True)
class WriterSelection:
    """Which writers to take: those named, and of these the ones held out for tests, or the others.

    The same files, share and seed give two parts, "train" and "test", that have no writer in common
    and together have all.

    Attributes:
        named: ids and ranges of numbers, such as "1001-1050,1055"; "" takes every writer.
        held_out: share of the writers that is held out, 0 to 1; 0 holds out none.
        part: "train" takes the writers that are not held out, "test" those that are.
        seed: another seed holds out others.

    Raises:
        InputError: a value out of its range.
    """

    named: str = ""
    held_out: float = 0.0
    part: Part = "train"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.held_out < 1:
            raise InputError(f"a held-out share of {self.held_out} is not from 0 to below 1")
        if self.part == "test" and not self.held_out:
            raise InputError(
                "the test part needs held-out writers", remedy="Give a share, such as 0.1"
            )


ALL_WRITERS = WriterSelection()


def select_files(files: Sequence[RawFile], choice: WriterSelection) -> list[RawFile]:
    """The files of the chosen writers, in their order.

    Raises:
        InputError: a file's name tells no writer; a named writer, or every one of a range, is
            absent; or a part would have no writer.
    """
    nameless = [file.name for file in files if not file.writer]
    if nameless and (choice.named or choice.held_out):
        raise InputError(
            f"the names of {len(nameless)} files tell no writer, so none can be chosen",
            where=nameless[0],
            remedy="A writer's file is named as 1001.pot or 1001-c.pot",
        )
    present = list(dict.fromkeys(file.writer for file in files))
    chosen = set(named_writers(choice.named, present) if choice.named else present)
    if choice.held_out:
        # By a hash, so that the order of files is of no matter.
        ranked = sorted(chosen, key=lambda writer: _rank(writer, choice.seed))
        count = max(1, round(choice.held_out * len(ranked)))
        if count == len(ranked):
            raise InputError(
                f"holding out {choice.held_out} of {len(ranked)} writers leaves none to train on"
            )
        chosen = set(ranked[:count] if choice.part == "test" else ranked[count:])
    return [file for file in files if file.writer in chosen]


def named_writers(text: str, present: Sequence[str]) -> list[str]:
    """The writers that a user names, by ids and ranges of numbers such as "1001-1050,1055".

    Raises:
        InputError: one of them, or every one of a range, is not among those present.
    """
    chosen: list[str] = []
    for name in (part.strip() for part in repair_utf8(text).split(",")):
        match = _RANGE.fullmatch(name)
        if match and name not in present:
            low, high = int(match[1]), int(match[2])
            found = [id for id in present if id.isdecimal() and low <= int(id) <= high]
        else:
            found = [id for id in present if id == name]
        if not found:
            some = ", ".join(present[:5]) + (", ..." if len(present) > 5 else "")
            raise InputError(
                f"no writer {name!r} among the {len(present)} there: {some}",
                remedy="Give ids and ranges, such as 1001-1050,1055",
            )
        chosen += found
    return chosen


def _rank(writer: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {writer}".encode()).digest()
