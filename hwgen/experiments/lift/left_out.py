"""Classes that a lift leaves out, since a generator has no strokes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path

import numpy as np

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.experiments.lift.choice import SIMULATED, named_models
from hwgen.experiments.lift.plan import Experiment
from hwgen.experiments.lift.subsets import write_subset
from hwgen.generators.base import get_kind, kind_of_preset
from hwgen.io.locks import file_lock
from hwgen.results.lift import Lift
from hwgen.sources.strokes.choice import stroke_data
from hwgen.sources.strokes.data import StrokeData
from hwgen.store import Store


def without_strokes(
    charset: Charset, names: Sequence[str], strokes: StrokeData | Path | str | None = None
) -> tuple[str, ...]:
    """The classes that some generator cannot write; () if none would be left without them.

    Args:
        charset: all classes.
        names: of the generators, see hwgen.experiments.lift.choice.choose_generators.
        strokes: see there.

    Raises:
        HwgenError: see there.
    """
    kept = set(charset)
    for characters in _characters(names, strokes):
        kept &= characters
    return tuple(label for label in charset if label not in kept) if kept else ()


def without_rare(experiment: Experiment, labels: Sequence[str]) -> Experiment:
    """The experiment without these classes among its rare ones.

    Raises:
        InputError: no named one is left.
    """
    rare = tuple(label for label in experiment.rare if label not in labels)
    if experiment.rare and not rare:
        raise InputError(
            f"none of the rare classes has strokes: {''.join(experiment.rare):.60}",
            remedy="Name others as --rare, or give other --strokes",
        )
    return replace(experiment, rare=rare)


def leave_out(train: Store, test: Store, labels: Sequence[str], out: Path) -> tuple[Store, Store]:
    """Both stores without these classes, in the lift's directory; those given, without labels.

    Args:
        train: store of the real samples.
        test: the other one, of the same charset.
        labels: some of its classes.
        out: directory of the lift; stores that it has are not written again.

    Raises:
        CharsetError: a store does not have such a class.
        RunError: `out` is something else.
        RecipeChangedError: it has stores of other samples.
        StoreError: writing fails.
    """
    if not labels:
        return train, test
    Lift.check_folder(out)
    # Several processes may share the directory.
    with file_lock(out / "locks" / "left-out.lock", wait=True):
        first, second = (
            _without(store, labels, out / "draws" / f"{name}.store")
            for name, store in (("train", train), ("test", test))
        )
    return first, second


def _without(store: Store, labels: Sequence[str], out: Path) -> Store:
    ids = store.charset.ids(labels)
    others = store.charset.subset(sorted(set(range(len(store.charset))) - set(ids)))
    records = np.flatnonzero(~np.isin(store.labels, ids))
    return write_subset(store, records, out, charset=others)


def _characters(
    names: Sequence[str], strokes: StrokeData | Path | str | None
) -> Iterator[Set[str]]:
    """The characters of each generator that writes those that it has strokes of."""
    for name in names:
        models = named_models(name)
        for model in models:
            kind = get_kind(model.kind, str(model.folder))
            if "charset" in kind.sampling_options:
                given = {} if strokes is None else {"strokes": strokes}
                yield kind.characters(model, **given)
        if not models and (name == SIMULATED or "strokes" in kind_of_preset(name).options):
            yield stroke_data(strokes).characters()


def in_words(labels: Sequence[str], classes: int) -> str:
    """`10 of 89 classes are left out, since they have no strokes: ...`."""
    one = len(labels) == 1
    return (
        f"{len(labels):,} of {classes:,} classes {'is' if one else 'are'} left out, since "
        f"{'it has' if one else 'they have'} no strokes: {''.join(labels)}"
    )
