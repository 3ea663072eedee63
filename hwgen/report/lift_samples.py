"""What the recognisers of a lift learnt from: the same characters of each source, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hwgen.imaging.contact_sheets import evenly_spaced
from hwgen.report.images import sheet
from hwgen.report.markup import Html, image, join, tag
from hwgen.results.lift import ALL, NONE, Lift
from hwgen.store import Store, is_store

CHARACTERS = 14
"""Maximum number of characters in a row."""

REAL = "real"
"""Name of the row of real samples."""

_CELL = 56  # CSS pixels


def sample_rows(lift: Lift, *, real: bool) -> Html | None:
    """One sample of some classes in each row, of the first trial with real samples.

    Args:
        lift: its stores of samples are beside lift.json, unless they were removed.
        real: whether real samples may be shown.

    Returns:
        None where there are no stores, or one row at most.
    """
    stores = [
        (name, Store(path))
        for name, path in _rows(lift)
        if is_store(path) and (real or name != REAL)
    ]
    if len(stores) < 2:
        return None
    common = set.intersection(*(_filled(store) for _, store in stores))
    labels = [label for label in stores[0][1].charset if label in common]
    labels = [labels[place] for place in evenly_spaced(len(labels), CHARACTERS).tolist()]
    if not labels:
        return None
    rows = [tag("div", tag("span", name), _row(name, store, labels)) for name, store in stores]
    note = (
        f"The first sample of {len(labels)} of {len(common):,} characters, evenly spaced in their "
        "list; nothing was picked by eye."
    )
    return tag("figure", join(rows), tag("figcaption", note), class_="samples")


def _rows(lift: Lift) -> Iterator[tuple[str, Path]]:
    """Names and stores: the real samples, then those of each generator."""
    trials = [row.trial for row in lift.rows if row.trial.amount > 0]
    # Names come from lift.json, which is untrusted, and must not lead out of its directory.
    made = [trial for trial in trials if Path(trial.run).name == trial.run]
    with_real = [trial for trial in made if trial.count != NONE]
    if not with_real:
        return
    first = min(with_real, key=lambda trial: (trial.count == ALL, trial))
    kind = lift.data_kinds.get("train", REAL)
    yield kind if kind == REAL else f"{kind}, in place of real", lift.folder / first.real_store
    for name in dict.fromkeys(one.generator for one in lift.series if one.amount):
        own = [one for one in made if (one.generator, one.subset) == (name, first.subset)]
        if own:
            yield lift.generator_title(name), lift.folder / min(own).synthetic_store


def _filled(store: Store) -> set[str]:
    counts = zip(store.charset, store.manifest.class_counts, strict=True)
    return {label for label, count in counts if count}


def _row(name: str, store: Store, labels: list[str]) -> Html:
    numbers = store.labels
    places = [int(np.argmax(numbers == store.charset.id(label))) for label in labels]
    uri = sheet(store.images(np.array(places)), len(places))
    return image(uri, _CELL * len(places), f"{name}: {''.join(labels)}")
