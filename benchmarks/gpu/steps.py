"""Step times and sampling rates on one GPU: plain port, eager fp32 and bf16, CUDA graphs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.throughput.gan_step import run_graphs, run_hwgen, run_plain
from hwgen.charset import gb2312_level1
from hwgen.generators.gan.networks import build_generator
from hwgen.generators.gan.presets import preset
from hwgen.generators.gan.sampling import Sampler


def measure(device: torch.device, *, classes: int, tiny: bool = False) -> dict[str, Any]:
    """All rows, with median, minimum and maximum of five runs in turn."""
    runs, steps = (2, 2) if tiny else (5, 60)
    rows: dict[str, Any] = {}
    kind = device.type
    for name in ("glyph-32",) if tiny else ("paper-hwdb", "glyph-32", "glyph-64"):
        recipe = preset(name)
        ways: dict[str, Callable[[], None]] = {
            "plain port, eager fp32": partial(run_plain, recipe, classes, kind, "fp32", steps),
            "hwgen, eager fp32": partial(run_hwgen, recipe, classes, kind, "fp32", steps),
        }
        if kind == "cuda":
            ways["hwgen, eager bf16"] = partial(run_hwgen, recipe, classes, kind, "bf16", steps)
            ways["hwgen, CUDA graphs, bf16"] = partial(
                run_graphs, recipe, classes, kind, "bf16", steps
            )
        times: dict[str, list[float]] = {way: [] for way in ways}
        for call in ways.values():
            call()  # warm-up; graphs are recorded
        for _ in range(runs):
            for way, call in ways.items():
                began = time.perf_counter()
                call()
                times[way].append((time.perf_counter() - began) / steps * 1e3)
        rows[name] = {
            "classes": classes,
            "batch": recipe.batch,
            "ms_per_step": {way: _spread(values) for way, values in times.items()},
        }
        print(name, {w: _spread(v)["median"] for w, v in times.items()}, flush=True)
    rows["synthesis"] = _synthesis(device, 2 if tiny else 50, 8 if tiny else 3740)
    print("synthesis", rows["synthesis"], flush=True)
    if device.type == "cuda":
        rows["peak_gpu_bytes"] = torch.cuda.max_memory_allocated()
    return rows


def _spread(values: list[float]) -> dict[str, float]:
    middle = statistics.median(values)
    return {
        k: round(v, 3) for k, v in (("median", middle), ("min", min(values)), ("max", max(values)))
    }


def _synthesis(device: torch.device, per_class: int, classes: int) -> dict[str, Any]:
    """Seconds for `per_class` samples per class by glyph-32, with noise and copies to the host."""
    recipe, charset = preset("glyph-32"), gb2312_level1()
    sampler = Sampler(build_generator(recipe, len(charset)).eval(), recipe, charset, device)
    ids = np.repeat(np.arange(classes), per_class)
    indices = np.tile(np.arange(per_class), classes)
    sampler.sample(ids[:64], indices[:64])
    began = time.perf_counter()
    images = sampler.sample(ids, indices)
    seconds = time.perf_counter() - began
    return {"preset": "glyph-32", "images": len(images), "seconds": round(seconds, 3)}
