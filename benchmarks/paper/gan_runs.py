"""GAN runs trained up to a step, their networks, and the recogniser that judges their samples.

Runs are hwgen's own, so that Ctrl-C saves a checkpoint and a rerun resumes from it.
"""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import numpy as np
import torch

from benchmarks.paper.progress import Progress
from hwgen.compute.tensor_files import load_module
from hwgen.generators.adversarial.discriminator import Discriminator
from hwgen.generators.gan.networks import Generator, build
from hwgen.generators.gan.presets import Recipe, recipe_from_json
from hwgen.generators.gan.training import train
from hwgen.progress import Control
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.recogniser.reader import top_k_accuracy
from hwgen.recogniser.training import from_stores, train_recogniser
from hwgen.runs import Run
from hwgen.runs.checkpoints import read_checkpoint
from hwgen.store import Store


def steps_done(folder: Path) -> int:
    """Steps of a run's checkpoint; 0 if there is no run."""
    if not folder.exists():
        return 0
    run = Run(folder)
    return read_checkpoint(run.checkpoint, run.id).step


def training_seconds(run: Run) -> float | None:
    """Seconds of training in a run's log; None if it has none."""
    seconds = [entry["seconds"] for entry in run.read_log() if "seconds" in entry]
    return seconds[-1] if seconds else None


def train_until(
    step: int,
    store: Store,
    folder: Path,
    recipe: Recipe,
    *,
    seed: int,
    device: str,
    precision: str,
    stopped: threading.Event,
) -> Run:
    """Train a run, or continue it, up to a step, at most the recipe's last one.

    Raises:
        KeyboardInterrupt: `stopped` was set before that; the run is saved.
    """
    done = steps_done(folder)
    if done < step:
        progress = Progress(folder.name, "steps", step, done=done)
        steps = itertools.count(done + 1)

        def stop() -> bool:
            now = next(steps)
            progress(now)
            return now >= step or stopped.is_set()

        # A collapse is a result here.
        train(
            store,
            folder,
            recipe,
            seed=seed,
            device=device,
            precision=precision,
            on_collapse="ignore",
            control=Control(stop=stop),
        )
        if steps_done(folder) < step:
            raise KeyboardInterrupt
    return Run(folder)


def networks(run: Run, device: torch.device) -> tuple[Generator, Discriminator]:
    """G (not its moving average) and D from a run's checkpoint."""
    g, d = build(recipe_from_json(run.recipe), len(run.charset))
    assert isinstance(d, Discriminator)
    tensors = read_checkpoint(run.checkpoint, run.id).tensors
    load_module("g", g, tensors, run.checkpoint)
    load_module("d", d, tensors, run.checkpoint)
    return g.to(device), d.to(device)


def trained_judge(
    file: Path,
    store: Store,
    recipe: RecogniserRecipe,
    *,
    device: torch.device,
    stopped: threading.Event,
) -> Recogniser:
    """A recogniser of real images, loaded from `file` or trained and saved there.

    Raises:
        KeyboardInterrupt: `stopped` was set before the end of the training.
    """
    if not file.exists():
        progress = Progress(file.stem, "steps", recipe.steps)
        trained = train_recogniser(
            from_stores([store], recipe, device),
            recipe,
            seed=0,
            device=device,
            progress=lambda done, _total, loss: progress(done, f"loss {loss:.3f}"),
            stop=stopped.is_set,
        )
        if trained is None:
            raise KeyboardInterrupt
        trained.save(file)
    return Recogniser.load(file, device)


def accuracy_on(recogniser: Recogniser, store: Store) -> float:
    """Fraction of a store's images read as their label, among all classes of the recogniser."""
    ids = np.array(recogniser.charset.ids(list(store.charset.labels)), np.int64)
    return top_k_accuracy(recogniser.top_k(store.image_blocks(), 1), ids[store.labels])
