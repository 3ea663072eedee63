from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.generators.refiner.classes import classes_of
from hwgen.generators.refiner.recipe import RefinerRecipe
from hwgen.record import Record
from hwgen.store import Store, StoreWriter

LABELS = [chr(0x4E00 + n) for n in range(50)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """50 classes with a record each, but for the last."""
    with StoreWriter(tmp_path / "store", size=16, recipe={}) as writer:
        for number, label in enumerate(LABELS[:-1]):
            writer.add(Record(np.full((16, 16), 255, np.uint8), label, "", "", number))
        return writer.finish(charset=Charset(tuple(LABELS)), origin={})


def test_held_out_classes_are_spread_over_those_with_strokes(
    store: Store, recipe: RefinerRecipe
) -> None:
    found = classes_of(store, replace(recipe, held_out=0.1), {*LABELS[::2], "龘"})
    assert len(found.held_out) == 3  # a tenth of 25, rounded up
    assert len(found.trained) == 22
    used = np.concatenate([found.trained, found.held_out])
    assert sorted(used.tolist()) == list(range(0, 50, 2))
    assert found.held_out.max() - found.held_out.min() > 24
    assert found.without_strokes.tolist() == list(range(1, 49, 2))  # the last has no record
    assert found.shown.tolist() == found.held_out.tolist()
    assert len(found.some_shown(2)) == 2
    assert set(found.some_shown(99).tolist()) == set(found.held_out.tolist())


def test_without_held_out_classes_those_trained_on_are_shown(
    store: Store, recipe: RefinerRecipe
) -> None:
    found = classes_of(store, replace(recipe, held_out=0.0), set(LABELS))
    assert len(found.held_out) == 0
    assert found.shown.tolist() == found.trained.tolist() == list(range(49))
    assert found.warning(store) == ""
    assert dict(found.in_words(store))["classes left out, without strokes"] == "none"


def test_two_classes_are_always_left_to_train_on(store: Store, recipe: RefinerRecipe) -> None:
    found = classes_of(store, replace(recipe, held_out=0.9), set(LABELS[:3]))
    assert (len(found.trained), len(found.held_out)) == (2, 1)


@pytest.mark.parametrize("known", [set(), {"龘"}, {LABELS[0]}, {LABELS[0], LABELS[-1]}])
def test_too_few_classes_are_refused(store: Store, recipe: RefinerRecipe, known: set[str]) -> None:
    count = len(known & set(LABELS[:-1]))
    with pytest.raises(InputError, match=f"{count} of the 49 classes with records have strokes"):
        classes_of(store, recipe, known)


def test_classes_without_strokes_are_named(store: Store, recipe: RefinerRecipe) -> None:
    found = classes_of(store, recipe, set(LABELS[:40]))
    assert found.warning(store) == (
        "9 of the 50 classes have no strokes and are left out: " + "".join(LABELS[40:49])
    )
    many = classes_of(store, recipe, set(LABELS[:4])).warning(store)
    assert many.endswith("".join(LABELS[4:44]) + "…")


@pytest.mark.parametrize(
    ("classes", "fraction", "held_out"), [(1, 0.9, 0), (2, 0.4, 0), (20, 0.05, 1)]
)
def test_a_run_that_starts_from_another_needs_one_class_and_holds_out_few(
    store: Store, recipe: RefinerRecipe, classes: int, fraction: float, held_out: int
) -> None:
    adapted = replace(recipe, held_out=fraction)
    found = classes_of(store, adapted, set(LABELS[:classes]), few=True)
    assert (len(found.trained), len(found.held_out)) == (classes - held_out, held_out)
    with pytest.raises(InputError, match="at least 1 to learn from"):
        classes_of(store, adapted, {LABELS[-1]}, few=True)
