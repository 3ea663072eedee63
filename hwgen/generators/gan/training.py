"""In: a store and a recipe. Out: a run directory with a trained conditional GAN.

One process trains, or several together, which gives what one gives but for the order of sums: the
recipe's batch is the whole batch, everything random is a function of (seed, step), and each process
takes its slice. So a run may be continued by another number of processes than began it. Rank 0
alone writes the run directory, which all of them read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from hwgen.compute.devices import describe, pick_device, pick_precision
from hwgen.compute.distributed import ALONE, Ranks
from hwgen.data import Batches, average_down, to_images, to_tensor
from hwgen.errors import CollapsedError, DivergedError, InputError
from hwgen.generators.gan.checkpoint import (
    check_same_step,
    fill,
    is_snapshot,
    keep_for_rollback,
    save_checkpoint,
    save_weights,
)
from hwgen.generators.gan.collapse import (
    GRID_COLUMNS,
    GRID_ROWS,
    Examination,
    Examiner,
    Score,
    collapse,
    diverged,
    good_snapshots,
    real_deviation,
    size,
)
from hwgen.generators.gan.cuda_graphs import GraphedStep
from hwgen.generators.gan.meter import Meter
from hwgen.generators.gan.presets import Recipe, completed, recipe_to_json
from hwgen.generators.gan.rollback import advice, go_back
from hwgen.generators.gan.steps import State, make_state, train_step
from hwgen.imaging.contact_sheets import save_sheet
from hwgen.runs import Run, begin_or_continue
from hwgen.runs.checkpoints import read_checkpoint
from hwgen.store import Store
from hwgen.store.contact_sheets import sheet_of_store
from hwgen.store.origin import summary

LOG_STEPS = 50
AGREE_STEPS = 10
"""Steps between two questions of several processes whether one of them was asked to stop."""
MOST_ROLLBACKS = 3
"""Then a run that collapses again stops."""

OnCollapse = Literal["stop", "rollback", "ignore"]


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Attributes:
        images: real pictures shown so far.
        total: to be shown in all.
        measured: means since the last report: loss_d, loss_g, d_real, d_fake, images_per_second.
    """

    images: int
    total: int
    measured: Mapping[str, float]


def train(
    store: Store,
    out: Path,
    recipe: Recipe,
    *,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    score: Score | None = None,
    on_collapse: OnCollapse = "stop",
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    ranks: Ranks = ALONE,
    cuda_graphs: bool = False,
) -> Run:
    """Train a recipe on a store, or go on with what the same call began.

    Args:
        store: labelled pictures of at least the recipe's size.
        out: run directory.
        recipe: see Recipe.
        seed: of weights, order, noise and shifts.
        device: "auto", "cpu", "cuda", ...
        precision: "auto", "bf16" or "fp32".
        score: judges some samples at every snapshot, which decides which one is best; see
            hwgen.runs.snapshots.task_score.
        on_collapse: what to do when the samples have become alike or illegible (see
            hwgen.generators.gan.collapse) or a number has diverged. "stop" raises. "rollback" goes
            back to the last good snapshot, or to the beginning, and on from there with other noise
            and half the learning rates, at most MOST_ROLLBACKS times in a run. "ignore" logs a
            collapse and goes on; numbers must still be finite and within bounds.
        progress: called every LOG_STEPS steps, by rank 0.
        stop: asked after every step, of several ranks every AGREE_STEPS; True, of any, saves a
            checkpoint and returns.
        ranks: the processes that make this same call, see hwgen.compute.distributed.join.
        cuda_graphs: replay the step as CUDA graphs, see hwgen.generators.gan.cuda_graphs; one
        process on one GPU.

    Raises:
        RecipeChangedError: `out` holds a run that began otherwise.
        RunError: `out` holds something else, or its checkpoint is damaged or another run's.
        DivergedError: a loss or a network is no longer finite, or beyond measure; the last good
            snapshot is named, if there is one.
        CollapsedError: the samples are alike or illegible; likewise.
        InputError: the store does not fit the recipe, or the batch the number of processes; or
            CUDA graphs are asked for where there can be none.
    """
    where = pick_device(device)
    dtype = pick_precision(precision, where)
    if store.channels != recipe.channels:
        raise InputError(
            f"the store has {store.channels} channels, {recipe.preset} wants {recipe.channels}",
            where=str(store.path),
        )
    if store.size < recipe.size or not len(store):
        raise InputError(
            f"the store has {len(store)} pictures of {store.size} pixels, {recipe.preset} wants "
            f"at least one, of {recipe.size} or more",
            where=str(store.path),
            remedy=f"Prepare the store with --size {recipe.size} or more",
        )
    empty = store.manifest.class_counts.count(0)
    if recipe.conditional and empty:
        raise InputError(
            f"{empty} of the {len(store.charset)} classes have no record, so that nothing can be "
            "learnt of them",
            where=str(store.path),
            remedy="Prepare the store with --drop-empty",
        )
    if cuda_graphs and (where.type != "cuda" or ranks.size > 1):
        raise InputError(
            f"CUDA graphs are for one process on a GPU, this is {ranks.size} on {where.type}",
            remedy="Leave --cuda-graphs out",
        )
    if recipe.batch % ranks.size:
        fitting = max(n for n in range(1, ranks.size) if recipe.batch % n == 0)
        raise InputError(
            f"{ranks.size} processes cannot share a batch of {recipe.batch} evenly",
            remedy=f"Start {fitting} of them, or choose another --batch for a new run",
        )
    with ExitStack() as held:
        with ranks.agreed():
            if ranks.first:
                began = begin_or_continue(
                    out,
                    kind="gan",
                    recipe=recipe_to_json(recipe),
                    seed=seed,
                    charset=store.charset,
                    data={"content_sha256": store.manifest.content_sha256, "count": len(store)},
                    origin=summary(store.manifest.origin),
                    complete=completed,
                )
                held.enter_context(began.locked())
        with ranks.agreed():
            run = Run(out)
        while True:
            try:
                _train(
                    run,
                    store,
                    recipe,
                    where,
                    dtype,
                    score,
                    on_collapse,
                    progress,
                    stop,
                    ranks,
                    cuda_graphs,
                )
                return run
            except (CollapsedError, DivergedError) as error:
                with ranks.agreed():
                    if ranks.first:
                        _roll_back(run, store, recipe, error, on_collapse)


def _train(
    run: Run,
    store: Store,
    recipe: Recipe,
    device: torch.device,
    dtype: torch.dtype,
    score: Score | None,
    on_collapse: OnCollapse,
    progress: Callable[[Progress], None] | None,
    stop: Callable[[], bool] | None,
    ranks: Ranks,
    cuda_graphs: bool,
) -> None:
    """The loop: from the run's last checkpoint to the recipe's end, or until asked to stop."""
    seed = run.seed
    batches = Batches(
        store,
        size=recipe.size,
        pixels=recipe.pixels,
        batch=recipe.batch,
        seed=seed,
        device=device,
        balanced=recipe.balanced,
        local_slice=ranks.local_slice,
    )
    with ranks.agreed():
        checkpoint = read_checkpoint(run.checkpoint, run.id)
    step = saved = checkpoint.step
    check_same_step(step, run, ranks)
    with ranks.agreed():
        if ranks.first:
            run.rewind_log(step * recipe.batch)
    rollbacks = ranks.gather_all(count_rollbacks(run))[0]
    recipe = _slowed(recipe, rollbacks)
    state = make_state(recipe, len(store.charset), seed, device, ranks)
    meter = Meter(ranks)
    with ranks.agreed():
        fill(state, meter, checkpoint, run, recipe)
    examiner = Examiner(store, recipe, run, device, dtype)
    with ranks.agreed():
        if ranks.first:
            hardware = {**describe(device, dtype), "processes": ranks.size}
            run.log({"images": step * recipe.batch, "began": hardware})
            if step == 0:
                _save_real_grid(run, store, recipe)
    steps_between_questions = 1 if ranks.size == 1 else AGREE_STEPS
    generator = torch.Generator(device)
    take_step: Callable[..., dict[str, Tensor]] = partial(
        train_step, state, recipe, generator=generator, precision=dtype
    )
    if cuda_graphs:
        take_step = GraphedStep(state, recipe, generator, dtype)
    started = time.monotonic() - checkpoint.seconds

    while step < recipe.steps:
        # One step; all that is random is a function of (seed, step).
        x, y = batches.batch(step)
        generator.manual_seed(_step_seed(seed, step, rollbacks))
        measured = take_step(x, y if recipe.conditional else None, step=step)
        step += 1
        meter.add(measured)
        images = step * recipe.batch

        # Log.
        if step % LOG_STEPS == 0 or step == recipe.steps:
            _check_measure(meter.means(), run)
            means = meter.take(recipe.batch)
            with ranks.agreed():
                if ranks.first:
                    took = round(time.monotonic() - started, 3)
                    run.log({"images": images, "seconds": took, **means})
                    if progress:
                        progress(Progress(images, recipe.steps * recipe.batch, means))

        # Snapshot, checkpoint.
        due = is_snapshot(step, recipe)
        stopped = step % steps_between_questions == 0 and ranks.any(stop is not None and stop())
        if due or stopped:
            # What is kept to go on from must itself be good, between two lines of the log too.
            _check_measure({**meter.means(), **_sizes(state)}, run)
            with ranks.agreed():
                if ranks.first:
                    seen = examiner.examine(state.ema, score if due else None)
                    done = step / recipe.steps
                    _check_collapse(run, seen, examiner.real, done, images, on_collapse)
                    if due:
                        _keep_snapshot(run, state, recipe, seen, images)
                    good = good_snapshots(run.read_log(), real=examiner.real)
                    if images not in good and saved * recipe.batch in good:
                        keep_for_rollback(run)
                    took = time.monotonic() - started
                    save_checkpoint(run, state, meter, recipe, step, took)
                    saved = step
                    if images in good:
                        run.last_good.unlink(missing_ok=True)
        if stopped:
            break


def _step_seed(seed: int, step: int, rollbacks: int) -> int:
    """Of the noise of one step; after a rollback it is another one."""
    sequence = np.random.SeedSequence((seed, step), spawn_key=(rollbacks,) if rollbacks else ())
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)


def _slowed(recipe: Recipe, rollbacks: int) -> Recipe:
    """The recipe with learning rates halved for every rollback."""
    share, rates = 0.5**rollbacks, recipe.optimizer
    slower = replace(rates, lr_g=rates.lr_g * share, lr_d=rates.lr_d * share)
    return replace(recipe, optimizer=slower)


def count_rollbacks(run: Run) -> int:
    """How often a run went back to its checkpoint; its log tells."""
    return sum("rollback" in entry for entry in run.read_log())


def _roll_back(
    run: Run,
    store: Store,
    recipe: Recipe,
    error: CollapsedError | DivergedError,
    on_collapse: OnCollapse,
) -> None:
    """Log a rollback to the last good snapshot, where `_train` then goes on; or raise the error."""
    real, before = real_deviation(store, recipe), count_rollbacks(run)
    if on_collapse != "rollback" or before == MOST_ROLLBACKS:
        tried = on_collapse == "rollback"
        raise type(error)(
            f"{error.what}, after {before} rollbacks" if tried else error.what,
            where=error.where,
            remedy=advice(run, recipe, real, error, may_go_back=not tried),
        )
    images = go_back(run, recipe, real) * recipe.batch
    # What was logged since is dropped now, so that this line stands behind what it follows.
    run.rewind_log(images)
    run.log({"images": images, "rollback": before + 1, "why": error.what})


def _sizes(state: State) -> dict[str, float]:
    networks = {"G's size": state.g, "D's size": state.d, "the average's size": state.ema}
    return {name: size(network.state_dict().values()) for name, network in networks.items()}


def _check_measure(numbers: Mapping[str, float], run: Run) -> None:
    wrong = diverged(numbers)
    if wrong:
        raise DivergedError(wrong, where=str(run.path))


def _check_collapse(
    run: Run,
    seen: Examination,
    real: float | None,
    done: float,
    images: int,
    on_collapse: OnCollapse,
) -> None:
    """Raise for what has collapsed, before it takes the place of what is good."""
    wrong = collapse(seen.found, run.read_log(), real=real, done=done)
    if wrong and on_collapse == "ignore":
        run.log({"images": images, "collapse": wrong})
    elif wrong:
        save_sheet(run.grids / "collapsed.png", seen.grid, GRID_COLUMNS)
        raise CollapsedError(
            f"after {images:,} images {wrong} (grids/collapsed.png)", where=str(run.path)
        )


def _keep_snapshot(run: Run, state: State, recipe: Recipe, seen: Examination, images: int) -> None:
    save_weights(run, state.ema, recipe, images)
    save_sheet(run.grids / f"{images:09d}.png", seen.grid, GRID_COLUMNS)
    run.log({"images": images, **seen.found})


def _save_real_grid(run: Run, store: Store, recipe: Recipe) -> None:
    images = to_tensor(
        sheet_of_store(store, rows=GRID_ROWS, columns=GRID_COLUMNS), torch.device("cpu")
    )
    smaller = average_down(images, recipe.size)
    save_sheet(run.grids / "real.png", to_images(smaller), GRID_COLUMNS)
