"""One-hot labels concatenated directly, against the linear map Φ to 256 numbers.

    python -m benchmarks.paper.onehot --out DIR

The papers map one-hot labels of 3,740 classes to 256 numbers before they concatenate them to the
layers of G and D, because the labels themselves would be too large. This takes training steps of
`paper-hwdb` with either in the same places, each arm in its own process: parameters, floating point
operations, peak memory and time. D's second convolution is computed with the label at every
position of the map, as the papers describe it, and in hwgen's form without that. Writes
DIR/onehot.json, tables.md and onehot.png.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.options import make_parser
from benchmarks.paper.onehot_figures import plot_costs
from benchmarks.paper.results import write_result
from benchmarks.throughput.gan_step import random_batch
from benchmarks.throughput.growth import peak_resident
from benchmarks.throughput.timing import FlopCount
from hwgen.generators.adversarial.discriminator import Discriminator
from hwgen.generators.adversarial.estimate import state_bytes
from hwgen.generators.adversarial.layers import (
    LabelledConv2d,
    join,
    parameter_count,
    same_conv2d,
)
from hwgen.generators.adversarial.steps import make_state, schedule, train_step
from hwgen.generators.gan.networks import Generator, build
from hwgen.generators.gan.presets import Recipe, change, preset

CLASSES = (100, 1_000, 3_740)
IMAGES = 1_246_991
"""Training samples of HWDB1.0 in 3,740 classes."""

LOADER_BYTES = 8
"""Of each number of the one-hot labels that the authors' loader keeps for all samples."""


@dataclass(frozen=True)
class Arm:
    """What is concatenated, and how.

    Attributes:
        label: "phi", the linear map's output, or "one-hot", the label itself.
        form: of D's second convolution: "tiled", of the map and the label at every position, or
            "apart", of the map alone, the label's contribution being added (LabelledConv2d).
        classes: number of classes.
    """

    label: str
    form: str
    classes: int


class OneHot(nn.Module):
    """Labels as they are, in the place of Φ: int64 [N] -> float [N, classes]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, y: Tensor) -> Tensor:
        """Y int64 [N] -> float [N, classes]."""
        return F.one_hot(y, self.classes).float()


class TiledConv2d(LabelledConv2d):
    """LabelledConv2d as a plain convolution of the map with the label at every position."""

    def forward(self, x: Tensor, phi: Tensor) -> Tensor:  # type: ignore[override]
        """X [N, inputs, H, H], Φ(y) [N, labels] -> [N, outputs, ceil(H / stride), ...]."""
        return same_conv2d(join(x, phi), self.weight, self.bias, self.stride[0])


def arms(classes: Sequence[int]) -> list[Arm]:
    """Φ at the largest number of classes, then the labels at each, both forms in turn."""
    labels = [("phi", max(classes)), *(("one-hot", count) for count in classes)]
    return [Arm(label, form, count) for form in ("tiled", "apart") for label, count in labels]


def recipe_of(arm: Arm, changes: Mapping[str, str]) -> Recipe:
    """`paper-hwdb` with labels as wide as what the arm concatenates."""
    widths = {}
    if arm.label == "one-hot":
        widths = dict.fromkeys(("generator.label_dim", "discriminator.label_dim"), f"{arm.classes}")
    return change(preset("paper-hwdb"), {**changes, **widths})


def networks(arm: Arm, recipe: Recipe, classes: int) -> tuple[Generator, Discriminator]:
    """G and D of an arm; all forms have the same weights from the same seed."""
    g, d = build(recipe, classes)
    assert isinstance(d, Discriminator)
    size = recipe.size
    for number, (conv, stage) in enumerate(zip(d.convs, recipe.discriminator.stages, strict=True)):
        if arm.form == "tiled" and isinstance(conv, LabelledConv2d):
            inputs = conv.in_channels - conv.labels
            tiled = TiledConv2d(
                inputs, conv.labels, stage.channels, stage.kernel, stage.stride, size
            )
            tiled.weight, tiled.bias = conv.weight, conv.bias
            d.convs[number] = tiled
        size = -(-size // stage.stride)
    if arm.label == "one-hot":
        g.label_map = OneHot(classes)  # type: ignore[assignment]
        d.label_map = OneHot(classes)
    return g, d


def counted(arm: Arm, recipe: Recipe) -> dict[str, Any]:
    """What follows from the layers, without allocating them.

    Returns:
        width: of what is concatenated.
        parameters_g, parameters_d: of the networks.
        state_bytes: weights, gradients and Adam's moments.
        tiled_bytes: D's map of one batch with the label at every position, float32.
        loader_bytes: the labels of all training samples, one-hot, as the authors' loader has them.
    """
    with torch.device("meta"):
        g, d = networks(arm, recipe, arm.classes)
    first, second = recipe.discriminator.stages[:2]
    side = -(-recipe.size // first.stride)
    channels = first.channels + recipe.discriminator.label_dim
    assert d.convs[1].in_channels == channels, second
    sizes = parameter_count(g), parameter_count(d)
    return {
        "width": recipe.discriminator.label_dim,
        "parameters_g": sizes[0],
        "parameters_d": sizes[1],
        "state_bytes": state_bytes(recipe, *sizes),
        "tiled_bytes": 4 * recipe.batch * channels * side**2,
        "loader_bytes": LOADER_BYTES * IMAGES * arm.classes,
    }


def take_steps(arm: Arm, recipe: Recipe, steps: int) -> dict[str, Any]:
    """Training steps on noise, on one thread; the first one is not timed.

    Returns:
        flops: floating point operations of a step's matrix products and convolutions.
        cpu_seconds: processor time of the quickest step.
        losses: of D and of G at the first step.
    """
    torch.set_num_threads(1)
    cpu = torch.device("cpu")

    def made(_: Recipe, classes: int) -> tuple[Generator, Discriminator]:
        return networks(arm, recipe, classes)

    state = make_state(made, recipe, arm.classes, 0, cpu)
    x, y = random_batch(recipe, arm.classes, cpu)
    noise = torch.Generator().manual_seed(0)
    seconds, losses, flops = [], [], 0
    for step in range(1 + steps):
        with FlopCount() as count:
            began = time.process_time()
            at = schedule(recipe, step)
            found = train_step(state, recipe, x, y, at, generator=noise, precision=torch.float32)
            seconds.append(time.process_time() - began)
        flops = count.total
        losses.append([found["loss_d"].item(), found["loss_g"].item()])
    return {"flops": flops, "cpu_seconds": min(seconds[1:]), "losses": losses[0]}


def measured(arm: Arm, recipe: Recipe, steps: int) -> dict[str, Any]:
    """`take_steps` in a process of its own, and by how much its peak memory grew."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        before = pool.submit(peak_resident).result()
        result = pool.submit(take_steps, arm, recipe, steps).result()
        return {**result, "peak_bytes": pool.submit(peak_resident).result() - before}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line per arm."""
    lines = [
        "| concatenated | classes | D's second convolution | width | parameters of G, D (M) "
        "| weights, gradients, Adam (MiB) | D's map with labels (MiB) | peak memory (MiB) "
        "| GFLOP per step | CPU time per step (s) |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    forms = {"tiled": "label at every position", "apart": "hwgen's, label apart"}
    for row in rows:
        mib = [f"{row[name] / 2**20:,.0f}" for name in ("state_bytes", "tiled_bytes", "peak_bytes")]
        if row["form"] == "apart":
            mib[1] = "none"
        cells = ["Φ" if row["label"] == "phi" else "one-hot", f"{row['classes']:,}"]
        cells += [forms[row["form"]], f"{row['width']:,}"]
        cells += [f"{row['parameters_g'] / 1e6:.1f}, {row['parameters_d'] / 1e6:.1f}", *mib]
        cells += [f"{row['flops'] / 1e9:,.0f}", f"{row['cpu_seconds']:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--classes", type=int, nargs="+", default=list(CLASSES))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=2, help="timed steps of each arm")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for arm in arms(options.classes):
        recipe = recipe_of(arm, {"batch": str(options.batch)})
        row = {**vars(arm), **counted(arm, recipe), **measured(arm, recipe, options.steps)}
        rows.append(row)
        print(table([row]).splitlines()[-1], flush=True)
    settings = {name: getattr(options, name) for name in ("classes", "batch", "steps")}
    write_result(
        options.out / "onehot.json",
        {"settings": settings, "rows": rows},
        table(rows),
        script=__file__,
        arguments=arguments,
        device=torch.device("cpu"),
    )
    plot_costs(options.out / "onehot.png", rows)


if __name__ == "__main__":
    main()
