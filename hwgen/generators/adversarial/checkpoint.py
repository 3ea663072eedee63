"""Checkpoint and snapshot files: write and restore.

A stopped run resumes from its last checkpoint, but a rollback goes to that of a good snapshot, see
hwgen.generators.adversarial.rollback: where a run was stopped must not change its result.
"""

from __future__ import annotations

import json
import shutil

from torch import nn

from hwgen.compute.tensor_files import (
    load_module,
    load_optimizer,
    module_tensors,
    optimizer_tensors,
    save_tensors,
)
from hwgen.generators.adversarial.meter import Meter
from hwgen.generators.adversarial.recipe import AdversarialRecipe
from hwgen.generators.adversarial.steps import State
from hwgen.io.files import atomic_write
from hwgen.runs import Run
from hwgen.runs.checkpoints import Checkpoint, write_checkpoint


def restore(
    state: State, meter: Meter, checkpoint: Checkpoint, run: Run, recipe: AdversarialRecipe
) -> None:
    """Load networks, optimisers and meter from a checkpoint; leave them if it has no tensors.

    Raises:
        RunError: the checkpoint does not fit the recipe.
    """
    tensors = checkpoint.tensors
    if not tensors:
        return
    load_module("g", state.g, tensors, run.checkpoint)
    load_module("d", state.d, tensors, run.checkpoint)
    if recipe.ema:
        load_module("ema", state.ema, tensors, run.checkpoint)
    optimizers = {"optimizer_g": state.optimizer_g, "optimizer_d": state.optimizer_d}
    for prefix, optimizer in optimizers.items():
        load_optimizer(prefix, optimizer, tensors, run.checkpoint, steps=checkpoint.step)
    meter.load(tensors, next(state.g.parameters()).device)


def save_checkpoint(
    run: Run, state: State, meter: Meter, recipe: AdversarialRecipe, *, step: int, seconds: float
) -> None:
    """Replace the run's checkpoint, atomically.

    Args:
        run: to write to.
        state: networks and optimisers.
        meter: measurements since the last line of the log.
        recipe: of the run.
        step: steps done.
        seconds: spent on them.
    """
    tensors = {
        **module_tensors("g", state.g),
        **module_tensors("d", state.d),
        **optimizer_tensors("optimizer_g", state.optimizer_g),
        **optimizer_tensors("optimizer_d", state.optimizer_d),
        **meter.tensors(),
    }
    if recipe.ema:
        tensors.update(module_tensors("ema", state.ema))
    texts = {
        "recipe": json.dumps(run.recipe),
        "charset": json.dumps(list(run.charset.labels), ensure_ascii=False),
    }
    write_checkpoint(run.checkpoint, run.id, Checkpoint(step, seconds, tensors), texts)


def is_snapshot(step: int, recipe: AdversarialRecipe) -> bool:
    """Whether a snapshot is due after so many steps."""
    return step % recipe.steps_between_snapshots == 0 or step == recipe.steps


def keep_for_rollback(run: Run) -> None:
    """Copy the checkpoint of a good snapshot, before one that is not good replaces it."""
    with atomic_write(run.last_good) as temporary:
        shutil.copyfile(run.checkpoint, temporary)


def save_weights(run: Run, generator: nn.Module, recipe: AdversarialRecipe, images: int) -> None:
    """Write a snapshot: the weights, and in the metadata all that sampling needs."""
    metadata = {
        "images": str(images),
        "run": run.id,
        "recipe": json.dumps(run.recipe),
        "charset": json.dumps(list(run.charset.labels), ensure_ascii=False),
    }
    save_tensors(run.weights(images), module_tensors("g", generator), metadata)
