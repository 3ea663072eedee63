"""The generators that a user named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hwgen.errors import InputError
from hwgen.experiments.lift.generators import (
    Generator,
    PretrainedGenerator,
    TrainedGenerator,
)
from hwgen.experiments.lift.simulated import SimulatedGenerator
from hwgen.experiments.lift.strokes import StrokeFile
from hwgen.generators.base import GeneratorKind, get_kind, kind_of_preset
from hwgen.runs import Run
from hwgen.runs.models import Model, is_model, run_or_model
from hwgen.runs.snapshots import find_model
from hwgen.schema import differences
from hwgen.sources.strokes.choice import stroke_data
from hwgen.sources.strokes.data import StrokeData
from hwgen.store import Store

SIMULATED = "simulated"
"""Name of simulated handwriting as a generator."""


def choose_generators(
    names: Sequence[str],
    train: Store,
    *,
    images: int | None = None,
    device: str = "auto",
    strokes: StrokeData | Path | str | None = None,
) -> dict[str, Generator]:
    """Generators by the names that trials have for them: "" for a single one.

    Args:
        names: at least one, see `choose_generator`.
        train: see there, as for the other arguments.
        images: see there.
        device: see there.
        strokes: see hwgen.sources.strokes.choice.stroke_data; None for those of each run, and
            those that come with hwgen for other generators; at least one must use what is given.

    Raises:
        HwgenError: see `choose_generator`.
        InputError: two generators have the same name; none of them uses the strokes.
    """
    file = None if strokes is None else StrokeFile.of(stroke_data(strokes), train.charset)
    chosen = [
        choose_generator(name, train, images=images, device=device, strokes=file) for name in names
    ]
    if strokes is not None and not any("strokes" in one.settings for one in chosen):
        raise InputError(
            f"--strokes has no effect on {', '.join(names)}",
            remedy="Leave it out, or add --generator simulated",
        )
    if len(names) == 1:
        return {"": chosen[0]}
    short = [_short_name(name) for name in names]
    if len(set(short)) < len(short):
        again = next(name for name in short if short.count(name) > 1)
        raise InputError(
            f"two generators have the name {again!r}, and tables could not tell them apart",
            remedy="Rename the directory of one of them",
        )
    return dict(zip(short, chosen, strict=True))


def choose_generator(
    name: str,
    train: Store,
    *,
    images: int | None = None,
    device: str = "auto",
    strokes: StrokeFile | None = None,
) -> Generator:
    """The generator that a user named.

    Args:
        name: a preset; or the path of a finished run or an exported model, or several of one
            recipe, separated by commas, such as runs of other seeds; or SIMULATED.
        train: store of the real samples.
        images: length of its training in images, or pairs; None for the preset's.
        device: "auto", "cpu", ...
        strokes: of the store's classes, for kinds that use them; None for those of the run, or
            those that come with hwgen.

    Raises:
        InputError: no such preset; a run that may have seen the test samples, or to which `images`
            does not apply; runs of different recipes.
        RunError: the run is damaged or not finished.
        CharsetError: a class has no strokes.
    """
    places = _places(name)
    if places:
        return _pretrained(name, places, train, images, device, strokes)
    if name == SIMULATED:
        return SimulatedGenerator(strokes or _default_strokes(train))
    kind = kind_of_preset(name)
    used = (strokes or _default_strokes(train)) if "strokes" in kind.options else None
    changes = {} if images is None else _length(kind, name, images)
    return TrainedGenerator(kind, kind.recipe(name, changes), device, strokes=used)


def _pretrained(
    name: str,
    places: tuple[Path, ...],
    train: Store,
    images: int | None,
    device: str,
    strokes: StrokeFile | None,
) -> PretrainedGenerator:
    if images is not None:
        raise InputError(
            "is trained already, so --generator-images has no effect",
            where=name,
            remedy="Leave --generator-images out",
        )
    found = [run_or_model(place) for place in places]
    for one, place in zip(found, places, strict=True):
        kinds = [f"kind: {found[0].kind} -> {one.kind}"] if one.kind != found[0].kind else []
        if lines := kinds or differences(_recipe(found[0], places[0]), _recipe(one, place)):
            raise InputError(
                f"was trained by another recipe than {places[0]}",
                where=str(place),
                details=lines,
                remedy="Give runs of one recipe and other seeds, or repeat --generator",
            )
        _check_trained(one, str(place))
    kind = get_kind(found[0].kind, name)
    used = strokes if "strokes" in kind.sampling_options else None
    generator = PretrainedGenerator(places, device, strokes=used)
    for seed in range(len(places)):  # fails now rather than after an hour
        replace(generator, device="cpu").check(train, places[seed], seed=seed)
    return generator


def _recipe(trained: Run | Model, place: Path) -> dict[str, Any]:
    """Its recipe with the length that its weights had, since that of a run can be changed."""
    return {**trained.recipe, "images": find_model(place, "last").images}


def _check_trained(trained: Run | Model, where: str) -> None:
    """Refuse runs that cannot make samples of other classes, or may have seen the test samples."""
    kind = get_kind(trained.kind, where)
    if not kind.needs_source and "charset" not in kind.sampling_options:
        raise InputError(
            f"is a run of a {kind.title}, which may have seen more samples than the recogniser "
            "does",
            where=where,
            remedy=f"Give its preset instead: --generator {trained.recipe.get('preset', 'PRESET')}",
        )
    if not trained.data.get("content_sha256"):
        raise InputError(
            "does not record its training data, which may include the test samples",
            where=where,
            remedy="Give a run of hwgen train, or a model exported from one",
        )


def named_models(name: str) -> tuple[Model, ...]:
    """The last snapshots of the runs and models that a name stands for; () if of none."""
    return tuple(find_model(place, "last") for place in _places(name))


def _places(name: str) -> tuple[Path, ...]:
    """The runs and models that a name stands for; () if it is not the path of any."""
    for parts in ([name], name.split(",")):
        places = [Path(part) for part in parts]
        if any((place / "run.json").is_file() or is_model(place) for place in places):
            return tuple(places)
    return ()


def _short_name(name: str) -> str:
    """`refiner-s0+refiner-s1` for paths of these runs; other names as they are."""
    return "+".join(place.resolve().name for place in _places(name)) or name


def _default_strokes(train: Store) -> StrokeFile:
    return StrokeFile.of(stroke_data(), train.charset)


def _length(kind: GeneratorKind, preset: str, images: int) -> dict[str, str]:
    if "every" not in kind.options:
        return {"images": str(images)}
    return {"images": str(images), "every": str(min(kind.presets[preset].every, images))}
