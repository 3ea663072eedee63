"""In: stores and a recipe. Out: a trained recogniser that is kept; and what it and others saw."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hwgen.compute.devices import describe, pick_precision
from hwgen.errors import RecipeChangedError
from hwgen.io.locks import alone, sweep
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserRecipe, recipe_to_json
from hwgen.recogniser.training import Progress, from_stores, train_recogniser
from hwgen.schema import differences
from hwgen.store import Store


@dataclass(frozen=True)
class Training:
    """A recogniser to be trained on one store from scratch, or found where it is kept.

    Attributes:
        arm: "real" or "synthetic".
        store: what it learns from.
        recipe: of its training.
        seed: of everything random.
        folder: where it is kept.
        device: where to train.
        precision: "bf16", "fp32" or "auto".
    """

    arm: str
    store: Store
    recipe: RecogniserRecipe
    seed: int
    folder: Path
    device: torch.device
    precision: str = "auto"

    @property
    def path(self) -> Path:
        """Its file."""
        return self.folder / f"recogniser-{self.arm}-seed{self.seed}.safetensors"

    def run(
        self, progress: Progress | None = None, stop: Callable[[], bool] | None = None
    ) -> Recogniser | None:
        """The recogniser; None if `stop` said so.

        Raises:
            RecipeChangedError: the one that is kept was trained otherwise.
            RunError: the one that is kept cannot be read, or another process trains it.
        """
        decides = self._decides()
        if self.path.exists():
            sweep(self.path)
            kept = Recogniser.load(self.path, self.device)
            lines = differences(kept.provenance.get("decides", {}), decides)
            if lines:
                raise RecipeChangedError(
                    "this recogniser was trained otherwise (then -> now):\n  "
                    + "\n  ".join(lines)
                    + "\n",
                    where=str(self.path),
                    remedy="Give another --out, or the options it was trained with",
                )
            return kept
        began = time.perf_counter()
        with alone(self.path, "training this recogniser"):
            trained = train_recogniser(
                from_stores([self.store], self.recipe, self.device),
                self.recipe,
                seed=self.seed,
                device=self.device,
                precision=self.precision,
                progress=progress,
                stop=stop,
            )
            if trained is not None:
                trained.provenance |= {
                    "arm": self.arm,
                    "decides": decides,
                    "seconds": round(time.perf_counter() - began, 3),
                }
                trained.save(self.path)
        return trained

    def _decides(self) -> dict[str, Any]:
        hardware = describe(self.device, pick_precision(self.precision, self.device))
        return {
            "recipe": recipe_to_json(self.recipe),
            "precision": hardware["precision"],
            "charset": self.store.charset.fingerprint,
            "data": {self.arm: self.store.manifest.content_sha256},
        }
