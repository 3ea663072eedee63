"""In: ways of doing one job. Out: their times, taken in turn, with ratios and the hardware.

The ways run one after the other, again and again (A B C A B C ...), so that whatever slows the
machine for a while slows all of them; ratios are taken round by round and their median is quoted.
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

import hwgen
from hwgen.compute.devices import describe, pick_precision
from hwgen.io.json_files import write_json

Job = Callable[[], object]
"""One run of one way, all set up before; what it returns is dropped."""


@dataclass(frozen=True)
class Times:
    """Seconds of every counted run of one way, and how much work one run does."""

    seconds: list[float]
    work: float

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; the rate is work a second, at the median."""
        return {
            "median_s": _digits(self.median),
            "seconds": [_digits(s) for s in self.seconds],
            "work": self.work,
            "rate": _digits(self.work / self.median),
        }


def in_turn(
    ways: Mapping[str, Job],
    work: float | Mapping[str, float],
    *,
    runs: int = 5,
    warmup: int = 1,
    device: torch.device | None = None,
) -> dict[str, Times]:
    """Time every way `runs` times in turn, after `warmup` rounds that do not count.

    Args:
        ways: name -> job.
        work: what one run does (records, pictures, steps), of all ways or of each.
        runs: counted rounds.
        warmup: rounds before.
        device: waited for after each run, where it is a GPU.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(warmup + runs):
        for name, job in ways.items():
            gc.collect()
            _wait(device)
            began = time.perf_counter()
            job()
            _wait(device)
            if number >= warmup:
                seconds[name].append(time.perf_counter() - began)
    return {
        name: Times(taken, work[name] if isinstance(work, Mapping) else work)
        for name, taken in seconds.items()
    }


def result(
    job: str,
    unit: str,
    times: Mapping[str, Times],
    *,
    baseline: str,
    fast: str,
    goal: str,
    settings: Mapping[str, Any],
    limits: Mapping[str, Any] | None = None,
    device: torch.device | None = None,
    precision: str = "fp32",
) -> dict[str, Any]:
    """One row of the table as plain JSON.

    Args:
        job: what is done.
        unit: of the work.
        times: from `in_turn`.
        baseline: the naive or the peer's way, by name.
        fast: hwgen's way, by name.
        goal: what was wanted, in words.
        settings: all that decides the work.
        limits: what the hardware allows, measured in the same run: name -> number.
        device: where it ran; None is the CPU.
        precision: of the fast way.
    """
    slow, quick = times[baseline], times[fast]
    a_unit = [
        (s / slow.work) / (f / quick.work) for s, f in zip(slow.seconds, quick.seconds, strict=True)
    ]
    return {
        "job": job,
        "unit": unit,
        "goal": goal,
        "baseline": baseline,
        "fast": fast,
        "ratio": _digits(statistics.median(a_unit)),
        "ratios": [_digits(r) for r in a_unit],
        "ways": {name: t.to_json() for name, t in times.items()},
        "limits": dict(limits or {}),
        "settings": dict(settings),
        "hardware": hardware(device, precision),
    }


def hardware(device: torch.device | None = None, precision: str = "fp32") -> dict[str, Any]:
    """The machine: processor, cores, memory, device, and the versions that matter."""
    device = device or torch.device("cpu")
    return {
        **describe(device, pick_precision(precision, device)),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "hwgen": hwgen.__version__,
    }


@contextmanager
def apart(
    ways: Mapping[str, Callable[..., object]], *arguments: object
) -> Iterator[dict[str, Job]]:
    """The ways, each in a process of its own, so that none profits from or pays for another.

    Args:
        ways: name -> a module's function, which sets up in its first call and remembers.
        arguments: handed to all of them.
    """
    with ExitStack() as held:
        jobs: dict[str, Job] = {}
        for name, way in ways.items():
            pool = held.enter_context(ProcessPoolExecutor(1, get_context("spawn")))
            jobs[name] = partial(_result, pool, way, *arguments)
        yield jobs


def _result(pool: Executor, way: Callable[..., object], *arguments: object) -> object:
    return pool.submit(way, *arguments).result()


class FlopCount(TorchDispatchMode):
    """Counts floating point operations of matrix products and convolutions, backward included.

    torch's FlopCounterMode also follows modules, and cannot do so through a double backward.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        """Run the operation and add what it took."""
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out


def matmul_rate(
    device: torch.device, dtype: torch.dtype = torch.float32, side: int = 2048
) -> float:
    """Floating point operations a second in a square matrix product, the best of five."""
    a = torch.randn(side, side, device=device).to(dtype)
    return max(2 * side**3 / t for t in _repeat(lambda: a @ a, device))


def copy_rate(device: torch.device, mib: int = 256) -> float:
    """Bytes a second read plus written in a plain copy of memory, the best of five."""
    a = torch.empty(mib << 20, dtype=torch.uint8, device=device)
    b = torch.empty_like(a)
    return max(2 * (mib << 20) / t for t in _repeat(lambda: b.copy_(a), device))


def _repeat(job: Job, device: torch.device) -> list[float]:
    times = in_turn({"it": job}, 1, runs=5, warmup=2, device=device)
    return times["it"].seconds


def _wait(device: torch.device | None) -> None:
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                extra = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in _flags()]
                return f"{line.split(':', 1)[1].strip()} ({', '.join(extra)})"
    except OSError:
        pass
    return platform.processor()


def _flags() -> set[str]:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return set(line.split(":", 1)[1].split())
    return set()


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def profile(way: Job, title: str, device: torch.device) -> str:
    """Where one run of a way spends its time, after one that does not count: a table."""
    way()
    with torch.profiler.profile(record_shapes=True) as profiler:
        way()
        _wait(device)
    averages = profiler.key_averages(group_by_input_shape=True)
    key = "self_cuda_time_total" if device.type == "cuda" else "self_cpu_time_total"
    return f"{title}\n{averages.table(sort_by=key, row_limit=20, max_shapes_column_width=60)}\n"


def save(rows: Sequence[Mapping[str, Any]], out: Path, name: str) -> None:
    """Write rows to `out`/`name`.json, and print each in a line."""
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / f"{name}.json", list(rows))
    for row in rows:
        print(line(row))


def line(row: Mapping[str, Any]) -> str:
    """One row in words."""
    rates = ", ".join(f"{name} {way['rate']:,.4g}/s" for name, way in row["ways"].items())
    return f"{row['job']}: {row['ratio']:.3g} x ({row['unit']}: {rates}); goal {row['goal']}"
