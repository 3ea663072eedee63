"""Step times and sampling rates on one GPU: plain port, eager fp32 and bf16, CUDA graphs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.throughput.gan_step import run_graphs, run_hwgen, run_plain
from hwgen.charset import gb2312_level1
from hwgen.generators.gan.networks import build_generator
from hwgen.generators.gan.presets import Recipe, preset
from hwgen.generators.gan.sampling import Sampler

TENSOR_CORE = 8
"""A multiple of so many channels is what tensor cores multiply."""


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
            for change, call in not_chosen(recipe, classes, kind, steps).items():
                ways[f"hwgen, CUDA graphs, bf16, {change}"] = call
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


def not_chosen(
    recipe: Recipe, classes: int, device: str, steps: int
) -> dict[str, Callable[[], None]]:
    """Changes that may make steps faster, which hwgen leaves out until they are measured."""
    ways: dict[str, Callable[[], None]] = {}
    # Under another name, since graphs are recorded once per recipe.
    chooses = replace(recipe, preset=f"{recipe.preset}, cudnn.benchmark")

    def benchmarked() -> None:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True):
            run_graphs(chooses, classes, device, "bf16", steps)

    ways["cudnn.benchmark"] = benchmarked
    first, *others = recipe.discriminator.stages
    if first.channels % TENSOR_CORE:
        channels = -(-first.channels // TENSOR_CORE) * TENSOR_CORE
        stages = (replace(first, channels=channels), *others)
        padded = replace(recipe, discriminator=replace(recipe.discriminator, stages=stages))
        ways[f"D's first layer of {channels} channels instead of {first.channels}"] = partial(
            run_graphs, padded, classes, device, "bf16", steps
        )
    return ways


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
