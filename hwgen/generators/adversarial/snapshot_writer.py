"""Writes snapshots and checkpoints, after checking the generator for collapse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from hwgen.errors import CollapsedError
from hwgen.generators.adversarial.checkpoint import (
    is_snapshot,
    keep_for_rollback,
    save_checkpoint,
    save_weights,
)
from hwgen.generators.adversarial.collapse import check_finite, collapse, good_snapshots, norm
from hwgen.generators.adversarial.interface import GRID_COLUMNS, AdversarialKind, grid_labels
from hwgen.generators.adversarial.kept_snapshots import prune_snapshots
from hwgen.generators.adversarial.meter import Meter
from hwgen.generators.adversarial.recipe import AdversarialRecipe
from hwgen.generators.adversarial.sample_monitor import Observation, SampleMonitor
from hwgen.generators.adversarial.steps import State
from hwgen.generators.training_run import RunWriter
from hwgen.imaging.contact_sheets import save_sheet
from hwgen.runs import Run, checkpoints
from hwgen.store import Store

OnCollapse = Literal["stop", "rollback", "ignore"]


class SnapshotWriter:
    """Writes snapshots and checkpoints of one training; only rank 0 writes.

    Args:
        run: to write to.
        recipe: of the training.
        state: networks and optimisers.
        meter: measurements, which a checkpoint keeps.
        monitor: samples from the generator and measures the samples.
        writer: tells the time spent training.
        on_collapse: whether a collapse raises ("stop", "rollback") or is only logged ("ignore").
        saved: step of the newest checkpoint.
    """

    def __init__(
        self,
        run: Run,
        recipe: AdversarialRecipe,
        state: State,
        *,
        meter: Meter,
        monitor: SampleMonitor,
        writer: RunWriter,
        on_collapse: OnCollapse,
        saved: int,
    ) -> None:
        self._run, self._recipe, self._state, self._meter = run, recipe, state, meter
        self._monitor, self._writer, self._on_collapse = monitor, writer, on_collapse
        self._saved = saved
        self._saved_at: float | None = None

    def save(self, step: int, *, stopping: bool = False) -> None:
        """Write a snapshot with its grid if one is due, and a checkpoint; all ranks must call it.

        A snapshot gets no checkpoint within CHECKPOINT_SECONDS of the last one. It always gets one
        if it is the first of this process or the last before a stop or the end, or if the run may
        roll back, because the time must not decide where to.

        Raises:
            DivergedError: a measurement or a network has diverged; nothing is written.
            CollapsedError: the generator has collapsed; only grids/collapsed.png is written.
        """
        # A checkpoint must be good, also between two lines of the log.
        check_finite({**self._meter.means(), **_norms(self._state)}, self._run)
        self._state.ranks.on_first(lambda: self._save(step, stopping=stopping))

    def _save(self, step: int, *, stopping: bool) -> None:
        run, recipe, due = self._run, self._recipe, is_snapshot(step, self._recipe)
        images = step * recipe.batch
        seen = self._monitor.observe(self._state.ema, scored=due)
        log = run.read_log()
        self._check_collapse(seen, log, step)
        if due:
            save_weights(run, self._state.ema, recipe, images)
            self._save_grid(f"{images:09d}", seen)
            log.append({"images": images, **seen.measures})
            run.log(log[-1])
        good = good_snapshots(log, real=self._monitor.real_deviation)
        if stopping or self._needs_checkpoint(step, due):
            self._save_checkpoint(step, good)
        if due:
            saved = self._saved * recipe.batch
            prune_snapshots(run, recipe, images, good=good, checkpoint=saved)

    def _needs_checkpoint(self, step: int, due: bool) -> bool:
        if self._saved_at is None or not due or step == self._recipe.steps:
            return True
        if self._on_collapse == "rollback":
            return True
        return self._writer.seconds - self._saved_at >= checkpoints.CHECKPOINT_SECONDS

    def _save_checkpoint(self, step: int, good: Sequence[int]) -> None:
        run, recipe = self._run, self._recipe
        is_good = step * recipe.batch in good
        if not is_good and self._saved * recipe.batch in good:
            keep_for_rollback(run)
        seconds = self._writer.seconds
        save_checkpoint(run, self._state, self._meter, recipe, step=step, seconds=seconds)
        self._saved, self._saved_at = step, self._writer.seconds
        if is_good:
            run.last_good.unlink(missing_ok=True)

    def _check_collapse(
        self, seen: Observation, log: Sequence[Mapping[str, Any]], step: int
    ) -> None:
        run, recipe, images = self._run, self._recipe, step * self._recipe.batch
        wrong = collapse(
            seen.measures,
            log,
            real=self._monitor.real_deviation,
            done=step / recipe.steps,
        )
        if wrong and self._on_collapse == "ignore":
            run.log({"images": images, "collapse": wrong})
        elif wrong:
            self._save_grid("collapsed", seen)
            raise CollapsedError(
                f"after {images:,} images: {wrong} (see grids/collapsed.png)", where=str(run.path)
            )

    def _save_grid(self, name: str, seen: Observation) -> None:
        file = self._run.grids / f"{name}.png"
        save_sheet(file, seen.grid, GRID_COLUMNS, self._monitor.labels)


def begin_run(kind: AdversarialKind, run: Run, store: Store, recipe: AdversarialRecipe) -> None:
    """Write the kind's files, and the sheets that grids are compared with: grids/real.png."""
    kind.begin(run)
    labels = grid_labels(kind, store, recipe, run.charset)
    for name, sheet in kind.references(store, recipe).items():
        save_sheet(run.grids / f"{name}.png", sheet, GRID_COLUMNS, labels)


def _norms(state: State) -> Mapping[str, float]:
    networks = {
        "the norm of G": state.g,
        "the norm of D": state.d,
        "the norm of G's average": state.ema,
    }
    return {name: norm(network.state_dict().values()) for name, network in networks.items()}
