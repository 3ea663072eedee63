"""Subsets of a store, and legibility of images as read by a recogniser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.stores import images_at, write_store
from hwgen.charset import Charset
from hwgen.recogniser.reader import ClassIds, Probabilities
from hwgen.record import Image
from hwgen.store import Store, is_store
from hwgen.store.contact_sheets import classes_to_show

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
SURE = 0.9
BINS = 50
"""Bins of the histogram of confidence, from 0 to 1."""


def subset(store: Store, count: int, size: int, path: Path) -> Store:
    """A store of the records of `count` classes, evenly spaced over the charset."""
    if is_store(path):
        return Store(path)
    chosen = classes_to_show(store, count)
    records = np.flatnonzero(np.isin(store.labels, chosen))
    return write_store(
        path,
        images_at(store, records, size),
        [store.charset[n] for n in store.labels[records].tolist()],
        Charset(tuple(store.charset[n] for n in chosen.tolist())),
        kind="subset",
        positions=records,
    )


def random_records(store: Store, charset: Charset, count: int, seed: int) -> tuple[Image, ClassIds]:
    """At most `count` random records of a charset's characters, and their ids in the charset."""
    place = {label: n for n, label in enumerate(charset)}
    places = np.array([place.get(label, -1) for label in store.charset], np.int64)
    records = np.flatnonzero(places[store.labels] >= 0)
    taken = np.random.default_rng(seed).permutation(records)[:count]
    return store.images(taken), places[store.labels[taken]]


def overlaid(images: Image, labels: ClassIds, seed: int) -> Image:
    """Each image overlaid with one of another class: ink as in characters, not a character."""
    rng = np.random.default_rng(seed)
    others = [int(rng.choice(np.flatnonzero(labels != label))) for label in labels]
    return np.asarray(np.minimum(images, images[others]))


def legibility(
    probabilities: Probabilities, places: npt.NDArray[np.int64], labels: ClassIds | None
) -> dict[str, Any]:
    """How a recogniser reads images.

    Args:
        probabilities: [N, classes], of all classes that the recogniser knows.
        places: its id of each class that the generator was trained on.
        labels: classes of the images, as indices into `places`; None without labels.

    Returns:
        confidence: of the most probable class, mean and QUANTILES.
        sure: fraction of confidences above SURE.
        among: fraction read as one of the classes trained on, among all that it knows.
        seen: fraction of these classes that some image is read as.
        right: fraction read as their label; None without labels.
        histogram: counts of confidence in BINS.
    """
    best, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    return {
        "confidence": {
            "mean": float(confidence.mean()),
            **{f"{q:g}": float(np.quantile(confidence, q)) for q in QUANTILES},
        },
        "sure": float((confidence > SURE).mean()),
        "among": float(np.isin(best, places).mean()),
        "seen": float(np.isin(places, best).mean()),
        "right": None if labels is None else float((best == places[labels]).mean()),
        "histogram": np.histogram(confidence.clip(0, 1), BINS, (0, 1))[0].tolist(),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line per training and reference."""
    lines = [
        "| characters | images | seed | steps | confidence: median | 10 % to 90 % | above "
        f"{SURE:g} | read as a character of the set | characters seen | read as their label |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        confidence = row["confidence"]
        cells = [f"{row['count']:,}", row["kind"], str(row["seed"])]
        cells += [f"{row['steps']:,}" if "steps" in row else ""]
        cells += [f"{confidence['0.5']:.2f}", f"{confidence['0.1']:.2f} to {confidence['0.9']:.2f}"]
        cells += [f"{100 * row[name]:.1f} %" for name in ("sure", "among", "seen")]
        cells += ["" if row["right"] is None else f"{100 * row['right']:.1f} %"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
