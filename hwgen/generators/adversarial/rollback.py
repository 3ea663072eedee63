"""Rollback of a run to its last good snapshot, and advice after a failure.

Snapshots are judged again when a run fails: that one was written, early in the run, does not mean
that it is good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hwgen.compute.distributed import Ranks
from hwgen.compute.tensor_files import load_tensors
from hwgen.errors import CollapsedError, DivergedError, RunError
from hwgen.generators.adversarial.collapse import diverged, good_snapshots, norm
from hwgen.generators.adversarial.recipe import AdversarialRecipe
from hwgen.generators.adversarial.snapshot_writer import OnCollapse
from hwgen.runs import Run
from hwgen.runs.checkpoints import read_checkpoint

MOST_ROLLBACKS = 3
"""Rollbacks of a run; at the next collapse it stops."""


def with_rollbacks(
    train_on: Callable[[], None],
    *,
    run: Run,
    recipe: AdversarialRecipe,
    preset: AdversarialRecipe,
    real: Callable[[], float | None],
    on_collapse: OnCollapse,
    ranks: Ranks,
) -> None:
    """Train until it returns; after a collapse or a divergence roll back and go on, or raise.

    Args:
        train_on: trains from the run's checkpoint.
        run: that is trained.
        recipe: as the run began.
        preset: see `advice`.
        real: deviation of real records, grey levels, where it is known.
        on_collapse: anything but "rollback" raises at once.
        ranks: the processes that train together.

    Raises:
        CollapsedError, DivergedError: what happened, and what to do.
    """
    while True:
        try:
            return train_on()
        except (CollapsedError, DivergedError) as failure:
            error = failure
        with ranks.agreed():
            if ranks.first:
                _roll_back(run, recipe, preset, real(), error, on_collapse)


def _roll_back(
    run: Run,
    recipe: AdversarialRecipe,
    preset: AdversarialRecipe,
    real: float | None,
    error: CollapsedError | DivergedError,
    on_collapse: OnCollapse,
) -> None:
    """Log a rollback to the last good snapshot, from which training resumes; or raise the error."""
    before = count_rollbacks(run)
    if on_collapse != "rollback" or before == MOST_ROLLBACKS:
        tried = on_collapse == "rollback"
        raise type(error)(
            f"{error.what}, after {before} rollbacks" if tried else error.what,
            where=error.where,
            remedy=advice(run, recipe, preset, real, error, may_go_back=not tried),
        )
    images = go_back(run, recipe, real) * recipe.batch
    # Later lines go now, so that this one stands directly after the snapshot's.
    run.rewind_log(images)
    run.log({"images": images, "rollback": before + 1, "why": error.what})


def count_rollbacks(run: Run) -> int:
    """Rollbacks of the run so far, from its log."""
    return sum("rollback" in entry for entry in run.read_log())


def slowed(recipe: AdversarialRecipe, rollbacks: int) -> AdversarialRecipe:
    """The recipe with the learning rates halved for every rollback."""
    factor, rates = 0.5**rollbacks, recipe.optimizer
    slower = replace(rates, lr_g=rates.lr_g * factor, lr_d=rates.lr_d * factor)
    return replace(recipe, optimizer=slower)


def last_good_snapshot(run: Run, real: float | None) -> Path | None:
    """The newest snapshot that has neither collapsed nor diverged; None if there is none.

    Args:
        run: the log of its snapshots is judged, and the weights.
        real: deviation of real records, grey levels, where it is known.
    """
    good = set(good_snapshots(run.read_log(), real=real))
    files = (file for file in reversed(run.snapshots()) if int(file.stem) in good)
    return next((file for file in files if _is_bounded(file)), None)


def place_to_go_back_to(run: Run, recipe: AdversarialRecipe, real: float | None) -> Path | None:
    """The newest checkpoint that belongs to a good snapshot; None if there is none.

    Args:
        run: see last_good_snapshot.
        recipe: of the run.
        real: see last_good_snapshot.

    Raises:
        RunError: a checkpoint is another run's.
    """
    good = set(good_snapshots(run.read_log(), real=real))
    for place in (run.checkpoint, run.last_good):
        if _is_bounded(place) and read_checkpoint(place, run.id).step * recipe.batch in good:
            return place
    return None


def go_back(run: Run, recipe: AdversarialRecipe, real: float | None) -> int:
    """Make the newest good snapshot's checkpoint the run's, or remove it if there is none.

    Later snapshots are deleted: they must not count as the run's last ones.

    Returns:
        The step of the checkpoint.

    Raises:
        RunError: a checkpoint is another run's.
    """
    place = place_to_go_back_to(run, recipe, real)
    if place is None:
        run.checkpoint.unlink(missing_ok=True)
        run.last_good.unlink(missing_ok=True)
    elif place != run.checkpoint:
        place.replace(run.checkpoint)
    step = read_checkpoint(run.checkpoint, run.id).step
    for file in (*run.snapshots(), *run.grid_files()):
        if int(file.stem) > step * recipe.batch:
            file.unlink()
    return step


def advice(
    run: Run,
    recipe: AdversarialRecipe,
    preset: AdversarialRecipe,
    real: float | None,
    error: CollapsedError | DivergedError,
    *,
    may_go_back: bool,
) -> str:
    """Which snapshots of a failed run are good, and what the user can do.

    Args:
        run: see last_good_snapshot.
        recipe: as the run began.
        preset: that the recipe was made from; the recipe itself if there is none.
        real: see last_good_snapshot.
        error: what ended it.
        may_go_back: whether to suggest a rollback.

    Raises:
        RunError: a checkpoint is another run's.
    """
    snapshots, last = run.snapshots(), last_good_snapshot(run, real)
    place = place_to_go_back_to(run, recipe, real)
    if last is not None:
        kept = f"The last good snapshot is {last.name}"
    elif snapshots:
        kept = f"None of the {len(snapshots)} snapshots is good"
    else:
        kept = "There is no snapshot yet"
    rates = _lower_rates(recipe, preset)
    anew = f"start a new run in another --out with lower learning rates: {rates}"
    others = ", or with --precision fp32" if isinstance(error, DivergedError) else ""
    if isinstance(error, CollapsedError):
        others = ", or with a larger r1_gamma"
        if may_go_back:
            others += "; or give --on-collapse ignore if the samples look good"
    if place is None or not may_go_back:
        return f"{kept}. {anew[0].upper()}{anew[1:]}{others}"
    images, where = read_checkpoint(place, run.id).step * recipe.batch, "there"
    if last is not None and images == int(last.stem):
        kept += ", and its checkpoint is still there"
    else:
        where = f"the checkpoint after {images:,} images"
    return (
        f"{kept}. Give --on-collapse rollback to resume from {where} with other noise and half the "
        f"learning rates; or {anew}{others}"
    )


def _lower_rates(recipe: AdversarialRecipe, preset: AdversarialRecipe) -> str:
    """A tenth of the rates, or the preset's own where those are lower still."""
    own, rates = preset.optimizer, recipe.optimizer
    lr_g, lr_d = min(rates.lr_g / 10, own.lr_g), min(rates.lr_d / 10, own.lr_d)
    return f"--set optimizer.lr_g={lr_g:.3g} --set optimizer.lr_d={lr_d:.3g}"


def _is_bounded(file: Path) -> bool:
    """Whether the networks in a file of weights, which may be damaged, have not diverged."""
    try:
        tensors, _ = load_tensors(file)
    except RunError:
        return False
    networks = [t for name, t in tensors.items() if name.split(".")[0] in ("g", "d", "ema")]
    return not diverged({"norm": norm(networks)})
