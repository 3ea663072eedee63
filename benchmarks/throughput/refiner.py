"""Refiner: a step 1.92 times as fast as a plain port; 187,000 samples in 142 s on two CPU cores.

    python -m benchmarks.throughput.refiner --out benchmarks/results/throughput-DATE-HARDWARE

The step's port (`plain.py`) computes the same numbers (tests/benchmarks/test_throughput_refiner.py
compares). Simulated images and recogniser are noise and untrained, which does not change the speed.
The plain loop of the samples simulates, refines and saves one PNG file per sample, batch by batch;
it makes samples of fewer classes, so rates are compared. About 12 minutes on two CPU cores.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PilImage
from torch import Tensor

from benchmarks.options import make_parser
from benchmarks.throughput import timing
from benchmarks.throughput.gan_step import random_batch
from benchmarks.throughput.plain import PlainRefiner
from hwgen.charset import Charset, gb2312_level1
from hwgen.compute.devices import keep_freed_memory, pick_device
from hwgen.data import to_float, to_images, to_tensor, to_uint8
from hwgen.generators.adversarial.d_recogniser import recogniser_recipe
from hwgen.generators.adversarial.feature_discriminator import FeatureDiscriminator
from hwgen.generators.adversarial.steps import State, make_state, schedule, train_step
from hwgen.generators.refiner.generator import RefinerGenerator, build
from hwgen.generators.refiner.network import RefinerNet
from hwgen.generators.refiner.recipe import PRESETS, RefinerRecipe
from hwgen.generators.refiner.sampling import RefinerSampler
from hwgen.generators.simulated.sampling import SimulatedSampler
from hwgen.io.files import atomic_write
from hwgen.recogniser.feature_maps import FeatureMaps
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserNetwork
from hwgen.sources.strokes.choice import stroke_data
from hwgen.sources.strokes.rounding import rounded
from hwgen.synthesis.synthesize import synthesize

PLAIN_BATCH = 64


def measure_step(
    recipe: RefinerRecipe, classes: int, *, device: torch.device, steps: int, runs: int
) -> dict[str, Any]:
    """One row: steps of the port and hwgen's in turn, each in its own process."""
    arguments = (recipe, classes, device.type, steps)
    functions = {"plain": run_plain, "hwgen": run_hwgen}
    with timing.apart(functions, *arguments) as ways:
        times = timing.in_turn(ways, steps, runs=runs)
    counts = {}
    for name, way in functions.items():
        with timing.FlopCount() as counter:
            way(*arguments)
        counts[name] = counter.total / steps
    rate = timing.matmul_rate(device)
    limits = {
        "flops_a_step": counts["hwgen"],
        "flops_a_plain_step": counts["plain"],
        "matmul_flops_s": rate,
        "arithmetic_floor_s": counts["hwgen"] / rate,
    }
    return timing.result(
        f"training step, {recipe.preset}, {classes:,} classes, {device.type}",
        "steps",
        times,
        baseline="plain",
        fast="hwgen",
        settings={"preset": recipe.preset, "classes": classes, "batch": recipe.batch},
        limits={name: float(f"{value:.4g}") for name, value in limits.items()},
        device=device,
    )


def run_plain(recipe: RefinerRecipe, classes: int, device: str, steps: int) -> None:
    """Take steps of the port, every eighth with R1 as in hwgen's."""
    plain, x, y, generator = _plain(recipe, classes, torch.device(device))
    for step in range(steps):
        plain(x, y, step, generator)


def run_hwgen(recipe: RefinerRecipe, classes: int, device: str, steps: int) -> None:
    """Take hwgen's steps as `hwgen train` does."""
    state, x, y, generator = _hwgen(recipe, classes, torch.device(device))
    for step in range(steps):
        at = schedule(recipe, step)
        train_step(state, recipe, x, y, at, generator=generator, precision=torch.float32)


def untrained(recipe: RefinerRecipe, classes: int, device: torch.device) -> State[RefinerGenerator]:
    """Networks with random weights, and noise as simulated images; always the same."""
    generator = torch.Generator().manual_seed(0)
    shape = (classes, recipe.hands, recipe.size, recipe.size)
    simulated = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    charset = _characters(classes)
    own = recogniser_recipe(recipe)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        recogniser = Recogniser(RecogniserNetwork(own, classes).eval(), own, charset)
    some = to_float(simulated[:, 0, None], recipe.pixels)
    maps = FeatureMaps(recogniser, recipe.pixels, some, tuple(charset))

    def networks(recipe: Any, classes: int) -> Any:
        return build(recipe, classes, simulated, None, maps)

    state: State[RefinerGenerator] = make_state(networks, recipe, classes, 0, device)
    return state


@cache
def _hwgen(
    recipe: RefinerRecipe, classes: int, device: torch.device
) -> tuple[State[RefinerGenerator], Tensor, Tensor, torch.Generator]:
    keep_freed_memory()
    state = untrained(recipe, classes, device)
    return state, *random_batch(recipe, classes, device), torch.Generator(device)


@cache
def _plain(
    recipe: RefinerRecipe, classes: int, device: torch.device
) -> tuple[PlainRefiner, Tensor, Tensor, torch.Generator]:
    state = untrained(recipe, classes, device)
    assert isinstance(state.d, FeatureDiscriminator)
    plain = PlainRefiner(state.g, state.d, recipe, classes)
    return plain, *random_batch(recipe, classes, device), torch.Generator(device)


def measure_samples(
    recipe: RefinerRecipe,
    *,
    classes: int,
    per_class: int,
    plain_classes: int,
    device: torch.device,
    scratch: Path,
    runs: int,
) -> dict[str, Any]:
    """One row: hwgen with all classes, its simulation alone, and the plain loop, in turn."""
    arguments = (recipe, classes, plain_classes, per_class, device.type, scratch)
    functions = {"plain": sample_plainly, "hwgen": sample, "simulation alone": simulate}
    with timing.apart(functions, *arguments) as ways:
        work = dict.fromkeys(functions, classes * per_class)
        work["plain"] = plain_classes * per_class
        times = timing.in_turn(ways, work, runs=runs)
    net = _net(recipe)
    x = torch.ones(16, 1, recipe.size, recipe.size)
    with timing.FlopCount() as counter, torch.no_grad():
        net(x, torch.zeros(16, recipe.generator.z_dim))
    rate = timing.matmul_rate(device)
    limits = {
        "flops_a_character": counter.total / 16,
        "matmul_flops_s": rate,
        "arithmetic_floor_s": work["hwgen"] * counter.total / 16 / rate,
    }
    return timing.result(
        f"synthesize, {recipe.preset}, {classes:,} classes x {per_class}, {device.type}",
        "characters",
        times,
        baseline="plain",
        fast="hwgen",
        settings={
            "preset": recipe.preset,
            "classes": classes,
            "per_class": per_class,
            "plain_classes": plain_classes,
            "plain_batch": PLAIN_BATCH,
        },
        limits={name: float(f"{value:.4g}") for name, value in limits.items()},
        device=device,
    )


def sample(
    recipe: RefinerRecipe,
    classes: int,
    plain_classes: int,
    per_class: int,
    device: str,
    scratch: Path,
) -> None:
    """Write a store as `hwgen synthesize` does."""
    keep_freed_memory()
    sampler = _sampler(recipe, classes, device)
    synthesize(sampler, scratch / "refined", per_class=per_class, overwrite=True)


def simulate(
    recipe: RefinerRecipe,
    classes: int,
    plain_classes: int,
    per_class: int,
    device: str,
    scratch: Path,
) -> None:
    """Write a store of simulated samples, without a network."""
    sampler = SimulatedSampler(stroke_data(None), _characters(classes), framing=recipe.framing)
    synthesize(sampler, scratch / "simulated", per_class=per_class, overwrite=True)


@torch.no_grad()
def sample_plainly(
    recipe: RefinerRecipe,
    classes: int,
    plain_classes: int,
    per_class: int,
    device: str,
    scratch: Path,
) -> None:
    """Write PNG files, one folder per class."""
    start, net = _sampler(recipe, classes, device).start, _plain_net(recipe, classes, device)
    folder = scratch / "png"
    shutil.rmtree(folder, ignore_errors=True)
    ids = np.repeat(np.arange(plain_classes), per_class)
    for class_id in range(plain_classes):
        (folder / str(class_id)).mkdir(parents=True)
    for first in range(0, len(ids), PLAIN_BATCH):
        part = ids[first : first + PLAIN_BATCH]
        numbers = np.arange(first, first + len(part))
        x = to_float(to_tensor(start.images(part, numbers, 0), torch.device(device)), recipe.pixels)
        z = torch.randn(len(part), recipe.generator.z_dim, device=device)
        images = to_images(to_uint8(net(x, z), recipe.pixels))
        for number, (class_id, image) in enumerate(zip(part, images, strict=True), first):
            PilImage.fromarray(image).save(folder / str(class_id) / f"{number}.png")


def _characters(count: int) -> Charset:
    """The first of GB2312's common ones."""
    return gb2312_level1().subset(range(count))


@cache
def _net(recipe: RefinerRecipe) -> RefinerNet:
    torch.manual_seed(0)
    return RefinerNet(recipe.generator, recipe.size).requires_grad_(False).eval()


@cache
def _sampler(recipe: RefinerRecipe, classes: int, device: str) -> RefinerSampler:
    charset = _characters(classes)
    strokes = rounded(stroke_data(None).load(charset))
    return RefinerSampler(_net(recipe), recipe, charset, strokes, pick_device(device))


@cache
def _plain_net(recipe: RefinerRecipe, classes: int, device: str) -> RefinerNet:
    plain, *_ = _plain(recipe, 2, torch.device(device))
    plain.g.eval()
    return plain.g.net


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--preset", default="refiner-32", choices=PRESETS)
    parser.add_argument("--train-classes", type=int, default=2755)
    parser.add_argument("--classes", type=int, default=3740)
    parser.add_argument("--per-class", type=int, default=50)
    parser.add_argument("--plain-classes", type=int, default=50)
    parser.add_argument("--steps", type=int, default=8, help="one of eight has the R1 penalty")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--profile", action="store_true", help="also write the slowest operations")
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    recipe, device = PRESETS[options.preset], pick_device(options.device)
    step = measure_step(
        recipe, options.train_classes, device=device, steps=options.steps, runs=options.runs
    )
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        samples = measure_samples(
            recipe,
            classes=options.classes,
            per_class=options.per_class,
            plain_classes=options.plain_classes,
            device=device,
            scratch=Path(scratch),
            runs=options.runs,
        )
    timing.save([step, samples], options.out, "refiner", __file__, arguments)
    if options.profile:
        way = partial(run_hwgen, recipe, options.train_classes, device.type, options.steps)
        title = f"{options.steps} steps of {recipe.preset}, {options.train_classes:,} classes"
        with atomic_write(options.out / "refiner-profile.txt") as temporary:
            temporary.write_text(timing.profile(way, title, device))


if __name__ == "__main__":
    main()
