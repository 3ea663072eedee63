"""Recogniser: inference is 2.9 to 3.1, training 1.5 to 1.6 times as fast as plain PyTorch.

    python -m benchmarks.throughput.recogniser --out benchmarks/results/throughput-DATE-HARDWARE

About 3 minutes on two CPU cores. A training step of 64 images gains less, since plain PyTorch's
convolutions run near the rate of a matrix product there.

Implementations, all in fp32 with the same widths, data and random numbers:

    usual       convolution, norm, ReLU, pooling in that order, NCHW, AdamW's defaults, no_grad
    same order  hwgen's order (pooling before the norm), otherwise as usual: hwgen's mathematics
    hwgen       channels_last, fused AdamW, Winograd on small maps, folded norms, inference in parts

Distortion of the images is left out; benchmarks.throughput.augment times it. The limit of the
hardware is the network's floating point operations (three times those of inference for a step) at
the rate of a matrix product; Winograd needs fewer. --profile writes recogniser-profile.txt beside
the result: the operations that take most time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.options import make_parser
from benchmarks.throughput import timing
from hwgen.charset import Charset
from hwgen.compute.devices import keep_freed_memory, pick_device
from hwgen.io.files import atomic_write
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe, flop_count, logits
from hwgen.recogniser.training import make_optimizer

CLASSES = (89, 3755)
FIRST_HAN = 0x4E00


def usual_network(recipe: RecogniserRecipe, classes: int) -> nn.Sequential:
    """The recogniser in the usual order: convolution, norm, ReLU, pooling."""
    layers: list[nn.Module] = []
    channels = 1
    for stage, widths in enumerate(recipe.widths):
        for width in widths:
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        if stage < len(recipe.widths) - 1:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(
        *layers,
        *(nn.AdaptiveAvgPool2d(recipe.grid), nn.Flatten(), nn.Dropout(recipe.dropout)),
        *(nn.Linear(channels * recipe.grid**2, recipe.hidden, bias=False),),
        *(nn.BatchNorm1d(recipe.hidden), nn.ReLU(), nn.Dropout(recipe.dropout)),
        nn.Linear(recipe.hidden, classes),
    )


def same_order_network(recipe: RecogniserRecipe, classes: int) -> nn.Sequential:
    """The layers of hwgen with torch's own convolutions; weights have the same names."""
    layers = []
    for layer in RecogniserNetwork(recipe, classes):
        if isinstance(layer, nn.Conv2d):
            plain = nn.Conv2d(layer.in_channels, layer.out_channels, 3, padding=1, bias=False)
            plain.weight = layer.weight
            layer = plain
        layers.append(layer)
    return nn.Sequential(*layers)


def plain_step(network: nn.Module, recipe: RecogniserRecipe, x: Tensor, y: Tensor) -> timing.Job:
    """A training step as in the PyTorch tutorials."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.lr)

    def step() -> Tensor:
        loss = F.cross_entropy(network(x), y, label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def hwgen_step(
    network: RecogniserNetwork, recipe: RecogniserRecipe, x: Tensor, y: Tensor
) -> timing.Job:
    """The step of `train_recogniser`, without data loading, distortion and progress."""
    network.to(memory_format=torch.channels_last)
    optimizer = make_optimizer(network, recipe)

    def step() -> Tensor:
        loss = F.cross_entropy(logits(network, x), y, label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def step_ways(
    recipe: RecogniserRecipe, classes: int, batch: int, device: torch.device
) -> dict[str, Callable[[], Any]]:
    """A training step of each implementation, from equal weights where the order is equal."""
    x, y = torch.rand(batch, 1, recipe.size, recipe.size), torch.randint(classes, (batch,))
    x, y = x.to(device), y.to(device)
    usual = usual_network(recipe, classes).to(device)
    same = same_order_network(recipe, classes).to(device)
    ours = RecogniserNetwork(recipe, classes).to(device)
    ours.load_state_dict(same.state_dict())
    return {
        "usual": plain_step(usual, recipe, x, y),
        "same order": plain_step(same, recipe, x, y),
        "hwgen": hwgen_step(ours, recipe, x, y),
    }


def inference_ways(
    recipe: RecogniserRecipe, classes: int, batch: int, device: torch.device
) -> dict[str, Callable[[], Any]]:
    """Each implementation's probabilities, float32 [batch, classes], of the same uint8 images."""
    charset = Charset(tuple(chr(FIRST_HAN + place) for place in range(classes)))
    images = np.random.default_rng(0).integers(
        0, 256, (batch, recipe.size, recipe.size), dtype=np.uint8
    )
    usual = usual_network(recipe, classes).to(device).eval()
    same = same_order_network(recipe, classes).to(device).eval()
    ours = RecogniserNetwork(recipe, classes)
    ours.load_state_dict(same.state_dict())
    recogniser = Recogniser(ours.to(device).to(memory_format=torch.channels_last), recipe, charset)

    def plain(network: nn.Module) -> Callable[[], Any]:
        def read() -> Any:
            with torch.no_grad():
                x = 1 - torch.from_numpy(images)[:, None].to(device).float() / 255
                return network(x).softmax(dim=1).cpu().numpy()

        return read

    return {
        "usual": plain(usual),
        "same order": plain(same),
        "hwgen": lambda: recogniser.read(images),
    }


JOBS = {"training step": (step_ways, 3), "inference": (inference_ways, 1)}
"""Maker of a job's implementations, and its number of passes through the network."""


def measure(
    *,
    recipe: RecogniserRecipe | None = None,
    classes: Sequence[int] = CLASSES,
    batch: int = 64,
    inference_batch: int = 1024,
    runs: int = 7,
    device: torch.device | None = None,
) -> list[dict[str, Any]]:
    """Rows of the table: training and inference, for each number of classes."""
    recipe, device = recipe or RecogniserRecipe(), device or torch.device("cpu")
    rate = timing.matmul_rate(device)
    rows = []
    for count in classes:
        flops = flop_count(RecogniserNetwork(recipe, count), recipe.size)
        for (job, (_, passes)), images in zip(JOBS.items(), (batch, inference_batch), strict=True):
            ways = {name: partial(_run, name, job) for name in ("usual", "same order", "hwgen")}
            with timing.apart(ways, recipe, count, images, device.type) as jobs:
                times = timing.in_turn(jobs, float(images), runs=runs)
            rows.append(
                timing.result(
                    f"recogniser {job}, {count:,} classes, batch {images}",
                    "images",
                    times,
                    baseline="usual",
                    fast="hwgen",
                    settings={"classes": count, "batch": images, "size": recipe.size},
                    limits={
                        "matmul, FLOP/s": rate,
                        "by the definition's FLOPs, s": passes * flops * images / rate,
                    },
                    device=device,
                )
            )
    return rows


def _run(
    way: str, job: str, recipe: RecogniserRecipe, classes: int, images: int, device: str
) -> None:
    """Run one implementation once; hwgen's keeps freed memory, as its commands do."""
    if way == "hwgen":
        keep_freed_memory()
    _ways(job, recipe, classes, images, device)[way]()
    if device == "cuda":
        torch.cuda.synchronize()


@cache
def _ways(
    job: str, recipe: RecogniserRecipe, classes: int, images: int, device: str
) -> dict[str, Callable[[], Any]]:
    torch.manual_seed(0)
    make, _ = JOBS[job]
    return make(recipe, classes, images, torch.device(device))


def profile(recipe: RecogniserRecipe, classes: int, device: torch.device) -> str:
    """Tables of torch.profiler for one of hwgen's training steps and one inference."""
    return "\n".join(
        timing.profile(
            make(recipe, classes, images, device)["hwgen"], f"{job}, {classes} classes", device
        )
        for job, make, images in (
            ("training step of 64 images", step_ways, 64),
            ("inference on 1,024 images", inference_ways, 1024),
        )
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args(arguments)
    device = pick_device(options.device)
    rows = measure(runs=options.runs, device=device)
    timing.save(rows, options.out, "recogniser", __file__, arguments)
    if options.profile:
        with atomic_write(options.out / "recogniser-profile.txt") as temporary:
            temporary.write_text(profile(RecogniserRecipe(), CLASSES[0], device))


if __name__ == "__main__":
    main()
