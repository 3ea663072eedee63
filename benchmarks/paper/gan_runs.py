"""In: a recipe and a store. Out: a run trained up to a step, its networks, and a judge.

What the experiments with pictures share. Runs are hwgen's own, so that Ctrl-C saves and the same
command goes on.
"""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import numpy as np
import torch

from benchmarks.paper.pace import Pace
from hwgen.compute.devices import pick_device, pick_precision
from hwgen.compute.tensor_files import load_module
from hwgen.generators.gan.networks import Discriminator, Generator, build
from hwgen.generators.gan.presets import Recipe, recipe_from_json
from hwgen.generators.gan.training import train
from hwgen.recogniser.inference import Recogniser, hits
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.recogniser.training import from_stores, train_recogniser
from hwgen.runs import Run
from hwgen.runs.checkpoints import read_checkpoint
from hwgen.store import Store


def precision_of(name: str, device: str) -> str:
    """What `name` means on a device, "bf16" or "fp32": it decides an experiment's rows."""
    return "bf16" if pick_precision(name, pick_device(device)) == torch.bfloat16 else "fp32"


def steps_done(folder: Path) -> int:
    """Steps of a run's checkpoint; 0 where nothing has begun."""
    if not folder.exists():
        return 0
    run = Run(folder)
    return read_checkpoint(run.checkpoint, run.id).step


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
    """Bring a run to where it has made so many steps, at most the recipe's, from where it is.

    Raises:
        KeyboardInterrupt: `stopped` before it was there; what was done is saved.
    """
    done = steps_done(folder)
    if done < step:
        pace = Pace(folder.name, "steps", step, done=done)
        steps = itertools.count(done + 1)

        def stop() -> bool:
            now = next(steps)
            pace(now)
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
            stop=stop,
        )
        if steps_done(folder) < step:
            raise KeyboardInterrupt
    return Run(folder)


def networks(run: Run, device: torch.device) -> tuple[Generator, Discriminator]:
    """G (itself, not its average) and D as they are in a run's checkpoint."""
    g, d = build(recipe_from_json(run.recipe), len(run.charset))
    tensors = read_checkpoint(run.checkpoint, run.id).tensors
    load_module("g", g, tensors, run.checkpoint)
    load_module("d", d, tensors, run.checkpoint)
    return g.to(device), d.to(device)


def judge(
    file: Path,
    store: Store,
    recipe: RecogniserRecipe,
    *,
    device: torch.device,
    stopped: threading.Event,
) -> Recogniser:
    """A recogniser of real pictures; the one in `file`, where there is one.

    Raises:
        KeyboardInterrupt: `stopped` before it was trained.
    """
    if not file.exists():
        pace = Pace(file.stem, "steps", recipe.steps)
        trained = train_recogniser(
            from_stores([store], recipe, device),
            recipe,
            seed=0,
            device=device,
            progress=lambda done, _total, loss: pace(done, f"loss {loss:.3f}"),
            stop=stopped.is_set,
        )
        if trained is None:
            raise KeyboardInterrupt
        trained.save(file)
    return Recogniser.load(file, device)


def accuracy_on(recogniser: Recogniser, store: Store) -> float:
    """Share of a store's pictures that are read as their label, of the recogniser's classes."""
    ids = np.array(recogniser.charset.ids(list(store.charset.labels)), np.int64)
    return hits(recogniser.best(store.image_blocks(), 1), ids[store.labels])
