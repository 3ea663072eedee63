"""What a kind of generator provides, and the registry of all kinds.

A new kind is one package that defines a GeneratorKind, and one line in KINDS. Commands, synthesis,
reports and exports look kinds up here and know none of them by name. Kinds that are trained against
a discriminator share hwgen.generators.adversarial. Importing this module, or a kind's own module,
imports no torch, so that `hwgen --help` can list all presets.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwgen.errors import InputError, RunError
from hwgen.generators.built_in import is_built_in, load_built_in
from hwgen.generators.descriptions import CardTexts, Description, ReferenceTable
from hwgen.progress import NO_CONTROL, Control
from hwgen.suggestions import suggest

if TYPE_CHECKING:
    from hwgen.charset import Charset
    from hwgen.compute.distributed import Ranks
    from hwgen.generators.samplers import Sampler
    from hwgen.runs import Run
    from hwgen.runs.models import Model
    from hwgen.sources.strokes.data import StrokeData
    from hwgen.store import Store


@dataclass(frozen=True)
class GeneratorKind(ABC):
    """One kind of generator: how to train it, load it, sample from it and describe it.

    Attributes:
        name: Run.kind of its runs.
        title: what it is called in texts, such as "GAN".
        unit: what training counts: "images" or "pairs".
        options: settings of `train` and `recipe` beyond those that every kind has.
        loss_fields: fields of the log that every line about the losses has.
        needs_source: sampling changes the images of a store, which `load` must be given.
        sampling_options: options of `load` beyond those that every kind has.
        companions: names of files in the run directory that sampling needs besides a snapshot.
        distributed: several processes can train one run.
        has_grids: training writes grids of samples.
        has_onnx: the loaded sampler is a NoiseSampler.
    """

    name: str
    title: str
    unit: str = "images"
    options: frozenset[str] = field(default_factory=frozenset)
    loss_fields: tuple[str, ...] = ("loss",)
    needs_source: bool = False
    sampling_options: frozenset[str] = field(default_factory=frozenset)
    companions: tuple[str, ...] = ()
    distributed: bool = False
    has_grids: bool = False
    has_onnx: bool = False

    @property
    @abstractmethod
    def presets(self) -> Mapping[str, Any]:
        """Named recipes."""

    @property
    @abstractmethod
    def about(self) -> Mapping[str, str]:
        """What each preset is for."""

    @abstractmethod
    def recipe(self, name: str, changes: Mapping[str, str]) -> Any:
        """A preset with fields replaced by texts, such as {"batch": "32", "loss.a": "-1"}.

        Every kind takes "images" (or pairs, in total), "batch" and "lr".

        Raises:
            InputError: a field is unknown, or its value of the wrong type or out of range.
        """

    def recipe_to_continue(self, value: Mapping[str, Any], changes: Mapping[str, str]) -> Any:
        """The recipe with which a run is continued on other samples, by the option "init_from".

        Args:
            value: recipe of that run, plain JSON.
            changes: see `recipe`.

        Raises:
            InputError: see `recipe` and `recipe_from_json`, or the kind starts from no other run.
        """
        raise InputError(
            f"expected a run of a GAN or a refiner to start from, found a {self.title}",
            remedy="Train a new one without --init-from",
        )

    @abstractmethod
    def recipe_to_json(self, recipe: Any) -> dict[str, Any]:
        """A recipe as plain JSON."""

    @abstractmethod
    def recipe_from_json(self, value: Mapping[str, Any]) -> Any:
        """The recipe that `recipe_to_json` wrote; fields added since then get their defaults.

        Raises:
            InputError: a field is unknown, of the wrong type or out of range.
        """

    @abstractmethod
    def parameters(self, recipe: Any, classes: int) -> Mapping[str, int]:
        """Number of parameters of each network, by its name, such as "G"."""

    @abstractmethod
    def plan(self, recipe: Any, store: Store, **options: Any) -> Sequence[tuple[str, str]]:
        """What training will take, in words: parameters, steps, memory.

        Args:
            recipe: see `recipe`.
            store: labelled images.
            options: those of `train`.

        Raises:
            InputError: an option is missing, or does not fit the store.
        """

    def warning(self, recipe: Any, store: Store, **options: Any) -> str:
        """What to tell a user before training, such as classes that are left out; "" for nothing.

        The arguments and errors are those of `plan`.
        """
        return ""

    @abstractmethod
    def check(
        self,
        store: Store,
        out: Path,
        recipe: Any,
        *,
        seed: int = 0,
        device: str = "auto",
        ranks: Ranks | None = None,
        **options: Any,
    ) -> None:
        """Refuse what `train` would refuse before its first step; write nothing.

        See `train` for the arguments.
        """

    @abstractmethod
    def train(
        self,
        store: Store,
        out: Path,
        recipe: Any,
        *,
        seed: int = 0,
        device: str = "auto",
        control: Control = NO_CONTROL,
        ranks: Ranks | None = None,
        **options: Any,
    ) -> Run:
        """Train a recipe on a store, or resume the run that the same call began.

        Args:
            store: labelled images.
            out: run directory.
            recipe: see `recipe`.
            seed: of weights, data order and noise.
            device: "auto", "cpu", "cuda", ...
            control: progress in `unit`; when stopped, the same call resumes.
            ranks: the processes of a distributed training; None for one.
            options: only those in `options`.
        """

    @abstractmethod
    def load(
        self,
        model: Model,
        *,
        device: str = "auto",
        source: Store | None = None,
        **options: Any,
    ) -> Sampler:
        """The sampler of a model.

        Args:
            model: weights and recipe.
            device: "auto", "cpu", "cuda", ...
            source: images to change, if `needs_source`.
            options: only those in `sampling_options`.

        Raises:
            RunError: the weights do not fit the recipe.
            InputError: the recipe is invalid, or the source does not fit the model.
        """

    def characters(self, model: Model, **options: Any) -> Set[str]:
        """The labels that the sampler of a model can make, which may be more than its charset.

        The arguments and errors are those of `load`.
        """
        return frozenset(model.charset)

    @abstractmethod
    def describe(self, run: Run) -> Description:
        """What a report says of a run of this kind."""

    @abstractmethod
    def card(self, model: Model, name: str) -> CardTexts:
        """What a model card says of a model in a folder of this name."""

    @abstractmethod
    def reference_tables(self, classes: int) -> Sequence[ReferenceTable]:
        """The presets, with parameters counted for so many classes, and what recipes refer to."""


KINDS: dict[str, str | GeneratorKind] = {
    "gan": "hwgen.generators.gan.kind",
    "refiner": "hwgen.generators.refiner.kind",
    "deformation": "hwgen.generators.deformation.kind",
}
"""Name -> the module with its GeneratorKind as KIND, imported when needed, or the kind itself."""


REMOVED_PRESETS: dict[str, str] = {
    "few-shot-32": "For few samples per class use refiner-32, or continue a trained run on them: "
    "hwgen train STORE --init-from RUN. Runs of it can still be sampled, evaluated and reported",
}
"""Presets of earlier versions -> what to use instead."""


def all_kinds() -> list[GeneratorKind]:
    """Every registered kind."""
    return [get_kind(name) for name in KINDS]


def get_kind(name: str, where: str = "") -> GeneratorKind:
    """The kind of this name.

    Args:
        name: a Run's or a Model's kind.
        where: path of the run or model, for the error.

    Raises:
        RunError: no such kind.
    """
    if name not in KINDS:
        raise RunError(
            f"is of kind {name!r:.40}, which this version of hwgen does not have; it has "
            f"{', '.join(KINDS)}",
            where=where,
        )
    entry = KINDS[name]
    if isinstance(entry, GeneratorKind):
        return entry
    kind: GeneratorKind = importlib.import_module(entry).KIND
    return kind


def kind_of_preset(preset: str) -> GeneratorKind:
    """The kind that has a preset of this name.

    Raises:
        InputError: no such preset; near names are suggested, or what to use instead of a removed
            one.
    """
    kinds = all_kinds()
    for kind in kinds:
        if preset in kind.presets:
            return kind
    if preset in REMOVED_PRESETS:
        raise InputError(
            f"preset {preset!r} was removed, because its samples helped no recogniser",
            remedy=REMOVED_PRESETS[preset],
        )
    names = [name for kind in kinds for name in kind.presets]
    raise InputError(f"no preset {preset!r}", remedy=suggest(preset, names))


def requested_classes(
    place: Path | str, spec: str | None, strokes: StrokeData | Path | None = None
) -> Charset | None:
    """The classes that a user asks of a generator that is not limited to those of its run.

    Args:
        place: a run directory, a model folder, or a name in BUILT_IN.
        spec: see hwgen.charset.select_classes; None if the user did not say.
        strokes: of a generator in BUILT_IN.

    Returns:
        None where `spec` is None or selects among the sampler's own classes.

    Raises:
        RunError: no run or model is there.
        InputError: see hwgen.charset.select_classes; or a generator in BUILT_IN needs a `spec`.
    """
    from hwgen.charset import parse_charset, parse_count, select_classes

    if is_built_in(place):
        known = load_generator(place, strokes=strokes).charset
        if spec is None:
            raise InputError(
                f"the generator {str(place)!r} makes any of {len(known):,} characters",
                remedy="Say which: --classes 永和九年, --classes 100 (everyday ones first), "
                "--classes gb2312-1, or a file. With a trained generator, give RUN",
            )
    elif spec is None:
        return None
    else:
        from hwgen.runs.models import run_or_model  # imports torch

        found = run_or_model(Path(place))
        if "charset" not in get_kind(found.kind, str(place)).sampling_options:
            return None
        known = found.charset
    if parse_count(spec) is None:
        return parse_charset(spec, known=known)
    return known.subset(select_classes(spec, known))


def load_generator(
    place: Run | Path | str,
    *,
    snapshot: str = "last",
    source: Store | Path | str | None = None,
    device: str = "auto",
    **options: Any,
) -> Sampler:
    """Load a generator: `load_generator("runs/first")`, or `load_generator("simulated")`.

    Args:
        place: a run, its directory, or a model folder of `hwgen export-model`; or "simulated", the
            simulator, which needs no training, see hwgen.generators.simulated.sampling.load.
        snapshot: "last", "best" (needs scores), or the number of images of a snapshot.
        source: store of images to change, or its path, for kinds that change images and only for
            them.
        device: "auto", "cpu", "cuda", ...
        options: see GeneratorKind.sampling_options; None counts as not given.

    Raises:
        RunError: no such run, snapshot or model, or a damaged one.
        InputError: a source or an option is missing or not needed, or does not fit the model.
        CharsetError: lists the classes that have no strokes.
    """
    where = str(getattr(place, "path", place))
    given = {name: value for name, value in options.items() if value is not None}
    if is_built_in(place):
        return load_built_in(where, snapshot=snapshot, source=source, options=given)

    from hwgen.runs.models import run_or_model  # imports torch
    from hwgen.runs.snapshots import find_model
    from hwgen.store import open_store

    kind = get_kind(run_or_model(Path(where)).kind, where)
    if kind.needs_source and source is None:
        raise InputError(
            f"a {kind.title} changes existing images and was given none",
            where=where,
            remedy="Give a store: --real STORE, in Python source=STORE",
        )
    if source is not None and not kind.needs_source:
        raise InputError(
            f"a {kind.title} does not change existing images",
            where=where,
            remedy="Leave out --real (source)",
        )
    others = sorted(given.keys() - kind.sampling_options)
    if others:
        raise InputError(
            f"{', '.join(f'--{name}' for name in others)}: a {kind.title} does not take this",
            where=where,
            remedy="Leave it out",
        )
    store = None if source is None else open_store(source)
    return kind.load(find_model(place, snapshot), device=device, source=store, **given)
