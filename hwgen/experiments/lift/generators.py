"""Generators that make the synthetic samples of a trial from its real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hwgen.generators.deformation.recipe import DeformationRecipe
from hwgen.generators.deformation.recipe import recipe_to_json as deformation_to_json
from hwgen.generators.deformation.sampling import DeformationSampler, find_model
from hwgen.generators.deformation.training import train_deformation
from hwgen.generators.gan.presets import Recipe, recipe_to_json
from hwgen.generators.gan.sampling import Sampler
from hwgen.generators.gan.training import train
from hwgen.progress import Control
from hwgen.store import Store
from hwgen.synthesis.near_copy_filter import NearCopyFilter
from hwgen.synthesis.synthesize import synthesize

Stop = Callable[[], bool]
Progress = Callable[[str, float], None]
"""Called with the name of the current work, and the fraction of it that is done."""


class Generator(Protocol):
    """Makes synthetic samples from the real samples of a trial."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Plain JSON on which its samples depend, besides the real samples and the seed."""

    @property
    def trained_on(self) -> str | None:
        """Content hash of the store that it was trained on before; None if not trained before."""

    def __call__(
        self,
        real: Store,
        run: Path,
        out: Path,
        *,
        amount: int,
        seed: int,
        progress: Progress,
        stop: Stop,
    ) -> Store | None:
        """Write `amount` samples per class to a store at `out`, or open it if it exists.

        Args:
            real: real samples of the trial.
            run: run directory of the generator.
            out: path of the synthetic store.
            amount: samples per class.
            seed: random seed of training and sampling.
            progress: called with the work done.
            stop: True ends the work; the same call resumes it.

        Returns:
            None if `stop` returned True.
        """


@dataclass(frozen=True)
class GanGenerator:
    """A conditional GAN, trained from scratch on the real samples; samples of its last snapshot.

    Attributes:
        recipe: of the GAN.
        device: "auto", "cpu", ...
    """

    recipe: Recipe
    device: str = "auto"

    @property
    def settings(self) -> Mapping[str, Any]:
        """See Generator."""
        return {"kind": "gan", "recipe": recipe_to_json(self.recipe)}

    @property
    def trained_on(self) -> str | None:
        """See Generator."""
        return None

    def __call__(
        self,
        real: Store,
        run: Path,
        out: Path,
        *,
        amount: int,
        seed: int,
        progress: Progress,
        stop: Stop,
    ) -> Store | None:
        """See Generator."""
        train(
            real,
            run,
            self.recipe,
            seed=seed,
            device=self.device,
            on_collapse="ignore",  # the accuracy with a collapsed generator is a result too
            progress=lambda news: progress("GAN", news.images / news.total),
            stop=stop,
        )
        if stop():
            return None
        sampler = Sampler.load(run, device=self.device)
        return synthesize(sampler, out, per_class=amount, seed=seed, control=Control(stop=stop))


@dataclass(frozen=True)
class DeformationGenerator:
    """A deformation model, trained on the real samples or before on others, deforms real samples.

    Attributes:
        recipe: of the model that is trained on the real samples of each trial.
        trained: a finished deformation run, or a model exported from one, to use instead.
        device: "auto", "cpu", ...
        no_copies: replace samples that are too near to a real sample of the trial.
    """

    recipe: DeformationRecipe = field(default_factory=DeformationRecipe)
    trained: Path | None = None
    device: str = "auto"
    no_copies: bool = False

    @property
    def settings(self) -> Mapping[str, Any]:
        """See Generator."""
        options = {"no_copies": True} if self.no_copies else {}
        if self.trained is None:
            return {"kind": "deformation", "recipe": deformation_to_json(self.recipe), **options}
        model = find_model(self.trained)
        weights = [model.snapshot_hash]
        return {
            "kind": "deformation learnt before",
            "run": model.run,
            "weights": weights,
            **options,
        }

    @property
    def trained_on(self) -> str | None:
        """See Generator."""
        return None if self.trained is None else find_model(self.trained).content_sha256 or None

    def __call__(
        self,
        real: Store,
        run: Path,
        out: Path,
        *,
        amount: int,
        seed: int,
        progress: Progress,
        stop: Stop,
    ) -> Store | None:
        """See Generator."""
        if self.trained is None:
            train_deformation(
                real,
                run,
                self.recipe,
                seed=seed,
                device=self.device,
                progress=lambda done, total, _: progress("deformation model", done / total),
                stop=stop,
            )
            if stop():
                return None
        sampler = DeformationSampler.load(self.trained or run, real, self.device)
        sample_filter = None
        if self.no_copies:
            sample_filter = NearCopyFilter.of(
                real,
                sampler.charset,
                size=sampler.size,
                channels=sampler.channels,
                control=Control(stop=stop),
            )
            if sample_filter is None:
                return None
        return synthesize(
            sampler,
            out,
            per_class=amount,
            seed=seed,
            sample_filter=sample_filter,
            control=Control(stop=stop),
        )
