"""Generators that make the synthetic samples of a trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

from hwgen.charset import Charset
from hwgen.experiments.lift.strokes import StrokeFile, stroke_settings
from hwgen.generators.base import GeneratorKind, get_kind, load_generator
from hwgen.generators.samplers import Sampler
from hwgen.progress import Control
from hwgen.record import check_channels
from hwgen.results.lift import GeneratorFacts
from hwgen.runs import Run
from hwgen.runs.models import Model, is_model
from hwgen.runs.run_directory import last_logged
from hwgen.runs.snapshots import find_model
from hwgen.runs.training_data import charsets
from hwgen.store import Store
from hwgen.synthesis.near_copy_filter import NearCopyFilter
from hwgen.synthesis.synthesize import synthesize

Stop = Callable[[], bool]
Progress = Callable[[str, float], None]
"""Called with the name of the current work, and the fraction of it that is done."""


class Generator(Protocol):
    """Makes synthetic samples of a trial's classes, from its real samples or without them."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Plain JSON on which its samples depend, besides the real samples and the seed."""

    @property
    def trained_before(self) -> bool:
        """Whether it is not trained in each trial."""

    @property
    def trained_on(self) -> frozenset[str]:
        """Content hashes of the stores that it was trained on before."""

    @property
    def seen(self) -> frozenset[str] | None:
        """Labels that it was trained on before; None if not known, or trained in each trial."""

    def works_without_real(self, *, others: bool) -> bool:
        """Whether it makes samples of classes of which a trial has no real sample.

        Args:
            others: whether other classes have real samples.
        """

    def cost(self, run: Path, seed: int) -> Mapping[str, Any]:
        """What its training took: "images" (or pairs) and "seconds", each None if not known.

        Args:
            run: see `__call__`, which has returned.
            seed: see `__call__`.
        """

    def check(self, real: Store, run: Path, *, seed: int) -> None:
        """Refuse what `__call__` would refuse before its first step; write nothing."""

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
class TrainedGenerator:
    """A generator trained from scratch on the real samples; samples of its last snapshot.

    Attributes:
        kind: of generator.
        recipe: of that kind.
        device: "auto", "cpu", ...
        no_copies: replace samples that are too near to a real sample of the trial.
        strokes: of the characters, for a kind that needs them; None for none.
    """

    kind: GeneratorKind
    recipe: Any
    device: str = "auto"
    no_copies: bool = False
    strokes: StrokeFile | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """See Generator."""
        return {
            "kind": self.kind.name,
            "recipe": self.kind.recipe_to_json(self.recipe),
            **_filter_settings(self.no_copies),
            **stroke_settings(self.strokes),
        }

    @property
    def trained_before(self) -> bool:
        """See Generator."""
        return False

    @property
    def trained_on(self) -> frozenset[str]:
        """See Generator."""
        return frozenset()

    @property
    def seen(self) -> None:
        """See Generator."""
        return None

    def works_without_real(self, *, others: bool) -> bool:
        """See Generator."""
        return others and "charset" in self.kind.sampling_options

    def cost(self, run: Path, seed: int) -> Mapping[str, Any]:
        """See Generator."""
        return _cost(run)

    def check(self, real: Store, run: Path, *, seed: int) -> None:
        """See Generator."""
        options = self._strokes
        self.kind.check(real, run, self.recipe, seed=seed, device=self.device, **options)

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
        # The accuracy with a collapsed generator is a result, too.
        ignore = "on_collapse" in self.kind.options
        options: dict[str, Any] = {"on_collapse": "ignore"} if ignore else {}
        options |= self._strokes
        title = self.kind.title
        self.kind.train(
            real,
            run,
            self.recipe,
            seed=seed,
            device=self.device,
            control=Control(lambda done, total, note: progress(title, done / total), stop),
            **options,
        )
        if stop():
            return None
        sampler = _load(run, self.kind, real, self.device)
        return _synthesize(sampler, real, out, self.no_copies, amount=amount, seed=seed, stop=stop)

    @property
    def _strokes(self) -> dict[str, Any]:
        return {} if self.strokes is None else {"strokes": self.strokes.data}


@dataclass(frozen=True)
class PretrainedGenerator:
    """A generator trained before, on other samples.

    Attributes:
        places: finished runs, or models exported from them, of one recipe; a trial takes one by its
            seed.
        device: "auto", "cpu", ...
        no_copies: replace samples that are too near to a real sample of the trial.
        strokes: instead of those that it was trained with; None for these.
    """

    places: tuple[Path, ...]
    device: str = "auto"
    no_copies: bool = False
    strokes: StrokeFile | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """See Generator."""
        models = self._models
        runs = [model.run for model in models]
        return {
            "kind": f"{models[0].kind} learnt before",
            "run": runs[0] if len(runs) == 1 else runs,
            "weights": [model.snapshot_hash for model in models],
            **_filter_settings(self.no_copies),
            **stroke_settings(self.strokes),
        }

    @property
    def trained_before(self) -> bool:
        """See Generator."""
        return True

    @property
    def trained_on(self) -> frozenset[str]:
        """See Generator."""
        return frozenset(one for model in self._models for one in model.stores_seen)

    @property
    def seen(self) -> frozenset[str] | None:
        """See Generator."""
        models = self._models
        if any("init_from" in model.data for model in models):
            return None  # a run does not record the classes of the run that it started from
        return frozenset(
            label
            for model in models
            for charset in charsets(model)
            for label in set(charset) - set(model.untrained)
        )

    def works_without_real(self, *, others: bool) -> bool:
        """See Generator."""
        return not get_kind(self._models[0].kind).needs_source

    def cost(self, run: Path, seed: int) -> Mapping[str, Any]:
        """See Generator."""
        return _cost(self._place(seed))

    def check(self, real: Store, run: Path, *, seed: int) -> None:
        """See Generator."""
        self._sampler(real, seed)

    @property
    def _models(self) -> list[Model]:
        return [find_model(place, "last") for place in self.places]

    def _place(self, seed: int) -> Path:
        return self.places[seed % len(self.places)]

    def _sampler(self, real: Store, seed: int) -> Sampler:
        place = self._place(seed)
        kind = get_kind(find_model(place, "last").kind, str(place))
        sampler = _load(place, kind, real, self.device, self.strokes)
        check_channels(sampler.channels, real.channels, str(place))
        return sampler

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
        sampler = self._sampler(real, seed)
        return _synthesize(sampler, real, out, self.no_copies, amount=amount, seed=seed, stop=stop)


def generator_facts(
    name: str,
    generator: Generator,
    charset: Charset,
    costs: Sequence[Mapping[str, Any] | None],
) -> GeneratorFacts:
    """What a lift says of a generator.

    Args:
        name: of the generator.
        generator: see Generator.
        charset: classes of the lift.
        costs: `cost` of each finished trial; None for a trial of an earlier version.
    """
    seen = generator.seen
    images, seconds = (
        [cost[key] for cost in costs if cost is not None and cost.get(key) is not None]
        for key in ("images", "seconds")
    )
    return GeneratorFacts(
        name=name,
        settings=dict(generator.settings),
        classes=len(charset),
        trained_before=generator.trained_before,
        classes_seen=None if seen is None else len(seen & set(charset)),
        images=round(fmean(images)) if images else None,
        seconds=round(fmean(seconds), 1) if seconds else None,
    )


def _load(
    place: Path, kind: GeneratorKind, real: Store, device: str, strokes: StrokeFile | None = None
) -> Sampler:
    """The sampler of a trial's classes."""
    options: dict[str, Any] = (
        {"charset": real.charset} if "charset" in kind.sampling_options else {}
    )
    return load_generator(
        place,
        source=real if kind.needs_source else None,
        device=device,
        strokes=None if strokes is None else strokes.data,
        **options,
    )


def _cost(place: Path) -> dict[str, Any]:
    log = [] if is_model(place) else Run(place).read_log()
    return {
        "images": find_model(place, "last").images,
        "seconds": last_logged(log, "seconds"),
    }


def _filter_settings(no_copies: bool) -> dict[str, bool]:
    return {"no_copies": True} if no_copies else {}


def _synthesize(
    sampler: Sampler, real: Store, out: Path, no_copies: bool, *, amount: int, seed: int, stop: Stop
) -> Store | None:
    control, sample_filter = Control(stop=stop), None
    if no_copies:
        sample_filter = NearCopyFilter.of(
            real, sampler.charset, size=sampler.size, channels=sampler.channels, control=control
        )
        if sample_filter is None:
            return None
    return synthesize(
        sampler, out, per_class=amount, seed=seed, sample_filter=sample_filter, control=control
    )
