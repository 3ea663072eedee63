"""In: the real samples of a cell. Out: synthetic ones, by a generator that saw exactly these."""

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
Tell = Callable[[str, float], None]
"""Told what is being done, and which share of it is."""


class Generator(Protocol):
    """Learns from real samples and draws synthetic ones."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Plain JSON on which its samples depend, besides the real ones and the seed."""

    @property
    def learnt_from(self) -> str | None:
        """Content hash of what it has learnt from before; None if from nothing."""

    def __call__(
        self, real: Store, run: Path, out: Path, *, amount: int, seed: int, tell: Tell, stop: Stop
    ) -> Store | None:
        """Draw `amount` samples a class into a store at `out`, or return it if it is there.

        Args:
            real: what may be learnt from.
            run: where the generator's run shall be.
            out: the synthetic store.
            amount: samples a class.
            seed: of training and drawing.
            tell: told of the work done.
            stop: True ends the work, which the same call continues.

        Returns:
            None if `stop` said so.
        """


@dataclass(frozen=True)
class GanGenerator:
    """A conditional GAN, trained on the real samples from scratch; its last snapshot draws.

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
    def learnt_from(self) -> str | None:
        """See Generator."""
        return None

    def __call__(
        self, real: Store, run: Path, out: Path, *, amount: int, seed: int, tell: Tell, stop: Stop
    ) -> Store | None:
        """See Generator."""
        train(
            real,
            run,
            self.recipe,
            seed=seed,
            device=self.device,
            on_collapse="ignore",  # what a collapsed generator is worth is a result
            progress=lambda news: tell("GAN", news.images / news.total),
            stop=stop,
        )
        if stop():
            return None
        sampler = Sampler.load(run, device=self.device)
        return synthesize(sampler, out, per_class=amount, seed=seed, control=Control(stop=stop))


@dataclass(frozen=True)
class DeformationGenerator:
    """Real samples bent as a deformation model has learnt, from them or from other characters.

    Attributes:
        recipe: of the model that learns from the real samples of each draw.
        learnt: a finished deformation run, or an exported model of one, used instead.
        device: "auto", "cpu", ...
        no_copies: draw others for those that are too near to a real sample of the draw.
    """

    recipe: DeformationRecipe = field(default_factory=DeformationRecipe)
    learnt: Path | None = None
    device: str = "auto"
    no_copies: bool = False

    @property
    def settings(self) -> Mapping[str, Any]:
        """See Generator."""
        kept = {"no_copies": True} if self.no_copies else {}
        if self.learnt is None:
            return {"kind": "deformation", "recipe": deformation_to_json(self.recipe), **kept}
        model = find_model(self.learnt)
        weights = [model.snapshot_hash]
        return {"kind": "deformation learnt before", "run": model.run, "weights": weights, **kept}

    @property
    def learnt_from(self) -> str | None:
        """See Generator."""
        return None if self.learnt is None else find_model(self.learnt).content_sha256 or None

    def __call__(
        self, real: Store, run: Path, out: Path, *, amount: int, seed: int, tell: Tell, stop: Stop
    ) -> Store | None:
        """See Generator."""
        if self.learnt is None:
            train_deformation(
                real,
                run,
                self.recipe,
                seed=seed,
                device=self.device,
                progress=lambda done, total, _: tell("deformations", done / total),
                stop=stop,
            )
            if stop():
                return None
        sampler = DeformationSampler.load(self.learnt or run, real, self.device)
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
