"""In: what a run has kept, and an error. Out: what of it is good, where to go back to, what to do.

What was kept is judged anew: that a snapshot was written, or that the run was young then, does not
make it good.
"""

from __future__ import annotations

from pathlib import Path

from hwgen.compute.tensor_files import load_tensors
from hwgen.errors import CollapsedError, DivergedError, RunError
from hwgen.generators.gan.collapse import diverged, good_snapshots, size
from hwgen.generators.gan.presets import PRESETS, Recipe
from hwgen.runs import Run
from hwgen.runs.checkpoints import read_checkpoint


def last_good_snapshot(run: Run, real: float | None) -> Path | None:
    """The newest snapshot with which nothing is wrong; None where there is none.

    Args:
        run: what was logged of its snapshots is judged, and the weights themselves.
        real: deviation of real records, grey levels, where it is known.
    """
    good = set(good_snapshots(run.read_log(), real=real))
    files = (file for file in reversed(run.snapshots()) if int(file.stem) in good)
    return next((file for file in files if _is_bounded(file)), None)


def place_to_go_back_to(run: Run, recipe: Recipe, real: float | None) -> Path | None:
    """The newest checkpoint that is of a good snapshot; None where there is none.

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


def go_back(run: Run, recipe: Recipe, real: float | None) -> int:
    """Make the newest good snapshot's checkpoint the run's, or none where there is none.

    Later snapshots go: they are not good, and are not taken for this run's last ones meanwhile.

    Returns:
        The step that the checkpoint is of.

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
    recipe: Recipe,
    real: float | None,
    error: CollapsedError | DivergedError,
    *,
    may_go_back: bool,
) -> str:
    """What is good of a run that failed, and what can be done.

    Args:
        run: see last_good_snapshot.
        recipe: as the run began.
        real: see last_good_snapshot.
        error: which ended it.
        may_go_back: whether to advise a rollback.

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
        kept = "No snapshot was made yet"
    anew = f"begin anew in another --out with lower learning rates, such as {_lower_rates(recipe)}"
    others = ", or --precision fp32" if isinstance(error, DivergedError) else ""
    if isinstance(error, CollapsedError):
        others = ", or a stronger r1_gamma"
        if may_go_back:
            others += "; or give --on-collapse ignore if the samples look well"
    if place is None or not may_go_back:
        return f"{kept}. {anew[0].upper()}{anew[1:]}{others}"
    if last is not None and read_checkpoint(place, run.id).step * recipe.batch == int(last.stem):
        kept += ", and its checkpoint is as good"
    return (
        f"{kept}. Give --on-collapse rollback to go on from there with other noise and half the "
        f"learning rates; or {anew}{others}"
    )


def _lower_rates(recipe: Recipe) -> str:
    """A tenth of the rates, or the preset's own where those are lower still."""
    own, rates = PRESETS.get(recipe.preset, recipe).optimizer, recipe.optimizer
    lr_g, lr_d = min(rates.lr_g / 10, own.lr_g), min(rates.lr_d / 10, own.lr_d)
    return f"--set optimizer.lr_g={lr_g:.3g} --set optimizer.lr_d={lr_d:.3g}"


def _is_bounded(file: Path) -> bool:
    """Whether the networks in a file of weights, which may be damaged, have not diverged."""
    try:
        tensors, _ = load_tensors(file)
    except RunError:
        return False
    networks = [t for name, t in tensors.items() if name.split(".")[0] in ("g", "d", "ema")]
    return not diverged({"size": size(networks)})
