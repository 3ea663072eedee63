"""In: all that training changes. Out: a run's checkpoint, and the same read back.

A run goes on from its last checkpoint, wherever it was stopped, but goes back to a good snapshot's
(see hwgen.generators.gan.rollback): where it was stopped must not decide how it ends.
"""

from __future__ import annotations

import json
import shutil

from hwgen.compute.distributed import Ranks
from hwgen.compute.tensor_files import (
    load_module,
    load_optimizer,
    module_tensors,
    optimizer_tensors,
    save_tensors,
)
from hwgen.errors import RunError
from hwgen.generators.gan.meter import Meter
from hwgen.generators.gan.networks import Generator
from hwgen.generators.gan.presets import Recipe
from hwgen.generators.gan.steps import State
from hwgen.io.files import atomic_write
from hwgen.runs import Run
from hwgen.runs.checkpoints import Checkpoint


def fill(state: State, meter: Meter, checkpoint: Checkpoint, run: Run, recipe: Recipe) -> None:
    """Bring networks, optimisers and meter to where the checkpoint was.

    Raises:
        RunError: it does not fit the recipe.
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
    run: Run, state: State, meter: Meter, recipe: Recipe, step: int, seconds: float
) -> None:
    """Replace the run's checkpoint, atomically."""
    tensors = {
        **module_tensors("g", state.g),
        **module_tensors("d", state.d),
        **optimizer_tensors("optimizer_g", state.optimizer_g),
        **optimizer_tensors("optimizer_d", state.optimizer_d),
        **meter.tensors(),
    }
    if recipe.ema:
        tensors.update(module_tensors("ema", state.ema))
    metadata = {
        "step": str(step),
        "seconds": str(seconds),
        "run": run.id,
        "recipe": json.dumps(run.recipe),
        "charset": json.dumps(list(run.charset.labels), ensure_ascii=False),
    }
    save_tensors(run.checkpoint, tensors, metadata)


def is_snapshot(step: int, recipe: Recipe) -> bool:
    """Whether a snapshot is due after so many steps."""
    return step % recipe.steps_between_snapshots == 0 or step == recipe.steps


def keep_for_rollback(run: Run) -> None:
    """Put the checkpoint aside: it is a good snapshot's, the one to replace it is not."""
    with atomic_write(run.last_good) as temporary:
        shutil.copyfile(run.checkpoint, temporary)


def check_same_step(step: int, run: Run, ranks: Ranks) -> None:
    """Refuse ranks that found different checkpoints.

    Raises:
        RunError: they did.
    """
    steps = ranks.gather_all(step)
    if len(set(steps)) > 1:
        raise RunError(
            f"the processes found checkpoints of different steps: {', '.join(map(str, steps))}",
            where=str(run.path),
            remedy="Put --out where all machines see the same files",
        )


def save_weights(run: Run, generator: Generator, recipe: Recipe, images: int) -> None:
    """Write a snapshot: what `Sampler.load` needs, self-describing."""
    metadata = {
        "images": str(images),
        "run": run.id,
        "recipe": json.dumps(run.recipe),
        "charset": json.dumps(list(run.charset.labels), ensure_ascii=False),
    }
    save_tensors(run.weights(images), module_tensors("g", generator), metadata)
