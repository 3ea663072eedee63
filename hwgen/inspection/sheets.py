"""Contact sheets of stores, with the label of each row."""

from __future__ import annotations

from pathlib import Path

from hwgen.charset import UNLABELLED
from hwgen.imaging.contact_sheets import enlarged, save_sheet
from hwgen.sources.strokes.drawn_labels import draw_labels
from hwgen.store import Store
from hwgen.store.contact_sheets import classes_to_show, sheet_of_store

ROWS, COLUMNS = 12, 12


def save_store_sheet(path: Path, store: Store) -> None:
    """Write a contact sheet of a store, one class per row; small images are enlarged.

    Args:
        path: see hwgen.imaging.contact_sheets.save_sheet.
        store: with records.
    """
    images = enlarged(sheet_of_store(store, rows=ROWS, columns=COLUMNS))
    labels = None
    if store.charset != UNLABELLED:
        shown = [store.charset[number] for number in classes_to_show(store, ROWS).tolist()]
        labels = draw_labels(shown, images.shape[1])
    save_sheet(path, images, COLUMNS, labels)
