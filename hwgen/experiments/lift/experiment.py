"""In: real train and test stores, a generator, a protocol. Out: rows, lift.json: what helps.

Several processes may work on one directory: each takes cells that nobody else works on. A killed
one's cells are taken up by the next.

draws/n10-draw0.store          the real samples of a draw, for recogniser and generator alike
generators/n10-draw0/          the generator's run
synthetic/n10-draw0-100.store  its samples, 100 a class
rows/n10-draw0-classical.json  a finished cell
lift.json                      everything, when all cells are finished
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

import hwgen
from hwgen.compute.devices import describe, pick_precision
from hwgen.errors import InputError, RunError
from hwgen.experiments.lift.checks import check_foreknowledge, check_start, check_stores
from hwgen.experiments.lift.generators import Generator
from hwgen.experiments.lift.subsets import ALL, Ids, choose, held_out, rare_classes, write_subset
from hwgen.experiments.lift.summary import summarise
from hwgen.experiments.lift.trials import ARMS, BASELINE, Arm, Cell, Row, all_cells
from hwgen.io.json_files import write_json
from hwgen.io.locks import only_one
from hwgen.names import suggest
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import (
    STRONG,
    Augmentation,
    RecogniserRecipe,
    recipe_to_json,
)
from hwgen.recogniser.training import from_stores, train_recogniser
from hwgen.store import Store

FORMAT, FORMAT_VERSION = "hwgen-lift", 1
FILE = "lift.json"

STRONG_VIEWS, STARTED_STRONG_VIEWS = 25.0, 200.0
"""How often a real sample must come for STRONG to pay: in what starts from nothing, and in what
starts from a recogniser of other characters. On held-out training scans of HWDB
(benchmarks/lift_choice.py) it does better at 36 views and worse at 14, and better at 240 and worse
at 72. With 3,755 classes it costs 11 points at 14 views, more at fewer, and none at 41."""

NO_AUGMENTATION = Augmentation(rotate=0, shear=0, scale=0, translate=0, elastic=0)

Progress = Callable[[float, float, str], None]
"""Called with cells done, cells in all, and a short note."""

_WAIT_SECONDS = 1.0


@dataclass(frozen=True)
class Protocol:
    """Which cells, and how their recognisers are trained.

    Attributes:
        kind: "few-shot": `counts` samples of every class. "rare": so many of the classes that have
            few, and all of the others; see rare_classes. Then real samples are drawn so that every
            class comes equally often, in every arm.
        counts: real samples a class; ALL is all.
        draws: how often each is repeated, with other samples and seeds.
        arms: names in ARMS.
        amounts: synthetic samples a class, each a cell of its own in the arms that have them. The
            first one is what the advice is about.
        recipe: of every recogniser; its augmentation is the classical one.
        strong_views: where each real sample comes so often in the training, or more often, an arm
            that starts from nothing has STRONG for its classical augmentation instead; None never.
        started_strong_views: the same of an arm that starts from a recogniser.
        held_out: samples a class that no draw takes, see draws.held_out.
        judged_on: "test": the test store. "held-out": those samples, to choose settings by.
    """

    kind: Literal["few-shot", "rare"] = "few-shot"
    counts: tuple[int, ...] = (5, 10, 20, 50, ALL)
    draws: int = 3
    arms: tuple[str, ...] = tuple(name for name, arm in ARMS.items() if not arm.pretrained)
    amounts: tuple[int, ...] = (100,)
    recipe: RecogniserRecipe = field(default_factory=RecogniserRecipe)
    strong_views: float | None = None
    started_strong_views: float | None = None
    held_out: int = 40
    judged_on: Literal["test", "held-out"] = "test"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.arms) - set(ARMS))
        if unknown or not self.arms:
            raise InputError(
                f"there is no arm {', '.join(unknown) or 'at all'}",
                remedy=suggest("".join(unknown[:1]), ARMS),
            )
        if (
            not self.counts
            or min(self.counts) < 0
            or self.draws < 1
            or min(self.amounts, default=0) < 1
        ):
            raise InputError(
                "a protocol needs at least one draw of at least one count, and amounts of at "
                "least 1"
            )
        if self.judged_on == "held-out" and self.held_out < 1:
            raise InputError("nothing is held out, so that nothing can be judged on it")

    def cells(self) -> list[Cell]:
        """All of them."""
        return all_cells(self.counts, self.draws, self.arms, self.amounts)

    def recipe_of(self, arm: Arm, samples: float) -> RecogniserRecipe:
        """Of a recogniser.

        Args:
            arm: how it is trained.
            samples: real ones that share the steps evenly: those that are drawn, or as many as
                there were if every class had as few as the rare ones, where classes are balanced.
        """
        recipe = replace(self.recipe, balanced=self.kind == "rare")
        if not arm.augmented:
            return replace(recipe, augmentation=NO_AUGMENTATION)
        least = self.started_strong_views if arm.pretrained else self.strong_views
        often = least is not None and recipe.steps * recipe.batch / samples >= least
        return replace(recipe, augmentation=STRONG) if often else recipe


def run_protocol(
    train: Store,
    test: Store,
    protocol: Protocol,
    generator: Generator,
    out: Path,
    *,
    device: torch.device,
    start: Recogniser | None = None,
    precision: str = "auto",
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
    so_far: bool = False,
) -> dict[str, Any] | None:
    """Compute the cells that are not there yet, and sum up when all are.

    Args:
        train: real handwriting to draw from.
        test: real handwriting of other writers, with the same charset.
        protocol: see Protocol.
        generator: makes the synthetic samples of each draw from its real ones.
        out: directory, see the module's first lines; several processes may share it.
        device: of the recognisers.
        start: a recogniser of other characters, that the pretrained arms start from.
        precision: of their training.
        progress: told of the work done.
        stop: True ends the work; what is finished is kept.
        so_far: compute nothing, and sum up what is there; "missing" names the rest.

    Returns:
        What is in lift.json, plain JSON; None if `stop` said so.

    Raises:
        CharsetError: the stores' charsets differ.
        InputError: a store is synthetic, or too small, or a class has too few samples; the
            generator or `start` has learnt from one of the stores; nothing is there so far;
            or an arm is pretrained
            and there is no `start`.
        RecipeChangedError: `out` holds cells that were computed otherwise.
    """
    check_stores(train, test, protocol.recipe)
    check_foreknowledge(train, test, generator, start)
    check_start(train, protocol.recipe, protocol.arms, start)
    work = _Work(train, test, protocol, generator, out, device, start, precision)
    cells = protocol.cells()
    rows = {cell: work.finished(cell) for cell in cells}  # refuses what does not fit, first
    while not so_far and (missing := [cell for cell, row in rows.items() if row is None]):
        taken = False
        for cell in missing:
            done = sum(row is not None for row in rows.values())

            def tell(what: str, share: float, done: int = done, cell: Cell = cell) -> None:
                if progress is not None:
                    progress(done + min(share, 0.99), len(cells), f"{cell.name}: {what}")

            if stop():
                return None
            with only_one(out / "locks" / f"{cell.name}.lock") as ours:
                if ours:
                    rows[cell] = work.finished(cell) or work.compute(cell, tell, stop)
                    taken = taken or rows[cell] is not None
        if not taken and not stop():
            time.sleep(_WAIT_SECONDS)  # others compute what is missing
    finished = [row for row in rows.values() if row is not None]
    if not finished:
        raise InputError("no cell is finished yet", where=str(out), remedy="Run the protocol")
    found = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "hwgen": hwgen.__version__,
        "protocol": {**asdict(protocol), "recipe": recipe_to_json(protocol.recipe)},
        "decides": work.decides,
        "generator": dict(generator.settings),
        "start": None if start is None else start.provenance,
        "start_classes_shared": 0
        if start is None
        else len(set(start.charset) & set(train.charset)),
        "train": str(train.path),
        "test": {"store": str(test.path), "writers_shared": len(train.writers & test.writers)},
        "made": {"train": train.made_as, "test": test.made_as},
        **summarise(finished, work.groups, BASELINE, protocol.amounts[0]),
        "missing": [cell.name for cell, row in rows.items() if row is None],
        "rows": [asdict(row) for row in finished],
    }
    result: dict[str, Any] = json.loads(json.dumps(found))
    with only_one(out / "locks" / "lift.lock", wait=True):
        write_json(out / FILE, result)
    if progress is not None:
        progress(len(cells), len(cells), "done")
    return result


@dataclass
class _Work:
    """What all cells share."""

    train: Store
    test: Store
    protocol: Protocol
    generator: Generator
    out: Path
    device: torch.device
    start: Recogniser | None
    precision: str

    def __post_init__(self) -> None:
        labels = self.train.labels
        kept = held_out(labels, self.protocol.held_out)
        self._free = ~kept
        classes = len(self.train.charset)
        self._rare = np.ones(classes, bool)
        self.groups: dict[str, list[int]] = {"all": list(range(classes))}
        if self.protocol.kind == "rare":
            self._rare = rare_classes(labels, classes)
            self.groups = {
                "rare": np.flatnonzero(self._rare).tolist(),
                "common": np.flatnonzero(~self._rare).tolist(),
                **self.groups,
            }
        # What cannot be drawn is refused before anything is computed.
        for cell in self.protocol.cells():
            choose(labels, self._free, self._counts(cell), cell.draw)
        self._judge = self.test
        if self.protocol.judged_on == "held-out":
            with only_one(self.out / "locks" / "held-out.lock", wait=True):
                path = self.out / "draws" / "held-out.store"
                self._judge = write_subset(self.train, np.flatnonzero(kept), path)
        recipe = replace(self.protocol.recipe, balanced=self.protocol.kind == "rare")
        precision = pick_precision(self.precision, self.device)
        self._hardware = describe(self.device, precision)
        self.decides = {
            "kind": self.protocol.kind,
            "recipe": recipe_to_json(recipe),
            "held_out": self.protocol.held_out,
            "train": self.train.manifest.content_sha256,
            "judged_on": self._judge.manifest.content_sha256,
            "precision": self._hardware["precision"],
        }

    def finished(self, cell: Cell) -> Row | None:
        """The cell's row, if it is there."""
        path = self._row_path(cell)
        if not path.exists():
            return None
        row = Row.load(path, self._decides(cell))
        if row.cell != cell or len(row.total) != len(self.train.charset):
            raise RunError("is another cell's row", where=str(path), remedy="Remove it")
        return row

    def compute(
        self, cell: Cell, tell: Callable[[str, float], None], stop: Callable[[], bool]
    ) -> Row | None:
        """Draw, generate, train, test; None if stopped or if another process generates now."""
        arm = ARMS[cell.arm]
        real = self._real(cell)
        stores = [real]
        began = time.monotonic()
        if arm.synthetic:
            synthetic = self._synthetic(cell, real, tell, stop)
            if synthetic is None:
                return None
            stores.append(synthetic)
        recipe = self._recipe(cell)
        loss = float("nan")

        def watch(done: int, steps: int, mean: float) -> None:
            nonlocal loss
            loss = mean
            tell(f"recogniser, loss {mean:.2f}", done / steps)

        generated = time.monotonic()
        data = [from_stores([store], recipe, self.device) for store in stores]
        trained = train_recogniser(
            data[0],
            recipe,
            synthetic=data[1] if arm.synthetic else None,
            start=self.start if arm.pretrained else None,
            seed=cell.draw,
            device=self.device,
            precision=self.precision,
            progress=watch,
            stop=stop,
        )
        if trained is None:
            return None
        labels = self._judge.labels
        best = trained.best(self._judge.image_blocks(), 1)[:, 0]
        classes = len(self.train.charset)
        row = Row(
            cell=cell,
            decides=self._decides(cell),
            right=np.bincount(labels[best == labels], minlength=classes).tolist(),
            total=np.bincount(labels, minlength=classes).tolist(),
            facts={
                "pictures": [len(store) for store in stores],
                "loss": round(loss, 4),
                "seconds": round(time.monotonic() - generated, 1),
                "generator_seconds": round(generated - began, 1),
                **self._hardware,
            },
        )
        row.save(self._row_path(cell))
        return row

    def _row_path(self, cell: Cell) -> Path:
        return self.out / "rows" / f"{cell.name}.json"

    def _decides(self, cell: Cell) -> dict[str, Any]:
        arm = ARMS[cell.arm]
        start = self.start.provenance if self.start is not None and arm.pretrained else None
        generator = self.generator.settings if arm.synthetic else None
        told = self.decides
        if arm.augmented:
            told = {**told, "recipe": recipe_to_json(self._recipe(cell))}
        return {**told, "start": start, "generator": generator}

    def _recipe(self, cell: Cell) -> RecogniserRecipe:
        free = int(self._free.sum())
        samples = free if cell.count == ALL else cell.count * len(self.train.charset)
        return self.protocol.recipe_of(ARMS[cell.arm], samples)

    def _counts(self, cell: Cell) -> Ids:
        return np.where(self._rare, cell.count, ALL)

    def _real(self, cell: Cell) -> Store:
        path = self.out / "draws" / f"{cell.real}.store"
        with only_one(self.out / "locks" / f"draw-{cell.real}.lock", wait=True):
            counts = self._counts(cell)
            records = choose(self.train.labels, self._free, counts, cell.draw)
            return write_subset(self.train, records, path)

    def _synthetic(
        self,
        cell: Cell,
        real: Store,
        tell: Callable[[str, float], None],
        stop: Callable[[], bool],
    ) -> Store | None:
        # One lock for all amounts: they share a run.
        with only_one(self.out / "locks" / f"generator-{cell.real}.lock") as ours:
            if not ours:
                return None
            return self.generator(
                real,
                self.out / "generators" / cell.real,
                self.out / "synthetic" / f"{cell.real}-{cell.amount}.store",
                amount=cell.amount,
                seed=cell.draw,
                tell=tell,
                stop=stop,
            )
