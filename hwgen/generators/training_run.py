"""What every training does besides its steps: open the run, log, report progress, stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hwgen.compute.distributed import ALONE, Ranks
from hwgen.errors import RunError
from hwgen.progress import NO_CONTROL, Control
from hwgen.runs import Run, begin_or_continue, find_run
from hwgen.runs.checkpoints import Checkpoint, read_checkpoint
from hwgen.runs.training_data import ALSO, DOMAINS
from hwgen.schema import check_numbers, check_seed
from hwgen.store import Store
from hwgen.store.origin import summary

LOG_STEPS = 50
"""Steps between two lines of the log."""


@contextmanager
def open_run(
    store: Store,
    out: Path,
    *,
    kind: str,
    recipe: Mapping[str, Any],
    seed: int,
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda recipe: recipe,
    data: Mapping[str, Any] | None = None,
    origin: Mapping[str, Any] | None = None,
    ranks: Ranks = ALONE,
) -> Iterator[Run]:
    """Create a run directory, or reopen the one that the same call created; locked until left.

    A run that was to be shorter is reopened, too, and lengthened.

    Args:
        store: what is trained on.
        out: the run directory.
        kind: name of the kind of generator.
        recipe: plain JSON.
        seed: of everything random.
        complete: adds the fields that a recipe of an older version lacks.
        data: what else it learns from, such as {"init_from": ...}; plain JSON.
        origin: of that, plain JSON; only for information.
        ranks: the processes that make this same call; rank 0 creates and locks.

    Raises:
        InputError: the seed is negative, or a number is not finite or too large.
        RecipeChangedError: `out` holds a run with another recipe, seed or store.
        RunError: `out` holds something else, or another process is training the run.
    """
    check_run(
        store, out, kind=kind, recipe=recipe, seed=seed, complete=complete, data=data, ranks=ranks
    )
    with ExitStack() as held:
        with ranks.agreed():
            if ranks.first:
                begun = begin_or_continue(
                    out,
                    kind=kind,
                    recipe=recipe,
                    seed=seed,
                    charset=store.charset,
                    data=_facts(store, data),
                    origin={**summary(store.manifest.origin), **(origin or {})},
                    complete=complete,
                )
                held.enter_context(begun.locked())
                begun.lengthen(recipe)
        with ranks.agreed():
            run = Run(out)
        yield run


def check_run(
    store: Store,
    out: Path,
    *,
    kind: str,
    recipe: Mapping[str, Any],
    seed: int,
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda recipe: recipe,
    data: Mapping[str, Any] | None = None,
    ranks: Ranks = ALONE,
) -> None:
    """Refuse what `open_run` would refuse, writing nothing; see there."""
    check_seed(seed)
    check_numbers(recipe, "recipe")
    with ranks.agreed():
        if ranks.first:
            find_run(
                out,
                kind=kind,
                recipe=recipe,
                seed=seed,
                charset=store.charset,
                data=_facts(store, data),
                complete=complete,
            )


def _facts(store: Store, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    own = {"content_sha256": store.manifest.content_sha256, "count": len(store)}
    return {**own, **(more or {})}


def further_stores(stores: Sequence[Store]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Data and origin of a run of several stores, beyond those of the first; {} for one store.

    Each store has a name, that of its folder, by which a user can tell it from the others.
    """
    if len(stores) == 1:
        return {}, {}
    data = [
        {
            **_facts(store),
            "classes": len(store.charset),
            "charset": store.charset.fingerprint,
        }
        for store in stores[1:]
    ]
    names: list[str] = []
    for store in stores:
        name = store.path.resolve().name or "store"
        names.append(name if name not in names else f"{name}-{len(names) + 1}")
    origin = [
        {**summary(store.manifest.origin), "name": name, "labels": list(store.charset)}
        for name, store in zip(names, stores, strict=True)
    ]
    return {ALSO: data}, {DOMAINS: origin}


def read_own_checkpoint(run: Run, ranks: Ranks = ALONE) -> Checkpoint:
    """The run's checkpoint, the same on every rank.

    Raises:
        RunError: it is damaged, another run's, or not the same on every rank.
    """
    with ranks.agreed():
        checkpoint = read_checkpoint(run.checkpoint, run.id)
    steps = ranks.gather_all(checkpoint.step)
    if len(set(steps)) > 1:
        raise RunError(
            f"the processes found checkpoints of different steps: {', '.join(map(str, steps))}",
            where=str(run.path),
            remedy="Give an --out that is the same directory on all machines",
        )
    return checkpoint


class RunWriter:
    """Log, progress and stop requests of a training; only rank 0 writes and reports.

    Args:
        run: to write to.
        begun: where training starts or resumes.
        steps: of the training in total.
        batch: images, or pairs, per step.
        control: progress is reported in images or pairs.
        ask_every: steps between two calls of `control.stop`, on every rank.
        ranks: the processes that train together; all methods but `seconds` are collective.
    """

    def __init__(
        self,
        run: Run,
        begun: Checkpoint,
        *,
        steps: int,
        batch: int,
        control: Control = NO_CONTROL,
        ask_every: int = 1,
        ranks: Ranks = ALONE,
    ) -> None:
        self._run, self._steps, self._batch = run, steps, batch
        self._control, self._ask_every, self._ranks = control, ask_every, ranks
        self._started = time.monotonic() - begun.seconds

    @property
    def seconds(self) -> float:
        """Time spent training, also before the run was resumed."""
        return time.monotonic() - self._started

    def begin(self, step: int, hardware: Mapping[str, Any]) -> None:
        """Log that training starts or resumes after `step` steps, on what hardware."""
        images = step * self._batch

        def write() -> None:
            self._run.log({"images": images, "began": hardware})
            self._control.progress(images, self._steps * self._batch, "")

        self._ranks.on_first(write)

    def log(self, step: int, means: Mapping[str, float], note: str) -> None:
        """Log the means of the last steps, and report progress with a note."""
        images = step * self._batch

        def write() -> None:
            self._run.log({"images": images, "seconds": round(self.seconds, 3), **means})
            self._control.progress(images, self._steps * self._batch, note)

        self._ranks.on_first(write)

    def stop_requested(self, step: int) -> bool:
        """Whether any rank was asked to stop; the same answer on all ranks."""
        return step % self._ask_every == 0 and self._ranks.any(self._control.stop())
