"""Which classes of a store a refiner is trained on, and which it leaves out."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.generators.refiner.recipe import RefinerRecipe
from hwgen.imaging.contact_sheets import evenly_spaced
from hwgen.store import Store

MIN_CLASSES = 2
"""Smallest number of classes to train on; one is enough beside other samples, see `classes_of`."""

_SHOWN = 40

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Classes:
    """The classes of a training store by their use, class ids int64.

    Attributes:
        trained: with strokes and records, trained on.
        held_out: likewise, but only sampled for grids and scores.
        without_strokes: with records but no strokes, left out.
    """

    trained: Ids
    held_out: Ids
    without_strokes: Ids

    @property
    def shown(self) -> Ids:
        """Those of grids and scores: held-out ones, or all where none are held out."""
        return self.held_out if len(self.held_out) else self.trained

    def some_shown(self, most: int) -> Ids:
        """At most `most` of `shown`, evenly spaced in the charset."""
        return self.shown[evenly_spaced(len(self.shown), min(most, len(self.shown)))]

    def labels(self, charset: Charset) -> dict[str, list[str]]:
        """The labels that are not trained on, for a run's log.

        Those that are held out, those without strokes and, if there are any, those without records.
        """
        filled = np.concatenate([self.trained, self.held_out, self.without_strokes])
        empty = np.setdiff1d(np.arange(len(charset)), filled)
        return {
            name: [charset[number] for number in ids.tolist()]
            for name, ids in (
                ("held_out", self.held_out),
                ("without_strokes", self.without_strokes),
                *([("without_records", empty)] if len(empty) else []),
            )
        }

    def in_words(self, store: Store) -> list[tuple[str, str]]:
        """Names and figures, to print."""
        return [
            ("classes to train on", f"{len(self.trained):,}"),
            ("classes held out for grids and scores", _named(store, self.held_out)),
            ("classes left out, without strokes", _named(store, self.without_strokes)),
        ]

    def warning(self, store: Store) -> str:
        """What to tell a user before training; "" if no class is left out."""
        if not len(self.without_strokes):
            return ""
        return (
            f"{len(self.without_strokes):,} of the {len(store.charset):,} classes have no strokes "
            f"and are left out: {_names(store, self.without_strokes)}"
        )


def classes_of(
    store: Store, recipe: RefinerRecipe, known: Set[str], *, few: bool = False
) -> Classes:
    """Which classes of a store a refiner is trained on.

    Args:
        store: to train on.
        recipe: its fraction `held_out` is spread evenly over the charset.
        known: characters that have strokes.
        few: the run also learns from other samples, of another store or an earlier run, so that
            one class is enough; the number of held-out classes is rounded down, not up.

    Raises:
        InputError: fewer than MIN_CLASSES classes have strokes and records.
    """
    least = 1 if few else MIN_CLASSES
    filled = np.flatnonzero(store.manifest.class_counts)
    written = np.array([label in known for label in store.charset], bool)
    usable = filled[written[filled]]
    fraction = recipe.held_out * len(usable)
    wanted = min(int(fraction if few else np.ceil(fraction)), len(usable) - least)
    if wanted < 0:
        raise InputError(
            f"{len(usable)} of the {len(filled)} classes with records have strokes; a refiner "
            f"needs at least {least} to learn from",
            where=str(store.path),
            remedy="Give --strokes of these characters, or a store of other characters",
        )
    held_out = usable[evenly_spaced(len(usable), wanted)] if wanted else usable[:0]
    return Classes(np.setdiff1d(usable, held_out), held_out, filled[~written[filled]])


def _named(store: Store, class_ids: Ids) -> str:
    return f"{len(class_ids):,}: {_names(store, class_ids)}" if len(class_ids) else "none"


def _names(store: Store, class_ids: Ids) -> str:
    labels = [store.charset[number] for number in class_ids[:_SHOWN].tolist()]
    shown = ("" if all(len(label) == 1 for label in labels) else ", ").join(labels)
    return shown + ("…" if len(class_ids) > _SHOWN else "")
