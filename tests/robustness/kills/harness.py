"""Kills a command repeatedly and compares its results with those of an uninterrupted run.

The command is run and killed again and again, until at random a run is allowed to finish. Its
result must equal that of an uninterrupted run; then everything starts from the beginning.
"""

from __future__ import annotations

import math
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import lmdb

from hwgen.errors import HwgenError
from tests.robustness.kills.child import Ended, rehearse, run
from tests.robustness.kills.contents import Contents, contents, refusal
from tests.robustness.kills.jobs import Job

Series = Literal["moments", "operations"]
"""Kills at random moments of the duration; or in pairs before file operations, the first before
each in turn, the second, in the rerun, before a random one. The latter reach short critical
sections that random moments hardly ever hit."""

UNREADABLE = (HwgenError, ValueError, OSError, lmdb.Error)

SERIES: tuple[Series, ...] = ("moments", "operations")

LET_THROUGH = 0.25
"""Probability that a run after a kill may finish."""


@dataclass
class Tally:
    """Results of one series of kills.

    Attributes:
        kills: number of runs that were killed.
        seconds: duration of an uninterrupted run, measured before.
        operations: its file operations.
        fractions: kills in each tenth of that duration.
        left: kills that left "nothing", "unfinished" or partial output, or the "whole" output.
        names: kills that left each name; # stands for digits.
        ends: runs that finished after at least one kill.
        equal: those with the result of an uninterrupted run.
        longest: largest number of kills between two ends.
        findings: violations of what is guaranteed.
    """

    kills: int = 0
    seconds: float = 0.0
    operations: int = 0
    fractions: list[int] = field(default_factory=lambda: [0] * 10)
    left: Counter[str] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    ends: int = 0
    equal: int = 0
    longest: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "left": dict(self.left), "names": dict(sorted(self.names.items()))}


@dataclass(frozen=True)
class Stage:
    """A job that is set up in a folder.

    Attributes:
        job: the command.
        folder: where it runs, beside the inputs.
        start: contents before it runs.
        end: contents after an uninterrupted run.
        names: all names of files and folders after it.
        seconds: see Tally.
        operations: see Tally.
    """

    job: Job
    folder: Path
    start: Contents
    end: Contents
    names: frozenset[str]
    seconds: float
    operations: int

    def begin(self) -> None:
        """Restore the folder to its contents before the command runs."""
        shutil.rmtree(self.folder)
        shutil.copytree(_initial(self.folder), self.folder)


def set_up(job: Job, folder: Path) -> Stage:
    """Run a job without kills to learn its result and duration.

    Raises:
        SystemExit: it failed, or two runs have different results.
    """
    for place in (folder, _initial(folder)):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
    for argv in job.start:
        rehearse(argv, _initial(folder))
    start = contents(_initial(folder))
    stage = Stage(job, folder, start, Contents(), frozenset(), 0.0, 0)
    stage.begin()
    operations = rehearse(job.argv, folder)
    end = contents(folder)
    stage.begin()
    ended = run(job.argv, folder)
    again = contents(folder)
    if ended.code or again != end:
        different = [
            name for name in end.finished if end.finished[name] != again.finished.get(name)
        ]
        raise SystemExit(f"two runs of hwgen {' '.join(job.argv)} differ in {different}")
    stage = Stage(job, folder, start, end, _names(folder), ended.seconds, operations)
    stage.begin()
    return stage


def kill(
    stage: Stage,
    name: str,
    series: Series,
    *,
    kills: int,
    seed: int,
    progress: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Run and kill until `kills` runs were killed; then let one finish.

    The second series has half as many kills, or fewer if each file operation has been used.

    Args:
        stage: from `set_up`.
        name: of the job; with seed and number it determines each moment.
        series: see Series.
        kills: at random moments, multiplied by the job's fraction.
        seed: of all moments.
        progress: called after each kill.
    """
    tally = Tally(seconds=round(stage.seconds, 3), operations=stage.operations)
    kills = math.ceil(kills * stage.job.fraction * (1 if series == "moments" else 0.5))
    turns = list(range(1, stage.operations + 1))
    random.Random(f"{seed}/{name}").shuffle(turns)
    chain, known, tries = 0, stage.start, 0
    while chain or (tally.kills < kills and (turns or series == "moments")):
        rng = random.Random(f"{seed}/{name}/{series}/{tries}")
        tries += 1
        after, before = None, None
        through = tally.kills >= kills or (chain and rng.random() < LET_THROUGH)
        if series == "moments" and not through:
            after = rng.uniform(0, stage.seconds)
        elif series == "operations" and chain < 2:
            before = rng.randint(1, stage.operations) if chain else turns.pop()
        ended = run(stage.job.argv, stage.folder, after=after, before=before)
        if ended.killed:
            tally.kills += 1
            chain += 1
            tally.longest = max(tally.longest, chain)
            tenth = int(10 * ended.seconds / stage.seconds)
            tally.fractions[min(9, tenth)] += 1
            known, wrong = _after_kill(stage, known, tally)
            progress(tally)
        else:
            wrong = _after_end(stage, ended, known)
            tally.ends += bool(chain)
            tally.equal += bool(chain) and not wrong
        tally.findings += [{"kill": tally.kills, "chain": chain, "what": what} for what in wrong]
        if wrong or not ended.killed:
            stage.begin()
            chain, known = 0, stage.start
    return tally


def _after_kill(stage: Stage, known: Contents, tally: Tally) -> tuple[Contents, list[str]]:
    """The contents, and what is wrong with them."""
    tally.names.update(_seen(stage.folder))
    try:
        found = contents(stage.folder)
    except UNREADABLE as error:
        tally.left["damaged"] += 1
        return known, [f"cannot be read: {type(error).__name__}: {error}"]
    end, start = stage.end.finished, stage.start.finished
    wrong = [
        f"{name} has its final name and differs from the finished one"
        for name, digest in found.finished.items()
        if digest not in (end.get(name), start.get(name))
    ]
    for name, digest in known.finished.items() if found.finished != end else ():
        if name not in found.finished and found.aside.get(name) != digest:
            wrong.append(f"{name} was finished and is lost")
        elif found.finished.get(name) not in (None, digest, end.get(name)):
            wrong.append(f"{name} was finished and has changed")
    for name, saved in known.saved.items():
        result = _result_of(stage.folder / name)
        if not (result and result.exists()) and found.saved.get(name, 0) < saved:
            wrong.append(f"{name} had saved {saved}, now {found.saved.get(name, 0)}")
    for name in found.unfinished:
        out = stage.folder / name.removesuffix(".partial")
        if (stage.folder / name / "recipe.json").exists() and not out.exists():
            message = refusal(out)
            if "unfinished" not in message:
                wrong.append(f"{name} was not refused as unfinished: {message}")
    if found.finished == end:
        tally.left["whole"] += 1
    else:
        begun = found.unfinished or found.finished != start
        tally.left["unfinished" if begun else "nothing"] += 1
    return found, wrong


def _after_end(stage: Stage, ended: Ended, known: Contents) -> list[str]:
    """What is wrong with the result of a finished run."""
    refused = stage.job.refusal and known.finished == stage.end.finished
    if ended.code and not (refused and stage.job.refusal in ended.output):
        return [f"ended with {ended.code}: {ended.output.strip()[-600:]}"]
    try:
        found = contents(stage.folder)
    except UNREADABLE as error:
        return [f"cannot be read: {type(error).__name__}: {error}"]
    wrong = []
    for kind in ("finished", "growing"):
        there, expected = getattr(found, kind), getattr(stage.end, kind)
        different = {n for n in {*there, *expected} if there.get(n) != expected.get(n)}
        wrong += [f"{name} differs from an uninterrupted run" for name in sorted(different)]
    left_over = _names(stage.folder) - stage.names
    return wrong + [f"{name} is left over" for name in sorted(left_over)]


def _result_of(path: Path) -> Path | None:
    """What an unfinished output or a checkpoint is for, which takes its place."""
    if path.name.endswith(".hwgen-checkpoint"):
        return path.with_name(path.name.removesuffix(".hwgen-checkpoint")[1:])
    return path.with_suffix("") if path.suffix == ".partial" else None


def _initial(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.start")


def _names(folder: Path) -> frozenset[str]:
    return frozenset(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def _seen(folder: Path) -> set[str]:
    """Names down to the second level, with # for digits."""
    paths = (path.relative_to(folder) for path in [*folder.glob("*"), *folder.glob("*/*")])
    return {re.sub(r"\d+", "#", path.as_posix()) for path in paths}
