"""Whether a reader reads at all: a test on a few samples before it judges many."""

from __future__ import annotations

import numpy as np

from hwgen.recogniser.reader import ClassIds, Reader, top_k_accuracy, top_k_classes
from hwgen.record import Image
from hwgen.store import Store

SAMPLES = 256
"""Largest number of samples that are read."""

LEAST = 0.1
"""Fraction of the way from chance to all below which a reader is in doubt."""

GOOD = 0.9
"""Fraction read as its label from which on nothing else is tried."""


def doubt(reader: Reader, images: Image, labels: ClassIds, what: str) -> str:
    """A warning where samples are read hardly better than by chance, or could be read better.

    Inverted ink, another range of values and another order of classes look like this.

    Args:
        reader: in doubt or not.
        images: samples, uint8 [N, S, S(, 3)], N >= 1.
        labels: their class ids, of the reader, int64 [N].
        what: names the samples: "samples of train".

    Returns:
        Sentences with the remedy; "" where they are read.
    """
    found = top_k_accuracy(top_k_classes(reader.read(images), 1), labels)
    chance = np.bincount(labels).max() / len(labels)
    if found >= GOOD:
        return ""
    better = reader.suggestion(images, labels)
    read = f"{found:.0%} of {len(labels):,} {what} are read as their label"
    if chance < 1 and found < chance + LEAST * (1 - chance):
        return f"{read}, where chance gives {chance:.0%}. {better or reader.remedy}"
    return f"{read}. {better}" if better else ""


def doubt_of_store(reader: Reader, store: Store) -> str:
    """`doubt` on real samples.

    Args:
        reader: in doubt or not; `check` raised nothing for the store.
        store: of real samples; those of classes that the reader does not have are left out.
    """
    ids = np.array([reader.charset.id(c) if c in reader.charset else -1 for c in store.charset])
    labels = ids[store.labels]
    known = np.flatnonzero(labels >= 0)
    # In class order, so that evenly spaced ones are of all classes.
    known = known[np.argsort(labels[known], kind="stable")]
    count = min(SAMPLES, len(known))
    chosen = np.sort(known[np.arange(count) * len(known) // max(1, count)])
    if not len(chosen):
        return ""
    return doubt(reader, store.images(chosen), labels[chosen], f"samples of {store.path}")
