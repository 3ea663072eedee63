"""In: a preset and a number of classes. Out: the speed of a training step, beside a plain port.

Claim: a step of `paper-hwdb` with 3,740 classes takes at most a third of the time of a port that
is written as the authors' code is (`plain.py`), and a step of the glyph presets at most half of
their own plain form; both compute the same numbers (tests/benchmarks/test_throughput_gan_step.py).

    python -m benchmarks.throughput.gan_step --out benchmarks/results/throughput-DATE-HARDWARE
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.throughput.plain import PlainStep
from benchmarks.throughput.timing import FlopCount, copy_rate, in_turn, matmul_rate, result, save
from hwgen.devices import pick_device, pick_precision
from hwgen.gan.networks import parameter_count
from hwgen.gan.steps import make_state, train_step
from hwgen.presets import Recipe, preset

GOALS = {
    ("paper-hwdb", "cpu"): ">= 3x",
    ("paper-hwdb", "cuda"): ">= 5x, 1,000,000 steps in 20 minutes",
    ("glyph-32", "cpu"): ">= 2x",
    ("glyph-32", "cuda"): ">= 3x",
    ("glyph-64", "cpu"): ">= 2x",
    ("glyph-64", "cuda"): ">= 3x",
}


def measure(
    recipe: Recipe,
    classes: int,
    *,
    device: torch.device,
    precision: str = "auto",
    steps: int = 4,
    runs: int = 5,
) -> dict[str, Any]:
    """One row: the plain step and hwgen's in turn, `steps` steps a run."""
    state = make_state(recipe, classes, 0, device)
    plain = PlainStep(state.g, state.d, recipe, classes)
    x, y = pictures(recipe, classes, device)
    generator = torch.Generator(device)
    dtype = pick_precision(precision, device)

    def naive() -> None:
        for step in range(steps):
            plain(x, y, step, generator)

    def ours() -> None:
        for step in range(steps):
            train_step(state, recipe, x, y, step=step, generator=generator, precision=dtype)

    times = in_turn({"plain": naive, "hwgen": ours}, steps, runs=runs, device=device)
    counts = {}
    for name, way in {"plain": naive, "hwgen": ours}.items():
        with FlopCount() as counter:
            way()
        counts[name] = counter.total / steps
    flops = counts["hwgen"]
    rate = matmul_rate(device, dtype)
    limits = {
        "flops_a_step": flops,
        "flops_a_plain_step": counts["plain"],
        "matmul_flops_s": rate,
        "copy_bytes_s": copy_rate(device),
        "arithmetic_floor_s": flops / rate,
        "share_of_floor": flops / rate / (times["hwgen"].median / steps),
        "parameter_bytes": 4 * (parameter_count(state.g) + parameter_count(state.d)),
    }
    settings = {"preset": recipe.preset, "classes": classes, "batch": recipe.batch, "steps": steps}
    return result(
        f"training step, {recipe.preset}, {classes:,} classes, {device.type}",
        "steps",
        times,
        baseline="plain",
        fast="hwgen",
        goal=GOALS.get((recipe.preset, device.type), ""),
        settings=settings,
        limits={name: float(f"{value:.4g}") for name, value in limits.items()},
        device=device,
        precision=precision,
    )


def pictures(
    recipe: Recipe, classes: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of noise in the recipe's range, with labels; fixed seed."""
    generator = torch.Generator().manual_seed(0)
    shape = (recipe.batch, recipe.channels, recipe.size, recipe.size)
    low, high = sorted((recipe.pixels.paper, recipe.pixels.ink))
    x = torch.rand(shape, generator=generator) * (high - low) + low
    return x.to(device), torch.randint(classes, (recipe.batch,), generator=generator).to(device)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", default=["paper-hwdb", "glyph-32", "glyph-64"])
    parser.add_argument("--classes", type=int, default=3740)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    rows = [
        measure(
            preset(name),
            options.classes,
            device=pick_device(options.device),
            precision=options.precision,
            steps=options.steps,
            runs=options.runs,
        )
        for name in options.presets
    ]
    save(rows, options.out, "gan_step")


if __name__ == "__main__":
    main()
