from pathlib import Path

import numpy as np
from PIL import Image as PilImage

from hwgen.charset import UNLABELLED
from hwgen.inspection.sheets import save_store_sheet
from hwgen.record import Record
from hwgen.sources.strokes.drawn_labels import draw_labels
from hwgen.store import StoreWriter
from tests.imaging.test_contact_sheets import small_store


def test_each_row_has_its_label_and_cells_are_enlarged(tmp_path: Path) -> None:
    save_store_sheet(tmp_path / "sheet.png", small_store(tmp_path / "store"))
    labels = draw_labels(["一", "七"], 64)
    with PilImage.open(tmp_path / "sheet.png") as image:
        pixels = np.asarray(image)
    edge = labels.shape[2] + 2
    assert pixels.shape == (2 * 66 + 2, edge + 12 * 66 + 2)
    for row, label in enumerate(labels):
        top = 66 * row + 2
        np.testing.assert_array_equal(pixels[top : top + 64, 2:edge], label)


def test_a_store_without_labels_has_none_on_its_sheet(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", size=64, recipe={}) as writer:
        writer.add(Record(np.zeros((64, 64), np.uint8), UNLABELLED[0], "", "test", 0))
        store = writer.finish(charset=UNLABELLED, origin={"kind": "gnt"})
    save_store_sheet(tmp_path / "sheet.png", store)
    with PilImage.open(tmp_path / "sheet.png") as image:
        assert image.size == (12 * 66 + 2, 66 + 2)
