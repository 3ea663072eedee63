"""In: a store, and what a recogniser says of pictures. Out: parts of the store, and readability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hwgen.charset import Charset
from hwgen.data import average_down, to_images, to_tensor
from hwgen.recogniser.inference import ClassIds, Probabilities
from hwgen.record import Image
from hwgen.store import Store, StoreWriter, is_store
from hwgen.store.contact_sheets import classes_to_show

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
SURE = 0.9
BINS = 50
"""Of the histogram of confidence, from 0 to 1."""

CPU = torch.device("cpu")


def subset(store: Store, count: int, size: int, path: Path) -> Store:
    """The records of `count` classes, evenly spread over the charset, as a store of its own."""
    if is_store(path):
        return Store(path)
    chosen = classes_to_show(store, count)
    records = np.flatnonzero(np.isin(store.labels, chosen))
    images = to_images(average_down(to_tensor(store.images(records), CPU), size))
    nothing = [""] * len(records)
    with StoreWriter(path, size=size, channels=store.channels, recipe={}) as writer:
        writer.add_batch(
            images,
            labels=[store.charset[n] for n in store.labels[records].tolist()],
            writers=nothing,
            sources=nothing,
            positions=records,
        )
        charset = Charset(tuple(store.charset[n] for n in chosen.tolist()))
        return writer.finish(charset=charset, origin={"kind": "subset"})


def some_of(store: Store, charset: Charset, count: int, seed: int) -> tuple[Image, ClassIds]:
    """At most `count` random records of a charset's characters, and their places in it."""
    place = {label: n for n, label in enumerate(charset)}
    places = np.array([place.get(label, -1) for label in store.charset], np.int64)
    records = np.flatnonzero(places[store.labels] >= 0)
    taken = np.random.default_rng(seed).permutation(records)[:count]
    return store.images(taken), places[store.labels[taken]]


def overlaid(images: Image, labels: ClassIds, seed: int) -> Image:
    """Each picture drawn over one of another class: as much ink as characters, but none."""
    rng = np.random.default_rng(seed)
    others = [int(rng.choice(np.flatnonzero(labels != label))) for label in labels]
    return np.asarray(np.minimum(images, images[others]))


def readability(
    probabilities: Probabilities, places: npt.NDArray[np.int64], labels: ClassIds | None
) -> dict[str, Any]:
    """How a recogniser reads pictures.

    Args:
        probabilities: of all classes that the recogniser knows, [N, classes].
        places: its id of each class that was trained on.
        labels: of the pictures, among these; None where they have none.

    Returns:
        confidence: of the most probable class, mean and QUANTILES.
        sure: share of confidences above SURE.
        among: share that is read as one of the classes trained on, of all that it knows.
        seen: share of these classes as which some picture is read.
        right: share that is read as its label; None without labels.
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
    """One line a training and reference."""
    lines = [
        "| characters | pictures | seed | steps | confidence: median | 10 % to 90 % | above "
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
