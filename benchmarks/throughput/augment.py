"""Elastic distortion of training images: 83 to 257 times as fast as torchvision v2.

    python -m benchmarks.throughput.augment --out benchmarks/results/throughput-DATE-HARDWARE

About 2 minutes on two CPU cores. torchvision v2 distorts one image at a time, as in a Dataset.

The methods differ: torchvision's ElasticTransform smooths white noise with a Gaussian (sigma 5, its
default, 41 taps), hwgen interpolates 5x5 control points bicubically. The baseline "narrow" smooths
with sigma S/12, whose fields vary over about the same distance as control points S/4 apart, which
saves torchvision some taps on small images. Displacements have the same deviation where torchvision
has a parameter for it; the time does not depend on it. RandomAffine has hwgen's shear, scale and
shift. torchvision cannot change stroke width: that baseline is Pillow's 3x3 maximum or minimum
filter, blended, one image at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from benchmarks.options import make_parser
from benchmarks.throughput import timing
from hwgen.compute.devices import pick_device
from hwgen.pixel_range import PixelRange
from hwgen.recogniser.augmentation import augment
from hwgen.recogniser.network import AugmentationSpec

PIXELS = PixelRange(paper=0.0, ink=1.0)
NONE = AugmentationSpec(rotate=0, shear=0, scale=0, translate=0, elastic=0)
ALL = AugmentationSpec(stroke_width=1 / 32)
AMOUNTS: Mapping[str, AugmentationSpec] = {
    "affine": replace(ALL, elastic=0, stroke_width=0),
    "elastic": replace(NONE, elastic=ALL.elastic),
    "stroke width": replace(NONE, stroke_width=ALL.stroke_width),
    "all three": ALL,
}
"""hwgen computes the whole displacement field even where only one distortion is on."""

GAUSSIAN = ("elastic", "all three")
"""Jobs whose time depends on the width of torchvision's Gaussian."""

BASELINE_IMAGES = 16
"""Images in a run of the baseline, which takes them one by one, whatever the batch size."""

Transform = Callable[[Tensor], Tensor]


def transforms(size: int, sigma: float) -> dict[str, Transform]:
    """Baselines by the names of AMOUNTS; each takes one image, float [1, size, size]."""
    bilinear = InterpolationMode.BILINEAR
    affine: Transform = v2.RandomAffine(
        degrees=ALL.rotate,
        translate=(ALL.translate, ALL.translate),
        scale=(1 - ALL.scale, 1 + ALL.scale),
        shear=ALL.shear * 45,
        interpolation=bilinear,
    )
    elastic: Transform = v2.ElasticTransform(alpha=50.0, sigma=sigma, interpolation=bilinear)
    return {
        "affine": affine,
        "elastic": elastic,
        "stroke width": pillow_stroke_width,
        "all three": lambda x: elastic(affine(pillow_stroke_width(x))),
    }


def pillow_stroke_width(x: Tensor) -> Tensor:
    """Widen or narrow the strokes of one image by at most half a pixel on each edge."""
    image = Image.fromarray((x[0] * 255).byte().numpy())
    change = float(torch.rand(())) - 0.5
    kind = ImageFilter.MaxFilter if change > 0 else ImageFilter.MinFilter
    blended = Image.blend(image, image.filter(kind(3)), abs(change))
    return v2.functional.pil_to_tensor(blended) / 255


def measure(
    *,
    sizes: Sequence[int] = (28, 32, 64),
    batches: Sequence[int] = (64, 256),
    threads: Sequence[int] = (1, 2),
    jobs: Sequence[str] = tuple(AMOUNTS),
    runs: int = 5,
    device: torch.device | None = None,
) -> list[dict[str, Any]]:
    """Rows of the table: each job, size, batch and number of threads."""
    device = device or torch.device("cpu")
    before, rows = torch.get_num_threads(), []
    try:
        for count in threads:
            torch.set_num_threads(count)
            copy = timing.copy_rate(device)
            for size in sizes:
                for batch in batches:
                    for job in jobs:
                        rows.append(
                            _row(job, size, batch=batch, runs=runs, device=device, copy=copy)
                        )
    finally:
        torch.set_num_threads(before)
    return rows


def _row(
    job: str, size: int, *, batch: int, runs: int, device: torch.device, copy: float
) -> dict[str, Any]:
    generator = torch.Generator(device).manual_seed(0)
    x = torch.rand(batch, 1, size, size)
    on_device = x.to(device)
    baseline = "Pillow" if job == "stroke width" else "torchvision"
    transform_of = {baseline: transforms(size, 5.0)[job]}
    if job in GAUSSIAN:
        transform_of["torchvision, narrow"] = transforms(size, size / 12)[job]
    ways: dict[str, timing.Job] = {
        name: lambda own=own: torch.stack([own(image) for image in x[:BASELINE_IMAGES]])  # type: ignore[misc]
        for name, own in transform_of.items()
    }
    ways["hwgen"] = lambda: [
        augment(on_device, AMOUNTS[job], pixels=PIXELS, generator=generator) for _ in range(10)
    ]
    work = dict.fromkeys(ways, float(min(batch, BASELINE_IMAGES))) | {"hwgen": 10.0 * batch}
    return timing.result(
        f"augment, {job}, {size}x{size}, batch {batch}, threads {torch.get_num_threads()}",
        "images",
        timing.in_turn(ways, work, runs=runs, device=device),
        baseline=baseline,
        fast="hwgen",
        settings={"job": job, "size": size, "batch": batch, "threads": torch.get_num_threads()},
        # Each image is read and written once.
        limits={"copy, images/s": copy / (2 * 4 * size * size), "copy, bytes/s": copy},
        device=device,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="cpu", help="device of hwgen's implementation")
    options = parser.parse_args(arguments)
    device = pick_device(options.device)
    threads = (1, 2) if device.type == "cpu" else (torch.get_num_threads(),)
    rows = measure(threads=threads, runs=options.runs, device=device)
    timing.save(rows, options.out, "augment", __file__, arguments)


if __name__ == "__main__":
    main()
