"""Step times and sampling rates on one GPU: plain port, eager fp32 and bf16, CUDA graphs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.refiner import (
    RefinerGenerator,
    RefinerSettings,
    RefinerStep,
    refine,
    train_refiner,
)
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
    rows["refiner-64"] = _refiner(device, tiny)
    print("refiner-64", rows["refiner-64"], flush=True)
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


def _refiner(device: torch.device, tiny: bool) -> dict[str, Any]:
    """Time of the refiner's training step on random images, and of refining."""
    n, classes, hands = (64, 4, 2) if tiny else (4096, 3740, 8)
    settings = RefinerSettings(steps=4 if tiny else 600, batch=8 if tiny else 128)
    real = torch.randint(0, 256, (n, 64, 64), dtype=torch.uint8, device=device)
    labels = torch.randint(0, classes, (n,), device=device)
    simulated = torch.randint(0, 256, (classes, hands, 64, 64), dtype=torch.uint8, device=device)
    stamps: list[tuple[int, float]] = []

    def report(step: int, values: dict[str, float], g: RefinerGenerator) -> None:
        stamps.append((step, time.perf_counter()))

    g, _ = train_refiner(
        RefinerStep(real, labels, simulated, classes, settings),
        settings,
        seconds=60,
        report=report,
        every=1 if tiny else 100,
    )
    # The first 200 steps include warm-up and captures.
    (first, began), (last, ended) = stamps[min(1, len(stamps) - 2)], stamps[-1]
    per_class = 1 if tiny else 50
    refine(g, simulated, 1, seed=0)
    started = time.perf_counter()
    images = refine(g, simulated, per_class, seed=0).cpu()
    return {
        "batch": settings.batch,
        "ms_per_step": round((ended - began) / (last - first) * 1e3, 3),
        "refined_images": images.shape[0] * images.shape[1],
        "refining_seconds": round(time.perf_counter() - started, 3),
    }
