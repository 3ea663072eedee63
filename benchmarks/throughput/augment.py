"""In: nothing. Out: pictures a second that are distorted, by hwgen and by torchvision.

Claim: hwgen's batched elastic distortion is at least 20 times as fast as torchvision v2's, which a
Dataset applies picture by picture. Run (about 2 minutes on two cores):

    python -m benchmarks.throughput.augment --out benchmarks/results/throughput-DATE-HARDWARE

What differs: torchvision's ElasticTransform smooths white noise by a Gaussian (sigma 5, its
default, 41 taps); hwgen interpolates 5x5 control points bicubically. The baseline "narrow" smooths
with sigma S/12, whose fields vary over about the same distance as control points S/4 apart, and
spares torchvision some taps on small pictures. Displacements are given the same deviation where
torchvision allows it to be said; time does not depend on it. RandomAffine's shear, scale and shift
are hwgen's. torchvision has no change of stroke width: its baseline is Pillow's 3x3 maximum or
minimum filter, blended, picture by picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from benchmarks.throughput import timing
from hwgen.compute.devices import pick_device
from hwgen.recogniser.augmentation import augment
from hwgen.recogniser.network import Augmentation
from hwgen.record import PixelRange

PIXELS = PixelRange(paper=0.0, ink=1.0)
NONE = Augmentation(rotate=0, shear=0, scale=0, translate=0, elastic=0)
ALL = Augmentation(stroke_width=1 / 32)
AMOUNTS: Mapping[str, Augmentation] = {
    "affine": replace(ALL, elastic=0, stroke_width=0),
    "elastic": replace(NONE, elastic=ALL.elastic),
    "stroke width": replace(NONE, stroke_width=ALL.stroke_width),
    "all three": ALL,
}
"""One distortion alone still takes hwgen the whole field: the cost of the others is not spared."""

GAUSSIAN = ("elastic", "all three")
"""Those for which the width of torchvision's Gaussian matters."""

PEERS_PICTURES = 16
"""Pictures a run of torchvision's way, which takes each alone: its rate knows no batch."""

Transform = Callable[[Tensor], Tensor]


def transforms(side: int, sigma: float) -> dict[str, Transform]:
    """The peer's ways, each of one picture float [1, side, side], by the names of AMOUNTS."""
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
    """Widen or narrow the strokes of one picture by at most half a pixel on every side."""
    picture = Image.fromarray((x[0] * 255).byte().numpy())
    change = float(torch.rand(())) - 0.5
    kind = ImageFilter.MaxFilter if change > 0 else ImageFilter.MinFilter
    blended = Image.blend(picture, picture.filter(kind(3)), abs(change))
    return v2.functional.pil_to_tensor(blended) / 255


def measure(
    *,
    sides: Sequence[int] = (28, 32, 64),
    batches: Sequence[int] = (64, 256),
    threads: Sequence[int] = (1, 2),
    jobs: Sequence[str] = tuple(AMOUNTS),
    runs: int = 5,
    device: torch.device | None = None,
) -> list[dict[str, Any]]:
    """Rows of the table: each job, side, batch and number of threads."""
    device = device or torch.device("cpu")
    before, rows = torch.get_num_threads(), []
    try:
        for count in threads:
            torch.set_num_threads(count)
            copy = timing.copy_rate(device)
            for side in sides:
                for batch in batches:
                    for job in jobs:
                        rows.append(_row(job, side, batch, runs, device, copy))
    finally:
        torch.set_num_threads(before)
    return rows


def _row(
    job: str, side: int, batch: int, runs: int, device: torch.device, copy: float
) -> dict[str, Any]:
    generator = torch.Generator(device).manual_seed(0)
    x = torch.rand(batch, 1, side, side)
    there = x.to(device)
    peer_name = "Pillow" if job == "stroke width" else "torchvision"
    peers = {peer_name: transforms(side, 5.0)[job]}
    if job in GAUSSIAN:
        peers["torchvision, narrow"] = transforms(side, side / 12)[job]
    ways: dict[str, timing.Job] = {
        name: lambda peer=peer: torch.stack([peer(p) for p in x[:PEERS_PICTURES]])  # type: ignore[misc]
        for name, peer in peers.items()
    }
    ways["hwgen"] = lambda: [
        augment(there, AMOUNTS[job], pixels=PIXELS, generator=generator) for _ in range(10)
    ]
    work = dict.fromkeys(ways, float(min(batch, PEERS_PICTURES))) | {"hwgen": 10.0 * batch}
    return timing.result(
        f"augment, {job}, {side}x{side}, batch {batch}, threads {torch.get_num_threads()}",
        "pictures",
        timing.in_turn(ways, work, runs=runs, device=device),
        baseline=peer_name,
        fast="hwgen",
        goal=">= 20 x elastic",
        settings={"job": job, "side": side, "batch": batch, "threads": torch.get_num_threads()},
        # Each picture read and written once.
        limits={"copy, pictures/s": copy / (2 * 4 * side * side), "copy, bytes/s": copy},
        device=device,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="cpu", help="of hwgen's way")
    options = parser.parse_args()
    device = pick_device(options.device)
    threads = (1, 2) if device.type == "cpu" else (torch.get_num_threads(),)
    rows = measure(threads=threads, runs=options.runs, device=device)
    timing.save(rows, options.out, "augment")


if __name__ == "__main__":
    main()
