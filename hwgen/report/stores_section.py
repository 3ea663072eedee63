"""The sections of stores: contents, and synthetic samples beside real or simulated ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwgen.charset import UNLABELLED
from hwgen.report.images import sheet
from hwgen.report.inputs import name_of
from hwgen.report.markup import (
    Html,
    as_json,
    facts,
    image,
    join,
    label,
    missing,
    section,
    tag,
)
from hwgen.report.number_format import count, spread
from hwgen.store import Store

CLASSES = 10
"""Maximum number of classes in a contact sheet."""

SAMPLES = 20
"""Maximum number of images per class in a contact sheet."""

_COLUMNS = 10
_SHEET_WIDTH = 420  # CSS pixels


def synthetic_section(store: Store, others: Sequence[Store], anchor: str, *, real: bool) -> Html:
    """A synthetic store, beside the first other store that shares classes with it.

    Args:
        store: synthetic.
        others: real and simulated stores.
        anchor: id of the section, unique on the page.
        real: whether images of `others` may be shown.
    """
    partner = next((other for other in others if _shared(store, other)), None)
    title = join(["Synthetic store ", tag("em", name_of(store.path))])
    note: Html | None = None
    if not real:
        note, partner = missing("Real images are left out (--no-real)."), None
    elif partner is None:
        note = missing(
            "Nothing to compare with: no real store with the same classes was given. Add one to "
            "the command."
        )
    return section(anchor, title, _facts(store), *([note] if note else []), _sheet(store, partner))


def real_section(store: Store, anchor: str, *, real: bool) -> Html:
    """A real or simulated store, where no synthetic one is given."""
    body = _sheet(store, None) if real else missing("Its images are left out (--no-real).")
    title = join([f"{store.data_kind.capitalize()} store ", tag("em", name_of(store.path))])
    return section(anchor, title, _facts(store), body)


def _facts(store: Store) -> Html:
    manifest = store.manifest
    known = len(store.writers)
    return join(
        [
            facts(
                [
                    ("Images", f"{count(manifest.count)} of {store.size}×{store.size} pixels"),
                    ("Classes", count(len(store.charset))),
                    ("Per class: fewest / median / most", spread(manifest.class_counts)),
                    ("Writers", count(known) if known else "not known"),
                    ("Origin", manifest.origin.get("kind", "not stated")),
                ]
            ),
            as_json("Where it comes from, as JSON", manifest.origin),
        ]
    )


def _present(store: Store) -> list[str]:
    """Labels that have images, in class order."""
    pairs = zip(store.charset, store.manifest.class_counts, strict=True)
    return [name for name, n in pairs if n]


def _shared(store: Store, other: Store) -> list[str]:
    """Labels that both have images of; a store without labels can be compared with any."""
    if store.charset == UNLABELLED and store.channels == other.channels and len(other):
        return _present(store)
    return [name for name in _present(store) if name in set(_present(other))]


def _evenly(count: int, most: int) -> list[int]:
    """At most `most` indices below `count`, evenly spaced."""
    return sorted({int(index) for index in np.linspace(0, count - 1, min(count, most))})


def _sheet(store: Store, partner: Store | None) -> Html:
    columns = [store] if partner is None else [store, partner]
    shared = _present(store) if partner is None else _shared(store, partner)
    if not shared:
        return missing("This store is empty.")
    labels = [shared[place] for place in _evenly(len(shared), CLASSES)]
    rows: list[Html] = []
    for name in labels:
        cells = [_strip(column, name) for column in columns]
        rows.append(_row(label(name), cells))
    heads = [tag("span", f"{_kind(column)}: {name_of(column.path)}") for column in columns]
    return join(
        [
            tag("div", _row(tag("span"), heads), class_="heads"),
            *rows,
            tag(
                "p",
                f"{len(labels)} of {count(len(shared))} classes and at most {SAMPLES} images of "
                "each, evenly spaced through the store; nothing was picked by eye.",
                class_="note",
            ),
        ]
    )


def _strip(store: Store, name: str) -> Html:
    if name in store.charset:
        places = np.flatnonzero(store.labels == store.charset.id(name))
    else:
        places = np.arange(len(store))  # beside a store without labels
    uri = sheet(store.images(places[_evenly(len(places), SAMPLES)]), _COLUMNS)
    kind = _kind(store)
    # The caption replaces the column heads where a page is too narrow for columns.
    caption = tag("figcaption", kind)
    return tag("figure", caption, image(uri, _SHEET_WIDTH, f"{name}, {kind}"), class_="strip")


def _row(head: Html, cells: Sequence[Html]) -> Html:
    return tag("div", head, tag("div", *cells, class_="strips"), class_="class-row")


def _kind(store: Store) -> str:
    if store.manifest.origin.get("kind") == "ink":
        return "pen ink"  # real handwriting, but not scanned
    return store.data_kind
