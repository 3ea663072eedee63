"""Generators that make the synthetic samples of a trial from its real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hwgen.errors import InputError
from hwgen.generators.base import GeneratorKind, get_kind, kind_of_preset, load_generator
from hwgen.generators.samplers import Sampler
from hwgen.progress import Control
from hwgen.runs.models import is_model, run_or_model
from hwgen.runs.snapshots import find_model
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
    """

    kind: GeneratorKind
    recipe: Any
    device: str = "auto"
    no_copies: bool = False

    @property
    def settings(self) -> Mapping[str, Any]:
        """See Generator."""
        recipe = self.kind.recipe_to_json(self.recipe)
        return {"kind": self.kind.name, "recipe": recipe, **_filter_settings(self.no_copies)}

    @property
    def trained_on(self) -> str | None:
        """See Generator."""
        return None

    def check(self, real: Store, run: Path, *, seed: int) -> None:
        """See Generator."""
        self.kind.check(real, run, self.recipe, seed=seed, device=self.device)

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
        source = real if self.kind.needs_source else None
        sampler = load_generator(run, source=source, device=self.device)
        return _synthesize(sampler, real, out, self.no_copies, amount=amount, seed=seed, stop=stop)


@dataclass(frozen=True)
class PretrainedGenerator:
    """A generator trained before, on other samples, that changes the real samples.

    Attributes:
        place: a finished run, or a model exported from one.
        device: "auto", "cpu", ...
        no_copies: replace samples that are too near to a real sample of the trial.
    """

    place: Path
    device: str = "auto"
    no_copies: bool = False

    @property
    def settings(self) -> Mapping[str, Any]:
        """See Generator."""
        model = find_model(self.place, "last")
        return {
            "kind": f"{model.kind} learnt before",
            "run": model.run,
            "weights": [model.snapshot_hash],
            **_filter_settings(self.no_copies),
        }

    @property
    def trained_on(self) -> str | None:
        """See Generator."""
        return find_model(self.place, "last").content_sha256 or None

    def check(self, real: Store, run: Path, *, seed: int) -> None:
        """See Generator."""
        load_generator(self.place, source=real, device=self.device)

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
        sampler = load_generator(self.place, source=real, device=self.device)
        return _synthesize(sampler, real, out, self.no_copies, amount=amount, seed=seed, stop=stop)


def choose_generator(
    name: str, train: Store, *, images: int | None = None, device: str = "auto"
) -> TrainedGenerator | PretrainedGenerator:
    """The generator that a user named.

    Args:
        name: a preset, or the path of a finished run or an exported model.
        train: store of the real samples.
        images: length of its training in images, or pairs; None for the preset's.
        device: "auto", "cpu", ...

    Raises:
        InputError: no such preset; a run that may have seen the test samples, or to which `images`
            does not apply; a kind that needs more than real samples.
        RunError: the run is damaged or not finished.
    """
    place = Path(name)
    if not (place / "run.json").is_file() and not is_model(place):
        kind = kind_of_preset(name)
        _check_possible(kind, name)
        changes = {} if images is None else _length(kind, name, images)
        return TrainedGenerator(kind, kind.recipe(name, changes), device)
    if images is not None:
        raise InputError(
            "is trained already, so --generator-images has no effect",
            where=name,
            remedy="Leave --generator-images out",
        )
    trained = run_or_model(place)
    kind = get_kind(trained.kind, name)
    _check_possible(kind, name)
    if not kind.needs_source:
        raise InputError(
            f"is a run of a {kind.title}, which may have seen more samples than the recogniser "
            "does",
            where=name,
            remedy=f"Give its preset instead: --generator {trained.recipe.get('preset', 'PRESET')}",
        )
    if not trained.data.get("content_sha256"):
        raise InputError(
            "does not record its training data, which may include the test samples",
            where=name,
            remedy="Give a run of hwgen train, or a model exported from one",
        )
    load_generator(place, source=train, device="cpu")  # fails now rather than after an hour
    return PretrainedGenerator(place, device)


def _check_possible(kind: GeneratorKind, name: str) -> None:
    """Refuse kinds that cannot be trained from the real samples of a trial alone."""
    if kind.required:
        raise InputError(
            f"a {kind.title} needs {', '.join(sorted(kind.required))}, which hwgen lift cannot "
            "give it yet",
            where=name,
            remedy="Make a store with hwgen train and hwgen synthesize, and measure it with hwgen "
            "benchmark --synthetic STORE",
        )


def _length(kind: GeneratorKind, preset: str, images: int) -> dict[str, str]:
    if "every" not in kind.options:
        return {"images": str(images)}
    return {"images": str(images), "every": str(min(kind.presets[preset].every, images))}


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
