"""Recognisers that are trained once: loaded from their file where there is one, else trained.

A training that was stopped or killed is resumed from its checkpoint, see
hwgen.recogniser.checkpoint. Used by `benchmark` and `evaluate`. A lift keeps the results of its
many recognisers, not their weights; see hwgen.results.trials.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hwgen.compute.devices import describe, pick_precision
from hwgen.compute.tensor_files import file_hash
from hwgen.io.locks import exclusive, remove_stale_lock
from hwgen.io.outputs import check_output_file
from hwgen.recogniser.checkpoint import TrainingCheckpoint
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.mixing import LabelledImages
from hwgen.recogniser.network import RecogniserRecipe, recipe_to_json
from hwgen.recogniser.store_checks import RECORDS, known_records, without_records
from hwgen.recogniser.training import Progress, from_stores, train_recogniser
from hwgen.schema import check_same
from hwgen.store import Store
from hwgen.store.overlap import sample

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class CachedTraining:
    """One recogniser, and the file that keeps it.

    Attributes:
        arm: name of the training data: "real", "synthetic", ...
        stores: training stores by role, all of one charset; each batch has equally many of each.
        recipe: of the network and its training.
        seed: random seed of weights, data order and augmentation.
        folder: where the file is.
        device: where to train.
        precision: "bf16", "fp32" or "auto".
        init_from: pretrained weights of all layers but the last; None trains from scratch.
    """

    arm: str
    stores: Mapping[str, Store]
    recipe: RecogniserRecipe
    seed: int
    folder: Path
    device: torch.device
    precision: str = "auto"
    init_from: Recogniser | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / f"recogniser-{self.arm}-seed{self.seed}.safetensors"

    @property
    def config(self) -> dict[str, Any]:
        """What the recogniser depends on besides its seed, plain JSON."""
        hardware = describe(self.device, pick_precision(self.precision, self.device))
        start = (
            {} if self.init_from is None else {"start": without_records(self.init_from.provenance)}
        )
        return {
            "recipe": recipe_to_json(self.recipe),
            "precision": hardware["precision"],
            "charset": next(iter(self.stores.values())).charset.fingerprint,
            "data": {role: store.manifest.content_sha256 for role, store in self.stores.items()},
            **({"batches": "equal parts"} if len(self.stores) > 1 else {}),
            **start,
        }

    @property
    def checkpoint(self) -> TrainingCheckpoint:
        """That of the training."""
        return TrainingCheckpoint(self.path, {**self.config, "arm": self.arm, "seed": self.seed})

    def check(self) -> None:
        """Refuse a file whose recogniser was, or a checkpoint that was begun, with other settings.

        Raises:
            RecipeChangedError: it was.
            RunError: the file cannot be read.
            InputError: it cannot be written.
        """
        check_output_file(self.path, is_own=lambda file: True)
        if self.path.exists():
            self._check(Recogniser.load(self.path, torch.device("cpu")))
        else:
            self.checkpoint.check()

    def load(self) -> LabelledImages:
        """The training data, on the device; see `from_stores`."""
        data = from_stores(list(self.stores.values()), self.recipe, self.device)
        return replace(data, parts=parts_of([len(store) for store in self.stores.values()]))

    def run(
        self,
        progress: Progress | None = None,
        stop: Callable[[], bool] | None = None,
        *,
        load: Callable[[], LabelledImages] | None = None,
    ) -> Recogniser | None:
        """Load the recogniser, or train and save it.

        Args:
            progress: called with the steps done.
            stop: asked before each step; True saves a checkpoint, from which the next call resumes.
            load: gives the training data, if several recognisers share them; else `self.load`.

        Returns:
            The recogniser; None if `stop` returned True.

        Raises:
            RecipeChangedError: the file's recogniser was trained with other settings, or the
                training was begun with others.
            RunError: the file cannot be read, or another process is training this recogniser.
        """
        checkpoint = self.checkpoint
        if self.path.exists():
            remove_stale_lock(self.path)
            checkpoint.remove()  # that of a process killed before it did
            found = Recogniser.load(self.path, self.device)
            self._check(found)
            return found
        with exclusive(self.path, "training this recogniser"):
            data = (load or self.load)()
            began = time.perf_counter()
            trained = train_recogniser(
                data,
                self.recipe,
                init_from=self.init_from,
                seed=self.seed,
                device=self.device,
                precision=self.precision,
                progress=progress,
                stop=stop,
                checkpoint=checkpoint,
            )
            if trained is not None:
                trained.provenance |= {
                    "arm": self.arm,
                    "decides": self.config,
                    RECORDS: self._records(),
                    "seconds": round(checkpoint.seconds_before + time.perf_counter() - began, 3),
                }
                trained.save(self.path)
                checkpoint.remove()
                trained.sha256 = file_hash(self.path)
        return trained

    def _records(self) -> list[str]:
        """A sample of the records that it is trained on, pretraining included."""
        before = [] if self.init_from is None else known_records(self.init_from.provenance)
        return [*before, *(one for store in self.stores.values() for one in sample(store))]

    def _check(self, found: Recogniser) -> None:
        config = found.provenance.get("decides", {})
        check_same(config, self.config, "this recogniser was trained", where=str(self.path))


def parts_of(lengths: Sequence[int]) -> list[Ids] | None:
    """Record numbers of stores that follow each other, for LabelledImages.parts; None for one."""
    ends = np.cumsum(lengths)
    parts = np.split(np.arange(ends[-1]), ends[:-1])
    return parts if len(lengths) > 1 else None
