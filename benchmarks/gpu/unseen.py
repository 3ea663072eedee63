"""Recognition of 1,000 characters without real samples, from simulated or refined images.

The first 2,755 classes of GB2312 level 1 have real samples (pen ink, writers 1001 to 1050), the
last 1,000 have none. One recogniser of all classes is trained and tested on real images of other
writers (1051 to 1060): on unseen classes among 1,000 and among all candidates, and on seen ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.gpu.prepare import Inputs, arrays
from benchmarks.gpu.refiner import (
    RefinerGenerator,
    RefinerSettings,
    RefinerStep,
    refine,
    train_refiner,
)
from benchmarks.gpu.resnet import (
    RandomBatches,
    RecogniserSettings,
    accuracy,
    network,
    random_batches,
    train_recogniser,
)
from hwgen.imaging.contact_sheets import save_sheet


def mixed_batches(images: Tensor, labels: Tensor, made: Tensor, seen: int) -> RandomBatches:
    """Classes uniformly at random; half of the seen classes' images are real, all others are made.

    Seen classes get made images too, so that the look of made images does not reveal the class.

    Args:
        images: real ones, uint8 [n, S, S], classes below `seen` only.
        labels: int64 [n].
        made: uint8 [classes, per class, S, S].
        seen: number of seen classes.
    """
    order = labels.argsort(stable=True)
    counts = torch.bincount(labels, minlength=seen)
    first = counts.cumsum(0) - counts
    classes, per_class = made.shape[:2]
    device = images.device

    def batch(n: int) -> tuple[Tensor, Tensor]:
        y = torch.randint(classes, (n,), device=device)
        u = torch.rand(n, device=device)
        known = y.clamp(max=seen - 1)
        real = order[first[known] + (u * counts[known]).long().clamp(max=counts[known] - 1)]
        chosen = made[y, torch.randint(per_class, (n,), device=device)]
        is_real = (y < seen) & (torch.rand(n, device=device) < 0.5) & (counts[known] > 0)
        return torch.where(is_real[:, None, None], images[real], chosen), y

    return batch


def real_test_images(inputs: Inputs, device: torch.device) -> tuple[Tensor, Tensor]:
    """Real test images and labels."""
    images, labels = arrays(inputs.test64)
    return torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device)


def scores(net: torch.nn.Module, inputs: Inputs, device: torch.device) -> dict[str, float]:
    """Top-1 accuracy on real test images: unseen classes, seen classes, and all."""
    images, labels = real_test_images(inputs, device)
    candidates = torch.arange(inputs.seen, inputs.classes, device=device)
    unseen = labels >= inputs.seen
    found = {
        "unseen_among_unseen": accuracy(net, images[unseen], labels[unseen], candidates),
        "unseen_among_all": accuracy(net, images[unseen], labels[unseen]),
        "seen_among_all": accuracy(net, images[~unseen], labels[~unseen]),
        "all": accuracy(net, images, labels),
        "test_images_unseen": int(unseen.sum()),
        "test_images_seen": int((~unseen).sum()),
    }
    return {name: round(value, 4) for name, value in found.items()}


def baselines(
    inputs: Inputs, device: torch.device, settings: RecogniserSettings, *, seconds: float
) -> dict[str, Any]:
    """Recognisers trained on real images of all classes (upper bound), and with simulated ones."""
    images, labels = (torch.from_numpy(a).to(device) for a in arrays(inputs.train64))
    found: dict[str, Any] = {}
    net, facts = train_recogniser(
        random_batches(images, labels), inputs.classes, settings, device, seconds=seconds, seed=0
    )
    found["real, all classes"] = {**scores(net, inputs, device), "training": facts}
    print(
        "real", {k: v for k, v in found["real, all classes"].items() if k != "training"}, flush=True
    )
    weights = {
        name: value.half() if value.is_floating_point() else value
        for name, value in net.state_dict().items()
    }
    torch.save(weights, inputs.work / "judge64.pt")
    seen = labels < inputs.seen
    simulated = torch.from_numpy(np.array(inputs.simulated())).to(device)
    batches = mixed_batches(images[seen], labels[seen], simulated, inputs.seen)
    net, facts = train_recogniser(
        batches, inputs.classes, settings, device, seconds=seconds, seed=0
    )
    found["real seen + simulated"] = {**scores(net, inputs, device), "training": facts}
    print("simulated", scores(net, inputs, device), flush=True)
    return found


def refined(
    inputs: Inputs,
    device: torch.device,
    settings: RecogniserSettings,
    refiner: RefinerSettings,
    *,
    refiner_seconds: float,
    seconds: float,
    per_class: int = 128,
) -> dict[str, Any]:
    """Train the refiner on seen classes, refine all, train a recogniser with them, and score it."""
    images, labels = (torch.from_numpy(a).to(device) for a in arrays(inputs.train64))
    seen = labels < inputs.seen
    images, labels = images[seen], labels[seen]
    simulated = torch.from_numpy(np.array(inputs.simulated())).to(device)
    torch.manual_seed(0)
    first = inputs.seen
    shown = torch.linspace(first, inputs.classes - 1, 12, device=device).long()

    def report(step: int, values: dict[str, float], g: RefinerGenerator) -> None:
        print("refiner", step, values, flush=True)
        some = simulated[shown, :8]
        made = refine(g, some, some.shape[1], seed=0)
        rows = torch.stack([some, made], 1).flatten(0, 2).cpu().numpy()
        save_sheet(inputs.work / "refined-unseen.png", rows, some.shape[1])

    g, facts = train_refiner(
        RefinerStep(images, labels, simulated, inputs.seen, refiner),
        refiner,
        seconds=refiner_seconds,
        report=report,
        every=5000 if refiner.steps > 5000 else 2,
    )
    torch.save(g.state_dict(), inputs.work / "refiner64.pt")
    made = refine(g, simulated, per_class, seed=1)
    found: dict[str, Any] = {"refiner": facts, "per_class": per_class}
    net, training = train_recogniser(
        mixed_batches(images, labels, made, inputs.seen),
        inputs.classes,
        settings,
        device,
        seconds=seconds,
        seed=0,
    )
    found["real seen + refined"] = {**scores(net, inputs, device), "training": training}
    print("refined", scores(net, inputs, device), flush=True)
    judge = inputs.work / "judge64.pt"
    if judge.exists():
        found["read_as_label_by_the_real_recogniser"] = purity(
            judge, inputs, settings, made, simulated
        )
        print("purity", found["read_as_label_by_the_real_recogniser"], flush=True)
    np.savez_compressed(
        inputs.work / "refined-sample.npz", images=made[first::10, :8].cpu().numpy()
    )
    return found


def purity(
    judge: Path, inputs: Inputs, settings: RecogniserSettings, made: Tensor, simulated: Tensor
) -> dict[str, float]:
    """Fraction of images read as their label by the recogniser of real images of all classes."""
    device = made.device
    net = network(inputs.classes, settings.widths).to(device)
    net.load_state_dict(torch.load(judge, weights_only=True))
    net.eval()
    found = {}
    for name, images in (("refined", made), ("simulated", simulated)):
        for part, start, stop in (
            ("seen", 0, inputs.seen),
            ("unseen", inputs.seen, inputs.classes),
        ):
            some = images[start:stop, :8]
            y = torch.arange(start, stop, device=device).repeat_interleave(some.shape[1])
            found[f"{name}, {part}"] = round(accuracy(net, some.flatten(0, 1), y), 4)
    return found
