"""Sampling from a GAN into a store is 7 times as fast as a plain loop that writes PNG files.

    python -m benchmarks.throughput.synthesize --out benchmarks/results/throughput-DATE-HARDWARE

187,000 samples of `glyph-32` (3,740 classes, 50 per class; untrained weights) are in a store,
hashed and synced, in 70 s on two CPU cores. The plain loop samples batch by batch with one-hot
labels (`plain.py`) and saves one PNG file per sample; it samples fewer classes, so rates are
compared.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image as PilImage

from benchmarks.options import make_parser
from benchmarks.throughput.plain import PlainGan
from benchmarks.throughput.timing import FlopCount, apart, in_turn, matmul_rate, result, save
from hwgen.charset import Charset
from hwgen.compute.devices import keep_freed_memory, pick_device
from hwgen.data import to_images, to_uint8
from hwgen.generators.adversarial.discriminator import Discriminator
from hwgen.generators.gan.networks import build
from hwgen.generators.gan.presets import Recipe, preset
from hwgen.generators.gan.sampling import Sampler
from hwgen.synthesis.synthesize import synthesize

PLAIN_BATCH = 64
FIRST = 0x4E00
"""First of the CJK ideographs; the speed does not depend on the labels."""


def measure(
    recipe: Recipe,
    *,
    classes: int,
    per_class: int,
    plain_classes: int,
    device: torch.device,
    scratch: Path,
    runs: int = 3,
) -> dict[str, Any]:
    """One row: hwgen with all classes and the plain loop with `plain_classes`, in turn."""
    arguments = (recipe, classes, plain_classes, per_class, device.type, scratch)
    with apart({"plain": sample_plainly, "hwgen": sample}, *arguments) as ways:
        work = {"plain": plain_classes * per_class, "hwgen": classes * per_class}
        times = in_turn(ways, work, runs=runs)
    sampler = _sampler(recipe, classes, device.type)
    with FlopCount() as counter:
        sampler.sample(np.arange(16) % classes, np.arange(16))
    rate = matmul_rate(device)
    flops = counter.total / 16
    floor = work["hwgen"] * flops / rate
    limits = {
        "flops_a_character": flops,
        "matmul_flops_s": rate,
        "arithmetic_floor_s": floor,
        "share_of_floor": floor / times["hwgen"].median,
    }
    return result(
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
    recipe: Recipe, classes: int, plain_classes: int, per_class: int, device: str, scratch: Path
) -> None:
    """Write a store as `hwgen synthesize` does."""
    keep_freed_memory()
    sampler = _sampler(recipe, classes, device)
    synthesize(sampler, scratch / "store", per_class=per_class, overwrite=True)


@torch.no_grad()
def sample_plainly(
    recipe: Recipe, classes: int, plain_classes: int, per_class: int, device: str, scratch: Path
) -> None:
    """Write PNG files, one folder per class."""
    plain = _plain(recipe, classes, device)
    folder = scratch / "png"
    shutil.rmtree(folder, ignore_errors=True)
    ids = np.repeat(np.arange(plain_classes), per_class)
    for class_id in range(plain_classes):
        (folder / str(class_id)).mkdir(parents=True)
    for start in range(0, len(ids), PLAIN_BATCH):
        part = ids[start : start + PLAIN_BATCH]
        z = torch.randn(len(part), recipe.generator.z_dim, device=device)
        labels = F.one_hot(torch.from_numpy(part).to(device), classes).float()
        images = to_images(to_uint8(plain.generate(z, labels), recipe.pixels))
        for number, (class_id, image) in enumerate(zip(part, images, strict=True), start):
            PilImage.fromarray(image).save(folder / str(class_id) / f"{number}.png")


@cache
def _sampler(recipe: Recipe, classes: int, device: str) -> Sampler:
    torch.manual_seed(0)
    g, _ = build(recipe, classes)
    g.requires_grad_(False)
    charset = Charset(tuple(chr(FIRST + n) for n in range(classes)))
    return Sampler(g, recipe, charset, pick_device(device))


@cache
def _plain(recipe: Recipe, classes: int, device: str) -> PlainGan:
    torch.manual_seed(0)
    g, d = build(recipe, classes)
    assert isinstance(d, Discriminator)
    plain = PlainGan(g.to(device), d.to(device), recipe, classes)
    plain.g.eval()
    return plain


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--presets", nargs="+", default=["glyph-32", "paper-hwdb"])
    parser.add_argument("--classes", type=int, default=3740)
    parser.add_argument("--per-class", type=int, default=50)
    parser.add_argument("--plain-classes", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        rows = [
            measure(
                preset(name),
                classes=options.classes,
                per_class=options.per_class,
                plain_classes=options.plain_classes,
                device=pick_device(options.device),
                scratch=Path(scratch),
                runs=options.runs,
            )
            for name in options.presets
        ]
    save(rows, options.out, "synthesize", __file__, arguments)


if __name__ == "__main__":
    main()
