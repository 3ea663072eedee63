"""Split of a store into a few training samples per class and samples to evaluate with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwgen.imaging.contact_sheets import evenly_spaced

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Records to train on and records to evaluate with.

    Attributes:
        classes: class ids in the store.
        rare: bool [classes], whether each is rare; all False if all have equally many samples.
        training: record numbers.
        judged: record numbers, equally many per class, none of them in `training`.
    """

    classes: Numbers
    rare: npt.NDArray[np.bool_]
    training: Numbers
    judged: Numbers


def split_records(
    labels: Numbers,
    *,
    classes: int,
    per_class: int,
    rare: bool,
    common_above: int,
    judged: int,
    seed: int,
) -> Split:
    """Choose classes evenly spaced over the charset, and their records at random.

    Args:
        labels: class of each record of the store.
        classes: number of classes; with `rare`, common and rare ones in proportion.
        per_class: training records of each class, or of each rare class.
        rare: classes with more than `common_above` records are common and keep all of them.
        common_above: see `rare`.
        judged: records per class to evaluate with.
        seed: of the random choice.
    """
    counts = np.bincount(labels)
    is_rare = (counts <= common_above) & rare
    kinds = [np.flatnonzero((counts > 0) & (is_rare == kind)) for kind in (False, True)]
    total = sum(map(len, kinds))
    numbers = [round(min(classes, total) * len(kind) / total) for kind in kinds]
    picked = [
        kind[evenly_spaced(len(kind), number)] for kind, number in zip(kinds, numbers, strict=True)
    ]
    chosen = np.sort(np.concatenate(picked))
    training, held_out = [], []
    for class_id in chosen.tolist():
        own = np.flatnonzero(labels == class_id)
        own = own[np.random.default_rng((seed, class_id)).permutation(len(own))]
        held_out.append(own[:judged])
        few = not rare or is_rare[class_id]
        training.append(own[judged : judged + per_class] if few else own[judged:])
    return Split(chosen, is_rare[chosen], np.concatenate(training), np.concatenate(held_out))
