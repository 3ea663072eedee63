"""Reads a target's inputs and counts outcomes and findings.

Each chunk of inputs is read by a forked child with limited memory, so that even a crash of a C
library is reported with the number of the input that caused it.
"""

from __future__ import annotations

import faulthandler
import json
import mmap
import os
import resource
import select
import signal
import struct
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from hwgen.errors import HwgenError
from tests.robustness.fuzz.target import Target, make_input

CHUNK = 2000
"""Inputs per child."""

STUCK_SECONDS = 60
"""Time after which a child that stays at one input is ended."""


class Hang(BaseException):
    """One input took too long; not an Exception, so that no reader handles it as a damaged file."""


@dataclass
class Tally:
    """Results of one target's inputs.

    Attributes:
        inputs: number read so far, and the number of the next.
        seconds: spent on them.
        peak_mib: peak memory of a child above its start, MiB.
        outcomes: outcome -> number of inputs.
        findings: other endings: number of the input, what happened, and where.
    """

    inputs: int = 0
    seconds: float = 0.0
    peak_mib: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[dict[str, Any]] = field(default_factory=list)


def run(
    target: Target,
    tally: Tally,
    *,
    seed: int,
    count: int,
    seconds: float,
    progress: Callable[[Tally], None] = lambda tally: None,
) -> None:
    """Read the inputs after those in the tally, up to `count` or until time is up.

    Args:
        target: see Target.
        tally: updated after each chunk.
        seed: of all inputs.
        count: number of inputs, including those in the tally.
        seconds: time limit, checked between chunks.
        progress: called after each chunk.
    """
    began = time.monotonic()
    while tally.inputs < count and time.monotonic() - began < seconds:
        start = time.monotonic()
        found = _in_child(target, seed, tally.inputs, min(CHUNK, count - tally.inputs))
        tally.seconds = round(tally.seconds + time.monotonic() - start, 2)
        tally.inputs += found["inputs"]
        tally.outcomes.update(found["outcomes"])
        tally.findings += found["findings"]
        tally.peak_mib = max(tally.peak_mib, found["peak_mib"])
        progress(tally)


def read_one(target: Target, seed: int, index: int) -> str:
    """Outcome of one input, read in this process; a finding is raised."""
    try:
        return target.read(make_input(target, seed, index))
    except HwgenError as error:
        return type(error).__name__


def _in_child(target: Target, seed: int, first: int, count: int) -> dict[str, Any]:
    """Results of a child; if an input crashed it, "inputs" counts those up to that one."""
    at = mmap.mmap(-1, 8)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        try:
            with open(writing, "w", encoding="utf-8") as pipe:
                json.dump(_read_chunk(target, seed, first, count, at), pipe)
        finally:
            os._exit(0)
    os.close(writing)
    text = _read_pipe(reading, child, at)
    _, status = os.waitpid(child, 0)
    if text:
        found: dict[str, Any] = json.loads(text)
        return found
    (index,) = struct.unpack("<q", at[:8])
    name = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "exit"
    # The child's results for the inputs before the crash are lost: read them again.
    found = {"inputs": 0, "outcomes": {}, "findings": [], "peak_mib": 0.0}
    if index > first:
        found = _in_child(target, seed, first, index - first)
    if found["inputs"] == index - first:
        found["inputs"] += 1
        found["outcomes"]["crash"] = 1
        found["findings"].append(
            {"index": index, "what": f"the process ended: {name}", "where": ""}
        )
    return found


def _read_pipe(reading: int, child: int, at: mmap.mmap) -> str:
    """What a child writes; one that stays at an input is ended, with its traceback on stderr.

    Its own timers do not end it where C code waits for what never comes.
    """
    text, last, since = b"", at[:8], time.monotonic()
    while True:
        if select.select([reading], [], [], 0.5)[0]:
            part = os.read(reading, 1 << 16)
            if not part:
                os.close(reading)
                return text.decode()
            text += part
        elif at[:8] != last:
            last, since = at[:8], time.monotonic()
        elif time.monotonic() - since > STUCK_SECONDS:
            os.kill(child, signal.SIGABRT)


def _read_chunk(target: Target, seed: int, first: int, count: int, at: mmap.mmap) -> dict[str, Any]:
    outcomes: Counter[str] = Counter()
    findings: list[dict[str, Any]] = []
    faulthandler.enable()
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)  # OpenMP would wait for the parent's threads, which a fork lacks
    held = _mib("VmSize")
    began = _mib("VmRSS")
    most = int((held + target.mib) * (1 << 20))
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    signal.signal(signal.SIGALRM, _raise_hang)
    # If the interpreter itself hangs, the default action of this signal ends the child.
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    for index in range(first, first + count):
        at[:8] = struct.pack("<q", index)
        data = make_input(target, seed, index)
        signal.setitimer(signal.ITIMER_VIRTUAL, 4 * target.seconds)
        signal.setitimer(signal.ITIMER_REAL, target.seconds)
        try:
            outcome = target.read(data)
        except HwgenError as error:
            outcome = type(error).__name__
        except (Exception, Hang) as error:
            outcome = "finding"
            frames = traceback.extract_tb(error.__traceback__)[-3:]
            where = " > ".join(f"{Path(f.filename).name}:{f.lineno}" for f in frames)
            what = f"{type(error).__name__}: {str(error)[:200]}"
            findings.append({"index": index, "what": what, "where": where})
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        outcomes[outcome] += 1
    return {
        "inputs": count,
        "outcomes": outcomes,
        "findings": findings,
        "peak_mib": round(_mib("VmHWM") - began, 1),
    }


def _raise_hang(number: int, frame: FrameType | None) -> None:
    raise Hang("took too long")


def _mib(name: str) -> float:
    """A memory counter of this process in MiB, see proc(5)."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {name}")
