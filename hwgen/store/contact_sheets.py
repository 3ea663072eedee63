"""Which images of a store a contact sheet shows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hwgen.imaging.contact_sheets import evenly_spaced
from hwgen.record import PAPER, Image
from hwgen.store.reader import Store


def classes_to_show(store: Store, rows: int) -> npt.NDArray[np.int64]:
    """At most `rows` ids of classes with records, evenly spaced in the charset."""
    filled = np.flatnonzero(store.manifest.class_counts)
    return filled[evenly_spaced(len(filled), rows)]


def sheet_of_store(store: Store, *, rows: int = 12, columns: int = 12) -> Image:
    """Images for a contact sheet with one row for each of `classes_to_show`.

    Returns:
        uint8 [n, size, size(, 3)], n <= rows * columns; a class with fewer records than
        `columns` has white images in the rest of its row.
    """
    labels = store.labels
    shown = classes_to_show(store, rows)
    sheet = np.full((len(shown), columns, *store.images([]).shape[1:]), PAPER, np.uint8)
    for row, class_id in enumerate(shown):
        places = np.flatnonzero(labels == class_id)
        places = places[evenly_spaced(len(places), columns)]
        sheet[row, : len(places)] = store.images(places)
    return sheet.reshape(-1, *sheet.shape[2:])
