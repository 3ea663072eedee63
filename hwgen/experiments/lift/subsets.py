"""Random subsets of a store: a few samples per class, and held-out samples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.errors import InputError, RecipeChangedError
from hwgen.results.lift import NONE
from hwgen.store import Store, StoreWriter, is_store, remove_leftovers

Ids = npt.NDArray[np.int64]


def held_out(labels: Ids, per_class: int) -> npt.NDArray[np.bool_]:
    """Records that no trial trains on, to choose settings on; always the same.

    Args:
        labels: class ids, int64 [N].
        per_class: records of each class; a third of a class with fewer than three times as many.

    Returns:
        bool [N].
    """
    chosen = np.zeros(len(labels), bool)
    for class_id in np.unique(labels).tolist():
        own = np.flatnonzero(labels == class_id)
        rng = np.random.default_rng((class_id, per_class))
        chosen[rng.permutation(own)[: min(per_class, len(own) // 3)]] = True
    return chosen


def choose(
    labels: Ids, free: npt.NDArray[np.bool_], counts: Ids, seed: int, charset: Charset
) -> Ids:
    """Record numbers of a random subset, in the order of the store.

    With the same seed a larger subset contains the smaller one.

    Args:
        labels: class ids, int64 [N].
        free: records to choose from, bool [N].
        counts: records of each class, int64 [classes]; ALL takes all that are free, NONE none.
        seed: random seed.
        charset: of the class ids.

    Raises:
        InputError: a class has too few free records.
    """
    chosen = [np.empty(0, np.int64)]
    for class_id, count in enumerate(counts.tolist()):
        own = np.flatnonzero((labels == class_id) & free)
        if count == NONE:
            continue
        if count > len(own):
            raise InputError(
                f"expected {count} samples of {charset[class_id]}, found {len(own)} "
                "that are not held out",
                remedy="Lower --real-per-class or --held-out-per-class",
            )
        rng = np.random.default_rng((seed, class_id))
        chosen.append(rng.permutation(own)[: count or len(own)])
    return np.sort(np.concatenate(chosen))


def rare_classes(labels: Ids, charset: Charset, named: Sequence[str] = ()) -> npt.NDArray[np.bool_]:
    """Which classes are rare: bool [classes].

    Args:
        labels: class ids of all records, int64 [N].
        charset: of the class ids.
        named: labels of the rare classes; without any, these are the classes with less than 0.6
            times as many records as the largest.

    Raises:
        InputError: no class is rare, or no record is of a common class.
        CharsetError: lists every label that is not in the charset.
    """
    counts = np.bincount(labels, minlength=len(charset))
    rare: npt.NDArray[np.bool_] = counts < 0.6 * counts.max()
    if named:
        rare[:] = False
        rare[charset.ids(named)] = True
    if not rare.any():
        raise InputError(
            "no class has less than 0.6 times as many samples as the largest, so none is rare",
            remedy="Name the rare classes as --rare, or use the few-shot experiment",
        )
    if not counts[~rare].any():
        raise InputError(
            f"all classes with samples are rare ({rare.sum()} of {len(rare)} classes), but the "
            "experiment compares rare classes with common ones",
            remedy="Name fewer as --rare, or use the few-shot experiment",
        )
    return rare


def write_subset(
    store: Store, records: Sequence[int] | Ids, out: Path, *, charset: Charset | None = None
) -> Store:
    """Write some records to a store of their own, unless it exists.

    Args:
        store: with the records.
        records: their numbers.
        out: the new store.
        charset: of the new store; None for that of the other one.

    Raises:
        RecipeChangedError: `out` is another subset.
        StoreError: `out` is something else.
    """
    numbers = np.asarray(records, np.int64)
    origin = {
        "kind": "subset",
        "of": store.manifest.content_sha256,
        "of_origin": store.manifest.origin,
        "records": len(numbers),
        "records_sha256": hashlib.sha256(numbers.tobytes()).hexdigest(),
        **({} if charset is None else {"charset": charset.fingerprint}),
    }
    if is_store(out):
        there = Store(out)
        if there.manifest.origin != json.loads(json.dumps(origin)):
            raise RecipeChangedError(
                "contains a subset of other settings",
                where=str(out),
                remedy="Give another --out, or the settings that it was made with",
            )
        remove_leftovers(out)
        return there
    with StoreWriter(out, size=store.size, channels=store.channels, recipe=origin) as writer:
        for number in numbers.tolist():
            writer.add(store.record(number))
        writer.finish(charset=charset or store.charset, origin=origin)
    return Store(out)
