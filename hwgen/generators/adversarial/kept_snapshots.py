"""Which snapshots of a long run are kept."""

from __future__ import annotations

from collections.abc import Iterable

from hwgen.generators.adversarial.recipe import AdversarialRecipe
from hwgen.runs import Run
from hwgen.runs.snapshots import best_scores

MOST = 64
"""Evenly spaced snapshots of a run that are kept, at most."""


def spacing(count: int) -> int:
    """Of `count` snapshots every how many are kept: the least power of two that keeps MOST."""
    kept_every = 1
    while count > MOST * kept_every:
        kept_every *= 2
    return kept_every


def prune_snapshots(
    run: Run, recipe: AdversarialRecipe, images: int, *, good: Iterable[int], checkpoint: int
) -> None:
    """Delete snapshots in between, once there are more than MOST; grids and scores stay.

    Kept are evenly spaced ones, the last, the best, the last good one, which the advice after a
    failure names, and that of the checkpoint, which another run may start from.

    Args:
        run: that is trained; later snapshots, which a killed run has left, stay.
        recipe: of the run.
        images: of the snapshot that was just written.
        good: images of the snapshots that had not collapsed.
        checkpoint: images of the run's checkpoint.
    """
    every = recipe.steps_between_snapshots * recipe.batch
    kept_every = spacing(images // every)
    if kept_every == 1:
        return
    scores = {seen: score for seen, score in best_scores(run).items() if seen <= images}
    best = max(scores, key=lambda seen: scores[seen], default=images)
    kept = {images, checkpoint, best, max(good, default=images)}
    for file in run.snapshots():
        seen = int(file.stem)
        if seen <= images and seen not in kept and seen % (every * kept_every):
            file.unlink()
