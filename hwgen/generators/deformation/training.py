"""Training of a deformation model: a store and a recipe to a run directory."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
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
from hwgen.generators.deformation.recipe import INK, KIND, DeformationRecipe
from hwgen.generators.training_run import (
    LOG_STEPS,
    RunWriter,
    check_run,
    open_run,
    read_own_checkpoint,
)
from hwgen.progress import NO_CONTROL, Control
from hwgen.record import check_channels
from hwgen.runs import Run
from hwgen.runs.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from hwgen.store import Store

CHECKPOINT_STEPS = 500
WARMUP_STEPS = 200


def train_deformation(
    store: Store,
    out: Path,
    recipe: DeformationRecipe,
    *,
    seed: int = 0,
    device: str = "auto",
    control: Control = NO_CONTROL,
) -> Run:
    """Train on pairs of samples of the same class, or resume the run that the same call began.

    The images are held in memory at the recipe's size.

    Args:
        store: labelled grey images of at least the recipe's size.
        out: run directory.
        recipe: see DeformationRecipe.
        seed: of weights, pairs and noise.
        device: "auto", "cpu", "cuda", ...
        control: progress in pairs, every LOG_STEPS steps. `stop` is asked as often; a checkpoint is
            saved then.

    Raises:
        RecipeChangedError: `out` holds a run with another recipe, seed or store; one of fewer steps
            is continued, with the learning rate of the longer training.
        RunError: `out` holds something else, or its checkpoint is damaged or another run's.
        DivergedError: a loss or a weight is not finite; the last good checkpoint is named.
        InputError: the store is in colour, too small, or no class has two records.
    """
    check_training(store, out, recipe, seed=seed, device=device)
    pairs = Pairs(store.labels, recipe.batch, seed)
    with open_run(store, out, kind=KIND, recipe=asdict(recipe), seed=seed) as run:
        images = ResidentImages([store], recipe.size, pick_device(device)).images
        _train_loop(run, recipe, pairs, images, control)
    return run


def check_training(
    store: Store,
    out: Path,
    recipe: DeformationRecipe,
    *,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Refuse what `train_deformation` would refuse before its first step, writing nothing."""
    pick_device(device)
    check_channels(store.channels, 1, str(store.path))
    if store.size < recipe.size:
        raise InputError(
            f"expected images of at least {recipe.size} pixels, found {store.size}",
            where=str(store.path),
            remedy=f"Prepare the store with --size {recipe.size} or more",
        )
    check_run(store, out, kind=KIND, recipe=asdict(recipe), seed=seed)
    Pairs(store.labels, recipe.batch, seed)


def learning_rate(recipe: DeformationRecipe, step: int) -> float:
    """Half a cosine from lr to 0, with a linear warm-up over the first WARMUP_STEPS."""
    rise = min(1.0, (step + 1) / WARMUP_STEPS)
    return recipe.lr * rise * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))


def _train_loop(
    run: Run, recipe: DeformationRecipe, pairs: Pairs, images: Tensor, control: Control
) -> None:
    """Train from the run's last checkpoint to the recipe's end, or until asked to stop."""
    net, optimizer = _make(recipe, run.seed, images.device)
    begun = read_own_checkpoint(run)
    _restore(net, optimizer, begun, run)
    run.rewind_log(begun.step * recipe.batch)
    # The sums below are in no checkpoint, so a run stops only where a line of the log was written.
    writer = RunWriter(
        run, begun, steps=recipe.steps, batch=recipe.batch, control=control, ask_every=LOG_STEPS
    )
    writer.begin(begun.step, describe(images.device, torch.float32))
    generator = torch.Generator(images.device)
    sums: dict[str, Tensor] = {}
    logged = begun.step
    for step in range(begun.step, recipe.steps):
        # Batch: all randomness is a function of (seed, step).
        x, target = _batch(pairs, images, step)
        generator.manual_seed(int(np.random.SeedSequence((run.seed, step)).generate_state(1)[0]))
        noise = torch.randn(
            (recipe.batch, recipe.z_dim), generator=generator, device=generator.device
        )

        # Step.
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step)
        parts = pair_loss(net, x, target, noise)
        optimizer.zero_grad(set_to_none=True)
        parts["loss"].backward()
        optimizer.step()
        sums = {name: sums.get(name, 0) + value.detach() for name, value in parts.items()}

        # Log.
        done = step + 1
        if done % LOG_STEPS == 0 or done == recipe.steps:
            count = done - logged
            means = {name: float(f"{float(v) / count:.5g}") for name, v in sums.items()}
            sums, logged = {}, done
            if not all(map(math.isfinite, means.values())):
                raise _diverged(run, "losses", done)
            writer.log(done, means, _note(means))

        # Checkpoint.
        stopping = done < recipe.steps and writer.stop_requested(done)
        if done % CHECKPOINT_STEPS == 0 or stopping or done == recipe.steps:
            if not all(bool(p.isfinite().all()) for p in net.parameters()):
                raise _diverged(run, "weights", done)
            _save_checkpoint(run, net, optimizer, step=done, seconds=writer.seconds)

        # Stop.
        if stopping:
            return
    _save_snapshot(run, net, recipe, begun)


def _make(
    recipe: DeformationRecipe, seed: int, device: torch.device
) -> tuple[DeformationNet, torch.optim.Optimizer]:
    """Network and optimiser at the start; the weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = DeformationNet(recipe)
    net.to(device).to(memory_format=torch.channels_last)
    return net, torch.optim.Adam(net.parameters(), lr=recipe.lr, betas=(0.9, 0.99), fused=True)


def _batch(pairs: Pairs, images: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """Images of a step and their partners, float [N, 1, S, S] each, ink 1."""
    first, second = (torch.from_numpy(part).to(images.device) for part in pairs.batch(step))
    return to_float(images.index_select(0, first), INK), to_float(
        images.index_select(0, second), INK
    )


def _note(means: Mapping[str, float]) -> str:
    """The distance left after deforming and the KL term, for a progress bar."""
    unbent = means["unbent"]  # 0 if all samples of each class are equal
    ratio = f"{means['distance'] / unbent:.1%}" if unbent else "undefined"
    return f"distance {ratio} of undeformed  KL {means['kl']:.1f}"


def _diverged(run: Run, what: str, step: int) -> DivergedError:
    kept = "There is no checkpoint yet"
    if run.checkpoint.exists():
        last = read_checkpoint(run.checkpoint, run.id)
        kept = f"The last good checkpoint, of step {last.step}, is {run.checkpoint}"
    return DivergedError(
        f"the {what} of the deformation model are no longer finite at step {step}",
        where=str(run.path),
        remedy=f"{kept}. Start a new run in another --out with a smaller lr",
    )


def _save_checkpoint(
    run: Run, net: DeformationNet, optimizer: torch.optim.Optimizer, *, step: int, seconds: float
) -> None:
    tensors = {**module_tensors("net", net), **optimizer_tensors("optimizer", optimizer)}
    write_checkpoint(run.checkpoint, run.id, Checkpoint(step, seconds, tensors))


def _save_snapshot(
    run: Run, net: DeformationNet, recipe: DeformationRecipe, begun: Checkpoint
) -> None:
    weights = run.weights(recipe.steps * recipe.batch)
    # A finished run is left as it is.
    if begun.step < recipe.steps or not weights.exists():
        metadata = {"run": run.id, "recipe": json.dumps(run.recipe)}
        save_tensors(weights, module_tensors("net", net), metadata)


def _restore(
    net: DeformationNet, optimizer: torch.optim.Optimizer, checkpoint: Checkpoint, run: Run
) -> None:
    """Load network and optimiser from the checkpoint, if it has tensors."""
    tensors = checkpoint.tensors
    if tensors:
        load_module("net", net, tensors, run.checkpoint)
        load_optimizer("optimizer", optimizer, tensors, run.checkpoint, steps=checkpoint.step)
