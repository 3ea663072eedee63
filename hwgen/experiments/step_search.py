"""How long a benchmark trains each arm: a search on samples held out from the training store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from hwgen.errors import InputError
from hwgen.experiments.convergence import is_converged
from hwgen.experiments.lift.subsets import Ids, held_out
from hwgen.progress import Control
from hwgen.recogniser.cached_training import CachedTraining, parts_of
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.mixing import LabelledImages
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.recogniser.reader import top_k_accuracy
from hwgen.recogniser.training import from_stores
from hwgen.results.benchmark import StepSearch
from hwgen.store import Store

FOLDER = "steps"
"""In the output directory: recognisers of the search."""

TRAIN = "train"
"""Role of the training store, which comes first in an arm that has it."""

_FRACTION = 0.1  # of the training store
_BLOCK = 1024

_SEED = 0  # whatever the seeds of the benchmark: machines that train one each choose the same steps


@dataclass(frozen=True, kw_only=True)
class Search:
    """Trains one recogniser of each arm for more and more steps, without the held-out samples.

    Attributes:
        train: store from which samples are held out.
        budgets: numbers of steps to try, ascending.
        recipe: of every recogniser; its steps are not used.
        out: output directory of the benchmark, where they are kept for a rerun.
        device: where to train.
        precision: "bf16", "fp32" or "auto".
        init_from: pretrained weights; None trains from scratch.
    """

    train: Store
    budgets: Sequence[int]
    recipe: RecogniserRecipe
    out: Path
    device: torch.device
    precision: str
    init_from: Recogniser | None

    def __post_init__(self) -> None:
        if not len(self._held_out):
            raise InputError(
                "no class has enough samples to hold some out, which say whether more steps help",
                where=str(self.train.path),
                remedy="Give --steps N",
            )

    @cached_property
    def _held_out(self) -> Ids:
        """Record numbers, about the same fraction of each class."""
        labels = self.train.labels
        each = max(1, round(_FRACTION * len(labels) / len(self.train.charset)))
        return np.flatnonzero(held_out(labels, each))

    def run(self, arm: str, stores: Mapping[str, Store], control: Control) -> StepSearch | None:
        """Search for one arm; None if it was stopped."""
        found: list[float] = []
        data: list[LabelledImages] = []
        for steps in self.budgets:
            training = CachedTraining(
                arm=f"{arm}-{steps}steps",
                stores=stores,
                recipe=replace(self.recipe, steps=steps),
                seed=_SEED,
                folder=self.out / FOLDER,
                device=self.device,
                precision=self.precision,
                init_from=self.init_from,
            )
            training.folder.mkdir(parents=True, exist_ok=True)

            def report(done: int, total: int, loss: float) -> None:
                note = f"how many steps: {arm}, {total:,} steps, loss {loss:.3f}"
                control.progress(done, total, note)

            def load() -> LabelledImages:
                if not data:
                    data.append(self._without_held_out(stores))
                return data[0]

            trained = training.run(report, control.stop, load=load)
            if trained is None:
                return None
            found.append(self._accuracy(trained))
            if is_converged(found):
                break
        return StepSearch(tuple(self.budgets[: len(found)]), tuple(found), is_converged(found))

    def _without_held_out(self, stores: Mapping[str, Store]) -> LabelledImages:
        """The training data of an arm without the held-out samples."""
        data = from_stores(list(stores.values()), self.recipe, self.device)
        parts = parts_of([len(store) for store in stores.values()])
        if next(iter(stores)) == TRAIN:
            first, *others = parts or [np.arange(len(data.labels))]
            parts = [np.delete(first, self._held_out), *others]
        return replace(data, parts=parts)

    def _accuracy(self, recogniser: Recogniser) -> float:
        ids = self._held_out
        blocks = (self.train.images(ids[i : i + _BLOCK]) for i in range(0, len(ids), _BLOCK))
        return top_k_accuracy(recogniser.top_k(blocks, 1), self.train.labels[ids])
