from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.imaging.contact_sheets import (
    contact_sheet,
    enlarged,
    evenly_spaced,
    save_grid,
    save_sheet,
)
from hwgen.record import Record
from hwgen.store import Store, StoreWriter
from hwgen.store.contact_sheets import sheet_of_store


def small_store(path: Path) -> Store:
    """Five 一, one 七, no 丁; record n has grey value n."""
    with StoreWriter(path, size=4, recipe={}) as writer:
        for n, label in enumerate("一一一七一一"):
            writer.add(Record(np.full((4, 4), n, np.uint8), label, "", "test", n))
        return writer.finish(charset=Charset(("一", "七", "丁")), origin={"kind": "gnt"})


def test_places_are_spread_evenly_and_begin_with_the_first() -> None:
    assert evenly_spaced(10, 5).tolist() == [0, 2, 4, 6, 8]
    assert evenly_spaced(3, 5).tolist() == [0, 1, 2]
    assert evenly_spaced(0, 5).tolist() == []


def test_a_stores_sheet_has_a_class_a_row_and_no_row_for_an_empty_class(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    images = sheet_of_store(store, rows=12, columns=3)
    assert images[:, 0, 0].tolist() == [0, 1, 4, 3, 255, 255]
    assert len(sheet_of_store(store, rows=1, columns=2)) == 2


def test_a_saved_sheet_opens_as_an_image(tmp_path: Path) -> None:
    save_sheet(tmp_path / "sheet.png", np.zeros((4, 6, 6), np.uint8), 2)
    with PilImage.open(tmp_path / "sheet.png") as image:
        assert image.size == (18, 18)


@pytest.mark.parametrize("colour", [(), (3,)])
def test_a_contact_sheet_places_images_row_by_row(colour: tuple[int, ...]) -> None:
    images = np.stack([np.full((4, 6, *colour), n, np.uint8) for n in range(5)])
    sheet = np.asarray(contact_sheet(images, columns=3))
    assert sheet.shape == (2 * 6 + 2, 3 * 8 + 2, *colour)
    for place in range(5):
        top, left = place // 3 * 6 + 2, place % 3 * 8 + 2
        assert (sheet[top : top + 4, left : left + 6] == place).all()
    assert (sheet[8:12, 18:24] == 160).all()


@pytest.mark.parametrize("colour", [(), (3,)])
def test_labels_stand_left_of_the_rows(colour: tuple[int, ...]) -> None:
    images = np.stack([np.full((4, 6, *colour), n, np.uint8) for n in range(5)])
    labels = np.stack([np.full((4, 9), 50 + n, np.uint8) for n in range(2)])
    sheet = np.asarray(contact_sheet(images, 3, labels))
    assert sheet.shape == (2 * 6 + 2, 9 + 2 + 3 * 8 + 2, *colour)
    np.testing.assert_array_equal(sheet[:, 11:], np.asarray(contact_sheet(images, 3)))
    for row in range(2):
        assert (sheet[6 * row + 2 : 6 * row + 6, 2:11] == 50 + row).all()


def test_small_images_are_enlarged_by_a_whole_number() -> None:
    assert enlarged(np.zeros((2, 24, 24), np.uint8)).shape == (2, 72, 72)
    assert enlarged(np.zeros((2, 32, 30, 3), np.uint8)).shape == (2, 64, 60, 3)
    large = np.zeros((2, 64, 64), np.uint8)
    assert enlarged(large) is large


def test_a_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="no images"):
        contact_sheet(np.empty((0, 4, 4), np.uint8), 3)


def test_a_grid_has_images_of_any_kind_and_size(tmp_path: Path) -> None:
    images = [np.zeros((4, 4), np.uint8), PilImage.new("RGB", (6, 2), "red")]
    save_grid(images, str(tmp_path / "new" / "grid.png"), columns=2)
    with PilImage.open(tmp_path / "new" / "grid.png") as opened:
        sheet = np.asarray(opened)
    assert sheet.shape == (4 + 4, 2 * 8 + 2, 3)
    assert sheet[3, 2:8, 0].tolist() == [255, 0, 0, 0, 0, 255]  # centred on paper
    assert sheet[2:6, 12].tolist() == [[255] * 3, [255, 0, 0], [255, 0, 0], [255] * 3]


def test_a_grid_of_records_replaces_only_one_of_hwgen(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    for _ in range(2):
        save_grid(store, tmp_path / "grid.png")
    with PilImage.open(tmp_path / "grid.png") as opened:
        assert (opened.mode, opened.size) == ("L", (6 * 6 + 2, 8))
    PilImage.new("L", (4, 4)).save(tmp_path / "mine.png")
    with pytest.raises(InputError, match="hwgen did not write it"):
        save_grid(store, tmp_path / "mine.png")


@pytest.mark.parametrize(
    ("name", "columns", "message"),
    [
        ("grid.gif", 8, r"must end in \.png or \.jpg"),
        ("grid.png", 0, "at least 1 column, found 0"),
    ],
)
def test_a_grid_that_cannot_be_written(
    tmp_path: Path, name: str, columns: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        save_grid(np.zeros((2, 4, 4), np.uint8), tmp_path / name, columns)
    with pytest.raises(InputError, match="no images to show"):
        save_grid([], tmp_path / "grid.png")
