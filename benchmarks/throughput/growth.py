"""GAN training step by number of classes: 27,000 cost 4 to 26 % more time than 100.

    python -m benchmarks.throughput.growth --out benchmarks/results/throughput-DATE-HARDWARE

`paper-hwdb` takes 4 % longer, `glyph-32` up to 26 % (two CPU cores, fp32). Each further class takes
about the memory that `hwgen train --dry-run` predicts.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.options import make_parser
from benchmarks.throughput.gan_step import run_hwgen
from benchmarks.throughput.timing import apart, in_turn, result, save
from hwgen.compute.devices import pick_device
from hwgen.generators.adversarial.estimate import state_bytes
from hwgen.generators.gan.estimate import count_parameters
from hwgen.generators.gan.presets import Recipe, preset


def measure(
    recipe: Recipe,
    classes: Sequence[int],
    *,
    device: torch.device,
    precision: str = "auto",
    steps: int = 4,
    runs: int = 5,
) -> dict[str, Any]:
    """One row: each number of classes in its own process; ratios compare the most and fewest."""
    names = [f"{count:,} classes" for count in classes]
    with apart(
        {name: partial(_steps, recipe, count) for name, count in zip(names, classes, strict=True)},
        device.type,
        precision,
        steps,
    ) as ways:
        times = in_turn(ways, steps, runs=runs, warmup=2)
    predicted = [state_bytes(recipe, *count_parameters(recipe, count)) for count in classes]
    taken = [_peak_bytes(recipe, count) for count in classes] if device.type == "cpu" else []
    further = classes[-1] - classes[0]
    medians = [times[name].median for name in names]
    limits: dict[str, Any] = {
        "slowest_over_fastest": round(max(medians) / min(medians), 4),
        "state_bytes_predicted": predicted,
        "bytes_a_further_class_predicted": round((predicted[-1] - predicted[0]) / further),
    }
    if taken:
        limits["peak_bytes_taken"] = taken
        limits["bytes_a_further_class_taken"] = round((taken[-1] - taken[0]) / further)
    return result(
        f"growth of a step, {recipe.preset}, {device.type}",
        "steps",
        times,
        baseline=names[-1],
        fast=names[0],
        settings={"preset": recipe.preset, "classes": list(classes), "steps": steps},
        limits=limits,
        device=device,
        precision=precision,
    )


def _steps(recipe: Recipe, classes: int, device: str, precision: str, steps: int) -> None:
    run_hwgen(recipe, classes, device, precision, steps)


def _peak_bytes(recipe: Recipe, classes: int) -> int:
    """Peak resident memory of a process that takes two steps, less that after imports."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        before = pool.submit(peak_resident).result()
        pool.submit(_steps, recipe, classes, "cpu", "fp32", 2).result()
        return pool.submit(peak_resident).result() - before


def peak_resident() -> int:
    """Bytes since the process started; getrusage would count those of its parent too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--presets", nargs="+", default=["paper-hwdb", "glyph-32"])
    parser.add_argument("--classes", nargs="+", type=int, default=[100, 3740, 27000])
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
            steps=2 if name.startswith("paper") else 16,
            runs=options.runs,
        )
        for name in options.presets
    ]
    save(rows, options.out, "growth", __file__, arguments)


if __name__ == "__main__":
    main()
