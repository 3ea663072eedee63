"""Training of a generator against a discriminator: a store and a recipe to a run directory.

One process trains, or several together with the same result up to the order of sums: the recipe's
batch is the whole batch, all randomness is a function of (seed, step), and each process takes its
slice. So a run can be resumed by a different number of processes. Rank 0 alone writes the run
directory, which all of them read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hwgen.compute.devices import describe, pick_device, pick_precision
from hwgen.compute.distributed import ALONE, Ranks
from hwgen.data import Batches
from hwgen.generators.adversarial.checkpoint import is_snapshot, restore
from hwgen.generators.adversarial.checks import check_processes, check_stores
from hwgen.generators.adversarial.collapse import check_finite
from hwgen.generators.adversarial.cuda_graphs import GraphedStep
from hwgen.generators.adversarial.d_recogniser import FILE as RECOGNISER
from hwgen.generators.adversarial.d_recogniser import feature_maps
from hwgen.generators.adversarial.d_recogniser import seconds_of as recogniser_seconds
from hwgen.generators.adversarial.discriminator import AnyDiscriminator
from hwgen.generators.adversarial.interface import (
    AdversarialGenerator,
    AdversarialKind,
)
from hwgen.generators.adversarial.meter import Meter
from hwgen.generators.adversarial.pretrained import Pretrained, find_pretrained
from hwgen.generators.adversarial.recipe import AdversarialRecipe, recipe_to_json
from hwgen.generators.adversarial.rollback import count_rollbacks, slowed, with_rollbacks
from hwgen.generators.adversarial.sample_monitor import SampleMonitor, Score, real_deviation
from hwgen.generators.adversarial.snapshot_writer import OnCollapse, SnapshotWriter, begin_run
from hwgen.generators.adversarial.steps import Schedule, make_state, schedule, train_step
from hwgen.generators.training_run import (
    LOG_STEPS,
    RunWriter,
    check_run,
    further_stores,
    open_run,
    read_own_checkpoint,
)
from hwgen.progress import NO_CONTROL, Control
from hwgen.runs import Run
from hwgen.runs.checkpoints import Checkpoint
from hwgen.store import Store

AGREE_STEPS = 10
"""Steps after which several processes ask each other whether one was asked to stop."""


@dataclass(frozen=True)
class Settings:
    """How to train, apart from the recipe and the data.

    Attributes:
        device: where to train.
        dtype: precision of the networks.
        score: see `train`.
        on_collapse: see `train`.
        control: see `train`.
        ranks: see `train`.
        cuda_graphs: see `train`.
        pretrained: weights that a new run starts from.
    """

    device: torch.device
    dtype: torch.dtype
    score: Score | None
    on_collapse: OnCollapse
    control: Control
    ranks: Ranks
    cuda_graphs: bool
    pretrained: Pretrained | None


def train(
    kind: AdversarialKind,
    store: Store,
    out: Path,
    recipe: AdversarialRecipe,
    *,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    score: Score | None = None,
    on_collapse: OnCollapse = "stop",
    control: Control = NO_CONTROL,
    ranks: Ranks = ALONE,
    cuda_graphs: bool = False,
    init_from: Path | None = None,
) -> Run:
    """Train a recipe on a store, or resume the run that the same call began.

    Args:
        kind: of generator.
        store: labelled images of at least the recipe's size.
        out: run directory.
        recipe: of this kind.
        seed: of weights, data order, noise and DiffAugment.
        device: "auto", "cpu", "cuda", ...
        precision: "auto", "bf16" or "fp32".
        score: scores samples at every snapshot, to find the best one; see
            hwgen.runs.snapshots.task_score.
        on_collapse: what to do after mode collapse, or when the samples are no longer legible (see
            hwgen.generators.adversarial.collapse), or after divergence. "stop" raises. "rollback"
            resumes from the last good snapshot, or from the start, with other noise and half the
            learning rates, at most MOST_ROLLBACKS times per run. "ignore" logs a collapse and
            continues; a divergence raises all the same.
        control: progress in real images, every LOG_STEPS steps. `stop` is asked after every step
            (by several processes every AGREE_STEPS); a checkpoint is saved then.
        ranks: the processes that make this same call, see hwgen.compute.distributed.join.
        cuda_graphs: replay the step as CUDA graphs, see
            hwgen.generators.adversarial.cuda_graphs; one process on one GPU.
        init_from: directory of a finished run of the same kind with the same networks, whose
            weights a new run starts from, see hwgen.generators.adversarial.pretrained. The run
            records it.

    Raises:
        RecipeChangedError: `out` holds a run with another recipe, seed, store or `init_from`; one
            of fewer images is continued.
        RunError: `out` holds something else, or its checkpoint is damaged or another run's.
        DivergedError: a loss or a network is not finite or too large; the last good snapshot is
            named, if there is one.
        CollapsedError: the samples of a class are alike, or illegible; likewise.
        InputError: the store does not fit the recipe, the batch cannot be divided among the
            processes, or CUDA graphs cannot be used.
    """
    pretrained = check_training(
        kind,
        store,
        out,
        recipe,
        seed=seed,
        device=device,
        precision=precision,
        ranks=ranks,
        cuda_graphs=cuda_graphs,
        init_from=init_from,
    )
    where = pick_device(device)
    settings = Settings(
        device=where,
        dtype=pick_precision(precision, where),
        score=score,
        on_collapse=on_collapse,
        control=control,
        ranks=ranks,
        cuda_graphs=cuda_graphs,
        pretrained=pretrained,
    )
    with open_run(
        store,
        out,
        kind=kind.name,
        recipe=recipe_to_json(recipe),
        seed=seed,
        complete=kind.completed,
        data=_learnt_from((store, *kind.also), pretrained),
        origin=further_stores((store, *kind.also))[1],
        ranks=ranks,
    ) as run:
        with_rollbacks(
            lambda: train_loop(prepare(kind, run, store, recipe, settings)),
            run=run,
            recipe=recipe,
            preset=kind.presets.get(recipe.preset, recipe),
            real=lambda: real_deviation(store, recipe, kind.grid_classes),
            on_collapse=on_collapse,
            ranks=ranks,
        )
    return run


def check_training(
    kind: AdversarialKind,
    store: Store,
    out: Path,
    recipe: AdversarialRecipe,
    *,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    ranks: Ranks = ALONE,
    cuda_graphs: bool = False,
    init_from: Path | None = None,
) -> Pretrained | None:
    """Refuse what `train` would refuse before its first step, writing nothing; see there.

    Returns:
        The weights at `init_from`.
    """
    where = pick_device(device)
    pick_precision(precision, where)
    check_stores((store, *kind.also), recipe)
    check_processes(recipe, where, ranks, cuda_graphs=cuda_graphs)
    pretrained = None
    if init_from is not None:
        with ranks.agreed():
            pretrained = find_pretrained(
                init_from,
                recipe,
                kind=kind.name,
                completed=kind.completed,
                domain=kind.domain,
            )
    check_run(
        store,
        out,
        kind=kind.name,
        recipe=recipe_to_json(recipe),
        seed=seed,
        complete=kind.completed,
        data=_learnt_from((store, *kind.also), pretrained),
        ranks=ranks,
    )
    return pretrained


def _learnt_from(stores: Sequence[Store], pretrained: Pretrained | None) -> dict[str, Any]:
    return {**further_stores(stores)[0], **(pretrained.data if pretrained else {})}


@dataclass(frozen=True)
class Training:
    """What the loop works with.

    Attributes:
        run: that is trained.
        recipe: with the learning rates after rollbacks.
        rollbacks: of the run so far.
        begun: steps done before.
        batches: of the store.
        take_step: one step of D and one of G.
        generator: of the noise and DiffAugment, seeded for each step.
        meter: means of what the steps measured.
        writer: of the log.
        snapshots: writer of snapshots and checkpoints.
    """

    run: Run
    recipe: AdversarialRecipe
    rollbacks: int
    begun: int
    batches: Batches
    take_step: Callable[[Tensor, Tensor | None, Schedule], Mapping[str, Tensor]]
    generator: torch.Generator
    meter: Meter
    writer: RunWriter
    snapshots: SnapshotWriter


def train_loop(training: Training) -> None:
    """Train from the run's last checkpoint to the recipe's end, or until asked to stop."""
    recipe, run, meter = training.recipe, training.run, training.meter
    for step in range(training.begun, recipe.steps):
        # Batch: all randomness is a function of (seed, step).
        x, y = training.batches.batch(step)
        training.generator.manual_seed(step_seed(run.seed, step, training.rollbacks))

        # Step.
        measured = training.take_step(x, y if recipe.conditional else None, schedule(recipe, step))
        meter.add(measured)

        # Log.
        done = step + 1
        if done % LOG_STEPS == 0 or done == recipe.steps:
            check_finite(meter.means(), run)
            means = meter.take(recipe.batch)
            training.writer.log(done, means, note(means))

        # Snapshot.
        stopping = training.writer.stop_requested(done)
        if is_snapshot(done, recipe) or stopping:
            training.snapshots.save(done, stopping=stopping)

        # Stop.
        if stopping:
            break


def prepare(
    kind: AdversarialKind, run: Run, store: Store, recipe: AdversarialRecipe, settings: Settings
) -> Training:
    """Everything that the loop needs, as the run's last checkpoint has it."""
    ranks, device, dtype = settings.ranks, settings.device, settings.dtype
    stores = (store, *kind.also)
    batches = Batches(
        stores,
        size=recipe.size,
        pixels=recipe.pixels,
        batch=recipe.batch,
        seed=run.seed,
        device=device,
        balanced=recipe.balanced,
        records=[kind.records(one) for one in stores],
        local_slice=ranks.local_slice,
    )
    checkpoint = read_own_checkpoint(run, ranks)
    ranks.on_first(lambda: run.rewind_log(checkpoint.step * recipe.batch))
    rollbacks = ranks.gather_all(count_rollbacks(run))[0]
    recipe = slowed(recipe, rollbacks)
    pretrained = settings.pretrained if checkpoint.step == 0 else None

    maps = feature_maps(
        run,
        stores,
        recipe,
        [kind.records(one) for one in stores],
        images=batches.images,
        begun=checkpoint.step > 0,
        device=device,
        dtype=dtype,
        control=settings.control,
        ranks=ranks,
        copy_of=None if pretrained is None else pretrained.run.path / RECOGNISER,
    )

    # The time of the run has that of D's recogniser, which was trained before the first step.
    begun = checkpoint if checkpoint.step else Checkpoint(seconds=recogniser_seconds(run))
    writer = RunWriter(
        run,
        begun,
        steps=recipe.steps,
        batch=recipe.batch,
        control=settings.control,
        ask_every=1 if ranks.size == 1 else AGREE_STEPS,
        ranks=ranks,
    )

    def build(recipe: Any, classes: int) -> tuple[AdversarialGenerator, AnyDiscriminator]:
        g, d = kind.build(recipe, classes, maps)
        with ranks.agreed():
            if pretrained is not None:
                pretrained.copy_to(g, d, [one.charset for one in stores])
        return g, d

    classes = sum(len(one.charset) for one in stores)
    state = make_state(build, recipe, classes, run.seed, device, ranks)
    meter = Meter(ranks)
    with ranks.agreed():
        restore(state, meter, checkpoint, run, recipe)
    snapshots = SnapshotWriter(
        run,
        recipe,
        state,
        meter=meter,
        monitor=SampleMonitor(
            kind, store, recipe, run, device=device, dtype=dtype, score=settings.score
        ),
        writer=writer,
        on_collapse=settings.on_collapse,
        saved=checkpoint.step,
    )
    writer.begin(checkpoint.step, {**describe(device, dtype), "processes": ranks.size})
    if checkpoint.step == 0:
        ranks.on_first(lambda: begin_run(kind, run, store, recipe))
    generator = torch.Generator(device)

    def plain_step(x: Tensor, y: Tensor | None, at: Schedule) -> Mapping[str, Tensor]:
        return train_step(state, recipe, x, y, at, generator=generator, precision=dtype)

    graphed = GraphedStep(state, recipe, generator, dtype) if settings.cuda_graphs else None
    return Training(
        run=run,
        recipe=recipe,
        rollbacks=rollbacks,
        begun=checkpoint.step,
        batches=batches,
        take_step=graphed or plain_step,
        generator=generator,
        meter=meter,
        writer=writer,
        snapshots=snapshots,
    )


def step_seed(seed: int, step: int, rollbacks: int) -> int:
    """Seed of one step's noise; after a rollback the same step gets other noise."""
    sequence = np.random.SeedSequence((seed, step), spawn_key=(rollbacks,) if rollbacks else ())
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)


def note(means: Mapping[str, float]) -> str:
    """Losses and outputs of D in a few words, for a progress bar."""
    return (
        f"D {means['loss_d']:.3f}  G {means['loss_g']:.3f}  "
        f"D(real) {means['d_real']:+.2f}  D(fake) {means['d_fake']:+.2f}"
    )
