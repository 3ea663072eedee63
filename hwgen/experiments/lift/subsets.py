"""In: real samples, how many a class, a seed. Out: a store of so few, and one of held-out ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwgen.errors import InputError, RecipeChangedError
from hwgen.store import Store, StoreWriter, is_store, sweep

Ids = npt.NDArray[np.int64]

ALL = 0
"""As a number of samples: all that there are."""


def held_out(labels: Ids, per_class: int) -> npt.NDArray[np.bool_]:
    """Which records are kept from every draw, to choose settings by: bool [N], the same always.

    Args:
        labels: class ids, int64 [N].
        per_class: how many of each class; of a class of less than three times as many, a third.
    """
    kept = np.zeros(len(labels), bool)
    for class_id in np.unique(labels).tolist():
        own = np.flatnonzero(labels == class_id)
        rng = np.random.default_rng((class_id, per_class))
        kept[rng.permutation(own)[: min(per_class, len(own) // 3)]] = True
    return kept


def choose(labels: Ids, free: npt.NDArray[np.bool_], counts: Ids, seed: int) -> Ids:
    """Record numbers of a draw, in the order of the store.

    A larger draw of the same seed holds the smaller one.

    Args:
        labels: class ids, int64 [N].
        free: which records may be drawn, bool [N].
        counts: how many of each class, int64 [classes]; ALL takes all that are free.
        seed: another seed is another draw.

    Raises:
        InputError: a class has too few free records.
    """
    chosen = []
    for class_id, count in enumerate(counts.tolist()):
        own = np.flatnonzero((labels == class_id) & free)
        if count > len(own):
            raise InputError(
                f"{count} samples of class {class_id} are to be drawn, {len(own)} are there",
                remedy="Ask for fewer, or hold fewer out",
            )
        rng = np.random.default_rng((seed, class_id))
        chosen.append(rng.permutation(own)[: count or len(own)])
    return np.sort(np.concatenate(chosen))


def rare_classes(labels: Ids, classes: int) -> npt.NDArray[np.bool_]:
    """The classes with less than 0.6 times as many records as the largest: bool [classes].

    Raises:
        InputError: there are none, or nothing else.
    """
    counts = np.bincount(labels, minlength=classes)
    rare: npt.NDArray[np.bool_] = counts < 0.6 * counts.max()
    if not rare.any():
        raise InputError(
            "no class has clearly fewer records than the largest, so that none is rare",
            remedy="Choose another protocol",
        )
    return rare


def write_subset(store: Store, records: Sequence[int] | Ids, out: Path) -> Store:
    """Some records of a store as a store of their own, with the whole charset; made once.

    Raises:
        RecipeChangedError: another subset is at `out`.
        StoreError: something else is there.
    """
    numbers = np.asarray(records, np.int64)
    origin = {
        "kind": "subset",
        "of": store.manifest.content_sha256,
        "of_origin": store.manifest.origin,
        "records": len(numbers),
        "records_sha256": hashlib.sha256(numbers.tobytes()).hexdigest(),
    }
    if is_store(out):
        there = Store(out)
        if there.manifest.origin != json.loads(json.dumps(origin)):
            raise RecipeChangedError(
                "holds other samples than these settings draw",
                where=str(out),
                remedy="Give another --out, or the options that it was begun with",
            )
        sweep(out)
        return there
    with StoreWriter(out, size=store.size, channels=store.channels, recipe=origin) as writer:
        for number in numbers.tolist():
            writer.add(store.record(number))
        writer.finish(charset=store.charset, origin=origin)
    return Store(out)
