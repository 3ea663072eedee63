"""Timing of several implementations of one job in turn, with ratios and the limits of the hardware.

The implementations run in rounds (A B C A B C ...), so that whatever slows the machine for a while
slows all of them. Ratios are computed within each round and their median is reported.
"""

from __future__ import annotations

import gc
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

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks.provenance import CPU, hardware, precision_name, provenance
from hwgen.io.json_files import write_json

Job = Callable[[], object]
"""One run of one implementation, set up beforehand; its return value is ignored."""


@dataclass(frozen=True)
class Times:
    """Seconds of every counted run of one implementation, and the amount of work in one run."""

    seconds: list[float]
    work: float

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; the rate is work per second at the median."""
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
    """Time every implementation `runs` times in turn, after `warmup` rounds that are not counted.

    Args:
        ways: name -> job.
        work: units in one run (records, images, steps), for all implementations or by name.
        runs: counted rounds.
        warmup: rounds before them.
        device: a GPU is synchronised after each run.
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
        baseline: name of the plain implementation or of another library's.
        fast: name of hwgen's implementation.
        settings: everything that determines the work.
        limits: what the hardware allows, measured in the same run: name -> number.
        device: where it ran; None is the CPU.
        precision: of hwgen's implementation, see `pick_precision`.
    """
    device = device or CPU
    slow, quick = times[baseline], times[fast]
    ratios = [
        (s / slow.work) / (f / quick.work) for s, f in zip(slow.seconds, quick.seconds, strict=True)
    ]
    return {
        "job": job,
        "unit": unit,
        "baseline": baseline,
        "fast": fast,
        "ratio": _digits(statistics.median(ratios)),
        "ratios": [_digits(r) for r in ratios],
        "ways": {name: t.to_json() for name, t in times.items()},
        "limits": dict(limits or {}),
        "settings": dict(settings),
        "hardware": hardware(device, precision_name(precision, device)),
    }


@contextmanager
def apart(
    ways: Mapping[str, Callable[..., object]], *arguments: object
) -> Iterator[dict[str, Job]]:
    """Run each implementation in its own process, so that none affects the speed of another.

    Args:
        ways: name -> a module-level function, which sets up in its first call and caches that.
        arguments: passed to all of them.
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

    torch's FlopCounterMode also tracks modules, which fails in a double backward.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        """Run the operation and count its floating point operations."""
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out


def matmul_rate(
    device: torch.device, dtype: torch.dtype = torch.float32, size: int = 2048
) -> float:
    """Floating point operations per second of a square matrix product, the best of five runs."""
    a = torch.randn(size, size, device=device).to(dtype)
    return max(2 * size**3 / t for t in _repeat(lambda: a @ a, device))


def copy_rate(device: torch.device, mib: int = 256) -> float:
    """Bytes per second, read plus written, of a copy in memory, the best of five runs."""
    a = torch.empty(mib << 20, dtype=torch.uint8, device=device)
    b = torch.empty_like(a)
    return max(2 * (mib << 20) / t for t in _repeat(lambda: b.copy_(a), device))


def _repeat(job: Job, device: torch.device) -> list[float]:
    times = in_turn({"it": job}, 1, runs=5, warmup=2, device=device)
    return times["it"].seconds


def _wait(device: torch.device | None) -> None:
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def profile(way: Job, title: str, device: torch.device) -> str:
    """A table of torch.profiler: where a run spends its time, after one warm-up run."""
    way()
    with torch.profiler.profile(record_shapes=True) as profiler:
        way()
        _wait(device)
    averages = profiler.key_averages(group_by_input_shape=True)
    key = "self_cuda_time_total" if device.type == "cuda" else "self_cpu_time_total"
    return f"{title}\n{averages.table(sort_by=key, row_limit=20, max_shapes_column_width=60)}\n"


def save(
    rows: Sequence[Mapping[str, Any]],
    out: Path,
    name: str,
    file: str,
    arguments: Sequence[str] | None,
) -> None:
    """Write rows with their provenance to `out`/`name`.json, and print a line for each.

    Args:
        rows: from `result`, each with its own hardware.
        out: folder, made if missing.
        name: of the job.
        file: `__file__` of the script.
        arguments: of the script; None takes those of the process.
    """
    origin = {key: v for key, v in provenance(file, arguments).items() if key != "hardware"}
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / f"{name}.json", [{**origin, **row} for row in rows])
    for row in rows:
        print(line(row))


def line(row: Mapping[str, Any]) -> str:
    """One row as text."""
    rates = ", ".join(f"{name} {way['rate']:,.4g}/s" for name, way in row["ways"].items())
    return f"{row['job']}: {row['ratio']:.3g} x ({row['unit']}: {rates})"
