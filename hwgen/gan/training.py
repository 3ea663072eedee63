"""In: a store and a recipe. Out: a run directory with a trained conditional GAN.

One process trains, or several together, which gives what one gives but for the order of sums: the
recipe's batch is the whole batch, everything random is a function of (seed, step), and each process
takes its slice. So a run may be continued by another number of processes than began it. Rank 0
alone writes the run directory, which all of them read.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hwgen.batches import Batches, average_down, to_images, to_tensor
from hwgen.checkpoints import (
    load_module,
    load_optimizer,
    load_tensors,
    module_tensors,
    optimizer_tensors,
    save_tensors,
)
from hwgen.devices import autocast, describe, pick_device, pick_precision
from hwgen.distributed import ALONE, Ranks
from hwgen.errors import DivergedError, InputError, RunError
from hwgen.gan.graphs import GraphedStep
from hwgen.gan.sampling import Sampler, save_weights
from hwgen.gan.steps import State, make_state, train_step
from hwgen.grids import classes_to_show, save_sheet, sheet_of_store
from hwgen.presets import Recipe, completed, recipe_to_json
from hwgen.record import Image
from hwgen.runs import Run, begin_or_continue
from hwgen.store import Store

LOG_STEPS = 50
AGREE_STEPS = 10
"""Steps between two questions of several processes whether one of them was asked to stop."""
GRID_ROWS, GRID_COLUMNS = 10, 12
SCORE_PER_CLASS = 20

Score = Callable[[Image, npt.NDArray[np.int64]], Mapping[str, float]]
"""Judges samples: uint8 [N, S, S(, 3)] and class ids int64 [N] to named numbers."""


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
        score: judges some samples at every snapshot; "purity" times "diversity" (at most 1)
            decides which snapshot is best.
        progress: called every LOG_STEPS steps, by rank 0.
        stop: asked after every step, of several ranks every AGREE_STEPS; True, of any, saves a
            checkpoint and returns.
        ranks: the processes that make this same call, see hwgen.distributed.join.
        cuda_graphs: replay the step as CUDA graphs, see hwgen.gan.graphs; one process on one GPU.

    Raises:
        RecipeChangedError: `out` holds a run that began otherwise.
        RunError: `out` holds something else, or its checkpoint is damaged or another run's.
        DivergedError: a loss is no longer finite; the last good checkpoint is named.
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
                    complete=completed,
                )
                held.enter_context(began.locked())
        with ranks.agreed():
            run = Run(out)
        _train(run, store, recipe, where, dtype, score, progress, stop, ranks, cuda_graphs)
    return run


def _train(
    run: Run,
    store: Store,
    recipe: Recipe,
    device: torch.device,
    dtype: torch.dtype,
    score: Score | None,
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
        share=ranks.share,
    )
    state = make_state(recipe, len(store.charset), seed, device, ranks)
    meter = _Meter(ranks)
    with ranks.agreed():
        step, seconds = _load(run, state, meter, recipe)
    _check_same_step(step, run, ranks)
    with ranks.agreed():
        if ranks.first:
            run.rewind_log(step * recipe.batch)
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
    started = time.monotonic() - seconds

    while step < recipe.steps:
        # One step; all that is random is a function of (seed, step).
        x, y = batches.batch(step)
        generator.manual_seed(_step_seed(seed, step))
        measured = take_step(x, y if recipe.conditional else None, step=step)
        step += 1
        meter.add(measured)
        images = step * recipe.batch

        # Log.
        if step % LOG_STEPS == 0 or step == recipe.steps:
            means = meter.take(recipe.batch)
            _check_finite(means, run)
            with ranks.agreed():
                if ranks.first:
                    took = round(time.monotonic() - started, 3)
                    run.log({"images": images, "seconds": took, **means})
                    if progress:
                        progress(Progress(images, recipe.steps * recipe.batch, means))

        # Snapshot, checkpoint.
        due = step % recipe.steps_between_snapshots == 0 or step == recipe.steps
        stopped = step % steps_between_questions == 0 and ranks.any(stop is not None and stop())
        if due or stopped:
            # What is kept to go on from must itself be good, between two lines of the log too.
            _check_finite({**meter.means(), **_sizes(state)}, run)
            with ranks.agreed():
                if ranks.first and due:
                    _snapshot(run, state, recipe, store, images, seed, device, dtype, score)
                if ranks.first:
                    _save(run, state, meter, recipe, step, time.monotonic() - started)
        if stopped:
            break


class _Meter:
    """Means of what the steps measured; stays on the device until it is taken.

    Of several ranks each adds what its slice gave; `means` and `take` are collective.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._clear()

    def _clear(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._timed = 0
        self._since = time.monotonic()

    def add(self, measured: Mapping[str, Tensor]) -> None:
        for name, value in measured.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1
        self._timed += 1

    def means(self) -> dict[str, float]:
        if not self._sums:
            return {}
        over_ranks = self._ranks.mean(torch.stack(list(self._sums.values())))
        self._sums = dict(zip(self._sums, over_ranks, strict=True))
        totals = zip(self._sums, over_ranks.tolist(), strict=True)
        return {name: total / self._counts[name] for name, total in totals}

    def take(self, batch: int) -> dict[str, float]:
        means = self.means()
        means["images_per_second"] = self._timed * batch / max(time.monotonic() - self._since, 1e-9)
        self._clear()
        return {name: float(f"{value:.5g}") for name, value in means.items()}

    def tensors(self) -> dict[str, Tensor]:
        """What was summed up at the last `means`, so that a resumed run logs means of all steps."""
        counts = {f"meter.count.{name}": torch.tensor(n) for name, n in self._counts.items()}
        return {**counts, **{f"meter.sum.{name}": total for name, total in self._sums.items()}}

    def load(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        for full_name, tensor in tensors.items():
            kind, _, name = full_name.removeprefix("meter.").partition(".")
            if full_name.startswith("meter.") and kind == "sum":
                self._sums[name] = tensor.to(device)
            elif full_name.startswith("meter."):
                self._counts[name] = int(tensor)


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0] >> 1)


def _sizes(state: State) -> dict[str, float]:
    """Norm of all weights and statistics of each network."""
    networks = {"G's size": state.g, "D's size": state.d, "the average's size": state.ema}
    return {
        name: float(
            torch.nn.utils.get_total_norm(
                [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]
            )
        )
        for name, network in networks.items()
    }


def _check_finite(means: Mapping[str, float], run: Run) -> None:
    wrong = [name for name, value in means.items() if not math.isfinite(value)]
    if wrong:
        last = run.snapshots()
        kept = f"The last good snapshot is {last[-1].name}" if last else "No snapshot was made yet"
        raise DivergedError(
            f"{', '.join(wrong)} is no longer finite",
            where=str(run.path),
            remedy=f"{kept}. Try a lower learning rate or --precision fp32, in another --out",
        )


def _snapshot(
    run: Run,
    state: State,
    recipe: Recipe,
    store: Store,
    images: int,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    score: Score | None,
) -> None:
    save_weights(run, state.ema, recipe, images)
    sampler = Sampler(state.ema, recipe, run.charset, device)
    shown = _pairs(classes_to_show(store, GRID_ROWS), GRID_COLUMNS)
    if not recipe.conditional:
        shown = _pairs([0], GRID_ROWS * GRID_COLUMNS)
    with autocast(device, dtype):
        drawn = sampler.draw(*shown, seed=seed)
    save_sheet(run.grids / f"{images:09d}.png", drawn, GRID_COLUMNS)
    if score is None or not recipe.conditional:
        return
    class_ids, indices = _pairs(range(len(run.charset)), SCORE_PER_CLASS)
    with autocast(device, dtype):
        samples = sampler.draw(class_ids, indices, seed=seed)
    values = score(samples, class_ids)
    run.log({"images": images, **{name: round(float(v), 5) for name, v in values.items()}})


def _pairs(
    class_ids: Sequence[int] | npt.NDArray[np.int64], per_class: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Class ids and indices of the first `per_class` samples of each class."""
    return np.repeat(class_ids, per_class), np.tile(np.arange(per_class), len(class_ids))


def _save_real_grid(run: Run, store: Store, recipe: Recipe) -> None:
    images = to_tensor(
        sheet_of_store(store, rows=GRID_ROWS, columns=GRID_COLUMNS), torch.device("cpu")
    )
    smaller = average_down(images, recipe.size)
    save_sheet(run.grids / "real.png", to_images(smaller), GRID_COLUMNS)


def _save(run: Run, state: State, meter: _Meter, recipe: Recipe, step: int, seconds: float) -> None:
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


def _load(run: Run, state: State, meter: _Meter, recipe: Recipe) -> tuple[int, float]:
    """Fill the state from the run's checkpoint, if there is one: (steps done, seconds spent)."""
    if not run.checkpoint.exists():
        return 0, 0.0
    tensors, metadata = load_tensors(run.checkpoint)
    if metadata.get("run") != run.id:
        raise RunError(
            f"belongs to run {metadata.get('run')!r}, not to {run.id!r}",
            where=str(run.checkpoint),
            remedy="Remove it to begin anew",
        )
    load_module("g", state.g, tensors, run.checkpoint)
    load_module("d", state.d, tensors, run.checkpoint)
    if recipe.ema:
        load_module("ema", state.ema, tensors, run.checkpoint)
    load_optimizer("optimizer_g", state.optimizer_g, tensors)
    load_optimizer("optimizer_d", state.optimizer_d, tensors)
    meter.load(tensors, next(state.g.parameters()).device)
    return int(metadata["step"]), float(metadata["seconds"])


def _check_same_step(step: int, run: Run, ranks: Ranks) -> None:
    steps = ranks.gather_all(step)
    if len(set(steps)) > 1:
        raise RunError(
            f"the processes found checkpoints of different steps: {', '.join(map(str, steps))}",
            where=str(run.path),
            remedy="Put --out where all machines see the same files",
        )
