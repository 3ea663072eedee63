"""GAN training step with 3,740 classes: 2.1 to 3.2 times as fast as a plain port.

    python -m benchmarks.throughput.gan_step --out benchmarks/results/throughput-DATE-HARDWARE

The port is written like the authors' code (`plain.py`); measured on two CPU cores in fp32. Both
compute the same numbers (tests/benchmarks/test_throughput_gan_step.py). The limit of the hardware
is the step's floating point operations at the rate of a matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.options import make_parser
from benchmarks.throughput.plain import PlainGan
from benchmarks.throughput.timing import (
    FlopCount,
    apart,
    copy_rate,
    in_turn,
    matmul_rate,
    profile,
    result,
    save,
)
from hwgen.compute.devices import keep_freed_memory, pick_device, pick_precision
from hwgen.generators.adversarial.cuda_graphs import GraphedStep
from hwgen.generators.adversarial.discriminator import Discriminator
from hwgen.generators.adversarial.layers import parameter_count
from hwgen.generators.adversarial.recipe import AdversarialRecipe
from hwgen.generators.adversarial.steps import State, make_state, schedule, train_step
from hwgen.generators.gan.networks import Generator, build
from hwgen.generators.gan.presets import Recipe, preset
from hwgen.io.files import atomic_write


def measure(
    recipe: Recipe,
    classes: int,
    *,
    device: torch.device,
    precision: str = "auto",
    steps: int = 4,
    runs: int = 5,
) -> dict[str, Any]:
    """One row: the plain step and hwgen's in turn, each in its own process."""
    arguments = (recipe, classes, device.type, precision, steps)
    functions = {"plain": run_plain, "hwgen": run_hwgen}
    on_gpu = device.type == "cuda"
    graphs = {"hwgen, CUDA graphs": run_graphs} if on_gpu else {}
    fast = "hwgen, CUDA graphs" if on_gpu else "hwgen"
    with apart({**functions, **graphs}, *arguments) as ways:
        # Graphs are recorded in the first rounds.
        times = in_turn(ways, steps, runs=runs, warmup=4 if on_gpu else 1)
    counts = {}
    for name, way in functions.items():
        with FlopCount() as counter:
            way(*arguments)
        counts[name] = counter.total / steps
    flops = counts["hwgen"]
    dtype = pick_precision(precision, device)
    rate = matmul_rate(device, dtype)
    state = make_state(build, recipe, classes, 0, device)
    limits = {
        "flops_a_step": flops,
        "flops_a_plain_step": counts["plain"],
        "matmul_flops_s": rate,
        "copy_bytes_s": copy_rate(device),
        "arithmetic_floor_s": flops / rate,
        "share_of_floor": flops / rate / (times[fast].median / steps),
        "hours_for_a_million_steps": times[fast].median / steps * 1e6 / 3600,
        "parameter_bytes": 4 * (parameter_count(state.g) + parameter_count(state.d)),
    }
    settings = {"preset": recipe.preset, "classes": classes, "batch": recipe.batch, "steps": steps}
    return result(
        f"training step, {recipe.preset}, {classes:,} classes, {device.type}",
        "steps",
        times,
        baseline="plain",
        fast=fast,
        settings=settings,
        limits={name: float(f"{value:.4g}") for name, value in limits.items()},
        device=device,
        precision=precision,
    )


def run_plain(recipe: Recipe, classes: int, device: str, precision: str, steps: int) -> None:
    """Take steps of the plain port; always in fp32, as its authors ran it."""
    plain, x, y, generator = _plain(recipe, classes, torch.device(device))
    for step in range(steps):
        plain(x, y, step, generator)
    _finish(x)


def run_hwgen(recipe: Recipe, classes: int, device: str, precision: str, steps: int) -> None:
    """Take hwgen's steps as `hwgen train` does."""
    state, x, y, generator = _hwgen(recipe, classes, torch.device(device))
    dtype = pick_precision(precision, x.device)
    for step in range(steps):
        at = schedule(recipe, step)
        train_step(state, recipe, x, y, at, generator=generator, precision=dtype)
    _finish(x)


def run_graphs(recipe: Recipe, classes: int, device: str, precision: str, steps: int) -> None:
    """Take hwgen's steps as `hwgen train --cuda-graphs` does."""
    graphed, x, y, generator = _graphed(recipe, classes, torch.device(device), precision)
    for step in range(steps):
        generator.manual_seed(step)
        graphed(x, y, schedule(recipe, step))
    _finish(x)


@cache
def _graphed(
    recipe: Recipe, classes: int, device: torch.device, precision: str
) -> tuple[GraphedStep, Tensor, Tensor, torch.Generator]:
    state, x, y, generator = _hwgen(recipe, classes, device)
    dtype = pick_precision(precision, device)
    return GraphedStep(state, recipe, generator, dtype), x, y, generator


@cache
def _plain(
    recipe: Recipe, classes: int, device: torch.device
) -> tuple[PlainGan, Tensor, Tensor, torch.Generator]:
    state = make_state(build, recipe, classes, 0, device)
    assert isinstance(state.d, Discriminator)
    plain = PlainGan(state.g, state.d, recipe, classes)
    return plain, *random_batch(recipe, classes, device), torch.Generator(device)


@cache
def _hwgen(
    recipe: Recipe, classes: int, device: torch.device
) -> tuple[State[Generator], Tensor, Tensor, torch.Generator]:
    keep_freed_memory()
    state = make_state(build, recipe, classes, 0, device)
    return state, *random_batch(recipe, classes, device), torch.Generator(device)


def _finish(x: Tensor) -> None:
    if x.device.type == "cuda":
        torch.cuda.synchronize(x.device)


def random_batch(
    recipe: AdversarialRecipe, classes: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Uniform noise in the recipe's range and random labels, always the same."""
    generator = torch.Generator().manual_seed(0)
    shape = (recipe.batch, recipe.channels, recipe.size, recipe.size)
    low, high = sorted((recipe.pixels.paper, recipe.pixels.ink))
    x = torch.rand(shape, generator=generator) * (high - low) + low
    return x.to(device), torch.randint(classes, (recipe.batch,), generator=generator).to(device)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--presets", nargs="+", default=["paper-hwdb", "glyph-32", "glyph-64"])
    parser.add_argument("--classes", type=int, default=3740)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--profile", action="store_true", help="also write the slowest operations")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    device = pick_device(options.device)
    rows = [
        measure(
            preset(name),
            options.classes,
            device=device,
            precision=options.precision,
            steps=options.steps,
            runs=options.runs,
        )
        for name in options.presets
    ]
    save(rows, options.out, "gan_step", __file__, arguments)
    if options.profile:
        with atomic_write(options.out / "gan_step-profile.txt") as temporary:
            temporary.write_text(
                "\n".join(
                    profile(
                        partial(
                            run_hwgen,
                            preset(name),
                            options.classes,
                            device.type,
                            options.precision,
                            1,
                        ),
                        f"a step of {name}, {options.classes:,} classes",
                        device,
                    )
                    for name in options.presets
                )
            )


if __name__ == "__main__":
    main()
