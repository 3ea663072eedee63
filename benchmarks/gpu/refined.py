"""The product's refiner-64: trained on the seen classes, then applied to all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.prepare import SEED, Images, Inputs, every_sample
from hwgen.errors import RunError
from hwgen.generators.adversarial.recipe import change_by_name, recipe_to_json
from hwgen.generators.refiner.recipe import PRESETS, RefinerRecipe
from hwgen.generators.refiner.sampling import Ids, RefinerSampler
from hwgen.generators.refiner.training import train
from hwgen.progress import Control
from hwgen.runs import Run
from hwgen.runs.snapshots import find_model
from hwgen.sources.simulation.samples import SimulatedSamples

DEFAULTS = {"images": "1280000", "every": "320000", "held_out": "0"}
"""Changes to refiner-64 in all entries: its images, trained on all seen classes."""

TINY = {
    "generator.widths": "[4, 4, 4, 4]",
    "discriminator.stages": '[{"channels": 4, "kernel": 3, "stride": 2},'
    ' {"channels": 6, "kernel": 3, "stride": 1}]',
    "discriminator.hidden": "8",
    "discriminator.recogniser_steps": "2",
    "hands": "2",
    "batch": "4",
    "images": "16",
    "every": "8",
}
"""Changes for a dry run."""


class OutOfTimeError(Exception):
    """The time of this call is over; what is done so far has been saved."""


def recipe_with(changes: Mapping[str, str]) -> RefinerRecipe:
    """The preset refiner-64 with DEFAULTS and changes, see hwgen.generators.refiner.recipe.

    Raises:
        InputError: an unknown field, or a value that does not fit.
    """
    return change_by_name(PRESETS["refiner-64"], {**DEFAULTS, **changes})


@dataclass(frozen=True)
class Refiner:
    """A training on the first classes, and where it is kept.

    Attributes:
        inputs: real samples and strokes.
        seen: number of classes to train on.
        recipe: see RefinerRecipe.
        seed: of the training.
    """

    inputs: Inputs
    seen: int
    recipe: RefinerRecipe
    seed: int

    @property
    def path(self) -> Path:
        """The run directory."""
        inputs, recipe = self.inputs, recipe_to_json(self.recipe)
        plain = json.dumps([recipe, self.seen, inputs.classes, inputs.train_writers, self.seed])
        return inputs.work / "refiners" / hashlib.sha256(plain.encode()).hexdigest()[:12]

    def trained(self) -> Run | None:
        """The run, if it is complete; one that was copied here may lack its checkpoint."""
        if not (self.path / "run.json").exists():
            return None
        run = Run(self.path)
        return run if run.weights(self.recipe.steps * self.recipe.batch).exists() else None

    def train(self, device: str, stop: Callable[[], bool]) -> Run:
        """Train, or resume, or take the run that is complete.

        Args:
            device: "cuda" trains with CUDA graphs.
            stop: asked after every step.

        Raises:
            OutOfTimeError: it was stopped; the same call resumes it.
        """
        if run := self.trained():
            return run
        try:
            run = train(
                self.inputs.train(self.seen),
                self.path,
                self.recipe,
                strokes=self.inputs.strokes,
                seed=self.seed,
                device=device,
                on_collapse="ignore",
                control=Control(_print_progress, stop),
                cuda_graphs=device == "cuda",
            )
        except RunError:
            if stop():  # before the first step
                raise OutOfTimeError from None
            raise
        if not self.trained():
            raise OutOfTimeError
        return run


def _print_progress(done: float, total: float, note: str) -> None:
    if done % max(1, total // 20) < total / 1000:
        print(f"refiner: {done:,.0f} of {total:,.0f} images  {note}", flush=True)


def budget(run: Run) -> dict[str, Any]:
    """What the training of a run has cost, and how it ended."""
    log = run.read_log()
    last: dict[str, Any] = next((entry for entry in reversed(log) if "loss_d" in entry), {})
    return {
        "run": run.path.name,
        "images": last.get("images"),
        "seconds": last.get("seconds"),
        "last_log": last,
        "collapses": [entry["collapse"] for entry in log if "collapse" in entry],
        "trained_on": [entry["began"] for entry in log if "began" in entry],
    }


def sampler_of(run: Run, inputs: Inputs, device: str) -> RefinerSampler:
    """The run's last snapshot, for all classes."""
    model = find_model(run, "last")
    return RefinerSampler.of_model(model, device, charset=inputs.charset, strokes=inputs.strokes)


def refine(sampler: RefinerSampler, rendered: Images) -> Images:
    """Refine simulated images of Inputs.simulated: uint8 [classes, per_class, 64, 64]."""
    start = sampler.start
    sampler.start = Rendered(start.charset, start.strokes, start.framing, rendered=rendered)
    classes, per_class = rendered.shape[:2]
    ids, indices = every_sample(classes, per_class)
    made = sampler.sample(ids, indices, seed=SEED, batch=4096)
    return made.reshape(rendered.shape)


@dataclass(frozen=True, kw_only=True)
class Rendered(SimulatedSamples):
    """Simulated images that several processes have rendered before.

    Attributes:
        rendered: uint8 [classes, per class, S, S], images of SEED.
    """

    rendered: Images

    def images(self, class_ids: Ids, indices: Ids, seed: int) -> Images:
        """See SimulatedSamples."""
        assert seed == SEED
        images: Images = np.ascontiguousarray(self.rendered[class_ids, indices])
        return images
