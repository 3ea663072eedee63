"""In: a store and a recipe. Out: a run directory with a deformation model."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hwgen.compute.devices import describe, pick_device
from hwgen.compute.tensor_files import (
    load_module,
    load_optimizer,
    module_tensors,
    optimizer_tensors,
    save_tensors,
)
from hwgen.data import ResidentImages, to_float
from hwgen.errors import DivergedError, InputError
from hwgen.generators.deformation.network import DeformationNet, pair_loss
from hwgen.generators.deformation.pairs import Pairs
from hwgen.generators.deformation.recipe import DeformationRecipe, recipe_to_json
from hwgen.record import PixelRange
from hwgen.runs import Run, begin_or_continue
from hwgen.runs.checkpoints import read_checkpoint
from hwgen.store import Store
from hwgen.store.origin import summary

KIND = "deformation"
"""Of these runs; see Run.kind."""

INK = PixelRange(paper=0.0, ink=1.0)
"""The range that the networks see."""

REPORT_STEPS = 50
CHECKPOINT_STEPS = 500
WARMUP_STEPS = 200

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Called with pairs seen, pairs in all, and means since the last call, see pair_loss."""


def train_deformation(
    store: Store,
    out: Path,
    recipe: DeformationRecipe,
    *,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Run:
    """Learn from pairs of samples of one class how they vary, or go on with what was begun.

    The pictures are held in memory at the recipe's size.

    Args:
        store: labelled grey pictures of at least the recipe's size.
        out: run directory.
        recipe: see DeformationRecipe.
        seed: of weights, pairs and noise.
        device: "auto", "cpu", "cuda", ...
        progress: called every REPORT_STEPS steps.
        stop: asked every REPORT_STEPS steps; True saves a checkpoint and returns.

    Raises:
        RecipeChangedError: `out` holds a run that began otherwise.
        RunError: `out` holds something else, or its checkpoint is damaged or another run's.
        DivergedError: a loss or a weight is no longer finite; the last good checkpoint is named.
        InputError: the store is in colour, too small, or no class has two records.
    """
    where = pick_device(device)
    if store.channels != 1:
        raise InputError(
            f"the store has {store.channels} channels, deformations are learnt from grey pictures",
            where=str(store.path),
        )
    pairs = Pairs(store.labels, recipe.batch, seed)
    run = begin_or_continue(
        out,
        kind=KIND,
        recipe=recipe_to_json(recipe),
        seed=seed,
        charset=store.charset,
        data={"content_sha256": store.manifest.content_sha256, "count": len(store)},
        origin=summary(store.manifest.origin),
    )
    with run.locked():
        images = ResidentImages([store], recipe.size, where).images
        _train(run, recipe, pairs, images, progress, stop)
    return run


def learning_rate(recipe: DeformationRecipe, step: int) -> float:
    """Half a cosine from lr to 0, with a linear rise in the first WARMUP_STEPS."""
    rise = min(1.0, (step + 1) / WARMUP_STEPS)
    return recipe.lr * rise * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))


def _train(
    run: Run,
    recipe: DeformationRecipe,
    pairs: Pairs,
    images: Tensor,
    progress: Progress | None,
    stop: Callable[[], bool] | None,
) -> None:
    device = images.device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        net = DeformationNet(recipe)
    net.to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), lr=recipe.lr, betas=(0.9, 0.99), fused=True)
    begun, seconds = _load(run, net, optimizer)
    run.rewind_log(begun * recipe.batch)
    run.log({"images": begun * recipe.batch, "began": describe(device, torch.float32)})
    generator = torch.Generator(device)
    sums: dict[str, Tensor] = {}
    started = time.monotonic() - seconds
    for step in range(begun, recipe.steps):
        generator.manual_seed(int(np.random.SeedSequence((run.seed, step)).generate_state(1)[0]))
        first, second = (torch.from_numpy(side).to(device) for side in pairs.batch(step))
        x, target = (to_float(images.index_select(0, side), INK) for side in (first, second))
        noise = torch.randn(
            (recipe.batch, recipe.z_dim), generator=generator, device=generator.device
        )
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step)
        parts = pair_loss(net, x, target, noise)
        optimizer.zero_grad(set_to_none=True)
        parts["loss"].backward()
        optimizer.step()
        sums = {name: sums.get(name, 0) + value.detach() for name, value in parts.items()}

        done = step + 1
        if done % REPORT_STEPS == 0 or done == recipe.steps:
            count = (done - 1) % REPORT_STEPS + 1
            means = {name: float(f"{float(v) / count:.5g}") for name, v in sums.items()}
            sums = {}
            if not all(map(math.isfinite, means.values())):
                raise _diverged(run, "losses", done)
            took = round(time.monotonic() - started, 3)
            run.log({"images": done * recipe.batch, "seconds": took, **means})
            if progress is not None:
                progress(done * recipe.batch, recipe.steps * recipe.batch, means)
        # Between two reports sums would be lost, so a stop waits for the next one.
        between = done % REPORT_STEPS == 0 and done < recipe.steps
        stopped = between and stop is not None and stop()
        if done % CHECKPOINT_STEPS == 0 or stopped or done == recipe.steps:
            if not all(bool(p.isfinite().all()) for p in net.parameters()):
                raise _diverged(run, "weights", done)  # by this very step
            _save(run, net, optimizer, done, time.monotonic() - started)
        if stopped:
            return
    weights = run.weights(recipe.steps * recipe.batch)
    # Written once: the order of a file's metadata, and so its hash, is by chance.
    if begun < recipe.steps or not weights.exists():
        metadata = {"run": run.id, "recipe": json.dumps(run.recipe)}
        save_tensors(weights, module_tensors("net", net), metadata)


def _diverged(run: Run, what: str, step: int) -> DivergedError:
    kept = "No checkpoint was made yet"
    if run.checkpoint.exists():
        last = read_checkpoint(run.checkpoint, run.id)
        kept = f"The last good checkpoint, of step {last.step}, is {run.checkpoint}"
    return DivergedError(
        f"the {what} of the deformation model are no longer finite at step {step}",
        where=str(run.path),
        remedy=f"{kept}. Lower the recipe's lr, in another --out",
    )


def _save(
    run: Run, net: DeformationNet, optimizer: torch.optim.Optimizer, step: int, seconds: float
) -> None:
    tensors = {**module_tensors("net", net), **optimizer_tensors("optimizer", optimizer)}
    metadata = {"step": str(step), "seconds": str(seconds), "run": run.id}
    save_tensors(run.checkpoint, tensors, metadata)


def _load(run: Run, net: DeformationNet, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    """Fill network and optimiser from the checkpoint, if there is one: (steps, seconds)."""
    begun = read_checkpoint(run.checkpoint, run.id)
    if begun.tensors:
        load_module("net", net, begun.tensors, run.checkpoint)
        load_optimizer("optimizer", optimizer, begun.tensors, run.checkpoint, steps=begun.step)
    return begun.step, begun.seconds
