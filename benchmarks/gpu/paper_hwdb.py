"""The paper's network on 3,755 characters: legibility of its samples by number of steps."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.prepare import Inputs
from benchmarks.gpu.resnet import (
    RecogniserSettings,
    accuracy,
    random_batches,
    train_recogniser,
)
from hwgen.generators.gan.presets import change, preset
from hwgen.generators.gan.sampling import Sampler
from hwgen.generators.gan.training import train
from hwgen.imaging.contact_sheets import save_sheet
from hwgen.imaging.framing import Framing
from hwgen.progress import Control
from hwgen.store import Store

TINY = {
    "generator.start": "[6, 7]",
    "generator.stages": '[{"channels": 5, "kernel": 5, "stride": 2},'
    ' {"channels": 1, "kernel": 5, "stride": 2}]',
    "discriminator.hidden": "10",
    "discriminator.stages": '[{"channels": 7, "kernel": 5, "stride": 2},'
    ' {"channels": 8, "kernel": 5, "stride": 2}]',
    "batch": "8",
    "images": "32",
    "every": "16",
}
"""Changes to the preset for a dry run."""

FRAMING = Framing(28, stretch=True)
"""As in the papers."""


def run(
    inputs: Inputs,
    device: torch.device,
    settings: RecogniserSettings,
    *,
    judge_seconds: float,
    train_seconds: float,
    every_steps: int = 20_000,
    per_class: int = 4,
    tiny: bool = False,
) -> dict[str, Any]:
    """Train `paper-hwdb` for a given time and score every snapshot.

    The judge is a recogniser trained on real pen ink of the same writers; its accuracy on real
    images of other writers is the reference for the purity of samples.

    Args:
        inputs: stores of real characters.
        device: where to train.
        settings: of the judge.
        judge_seconds: time limit of the judge's training.
        train_seconds: time limit of the GAN's training.
        every_steps: steps between snapshots.
        per_class: samples of each class to score.
        tiny: small networks and few steps, for a dry run.

    Returns:
        The judge, the training, and per snapshot: images seen, purity (fraction of samples read as
        their label) and variety (per-pixel standard deviation within classes, over the real one).
    """
    store = inputs.train(framing=FRAMING)
    images, labels = tensors(store, device)
    judge, judged = train_recogniser(
        random_batches(images, labels),
        inputs.classes,
        settings,
        device,
        seconds=judge_seconds,
        seed=0,
    )
    test, truth = tensors(inputs.test(FRAMING), device)
    judged["accuracy_on_real_test"] = round(accuracy(judge, test, truth), 4)
    print("judge", judged["accuracy_on_real_test"], judged["seconds"], flush=True)
    real_variety = _variety(images.cpu().numpy(), labels.cpu().numpy())

    recipe = preset("paper-hwdb")
    recipe = replace(recipe, every=every_steps * recipe.batch)
    if tiny:
        recipe = change(recipe, TINY)
    out = inputs.work / "paper-hwdb"
    began = time.monotonic()
    cuda = device.type == "cuda"
    trained = train(
        store,
        out,
        recipe,
        device=device.type,
        on_collapse="ignore",
        control=Control(stop=lambda: time.monotonic() - began > train_seconds),
        cuda_graphs=cuda,
    )
    seconds = time.monotonic() - began
    log = trained.read_log()
    rows = []
    ids = np.repeat(np.arange(inputs.classes), per_class)
    indices = np.tile(np.arange(per_class), inputs.classes)
    for file in trained.snapshots():
        seen = int(file.stem)
        sampler = Sampler.load(trained, str(seen), device.type)
        made = sampler.sample(ids, indices, batch=4096)
        read = accuracy(judge, torch.from_numpy(made), torch.from_numpy(ids).to(device))
        row = {
            "images": seen,
            "steps": seen // recipe.batch,
            "purity": round(read, 4),
            "variety": round(_variety(made, ids) / real_variety, 3),
        }
        rows.append(row)
        print(row, flush=True)
        shown = ids % max(1, inputs.classes // 12) == 0
        save_sheet(
            inputs.work / f"paper-hwdb-{seen:09d}.png", made[shown][: 12 * per_class], per_class
        )
    last = log[-1] if log else {}
    return {"judge": judged, "seconds": round(seconds, 1), "last_log": last, "snapshots": rows}


def tensors(store: Store, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Images uint8 [n, S, S] and labels int64 [n] of a whole store."""
    images, labels = torch.from_numpy(store.all_images()), torch.from_numpy(store.labels)
    return images.to(device), labels.to(device)


def _variety(images: np.ndarray, labels: np.ndarray) -> float:
    """Mean over classes and pixels of the standard deviation within a class."""
    order = np.argsort(labels, kind="stable")
    images, labels = images[order], labels[order]
    ends = np.flatnonzero(np.diff(labels)) + 1
    deviations = [part.std(0).mean() for part in np.split(images, ends)[:500] if len(part) > 1]
    return float(np.mean(deviations))
