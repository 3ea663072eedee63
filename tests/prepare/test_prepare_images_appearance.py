"""Colour, ink, paper and frame of prepared images."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage

from hwgen.errors import InputError
from hwgen.imaging.contact_sheets import contact_sheet
from hwgen.imaging.framing import Framing
from hwgen.inspection.summaries import inspect_store
from hwgen.prepare import REPORT_FILE, prepare_images
from hwgen.store import Store
from hwgen.store.contact_sheets import sheet_of_store
from tests.image_files import encoded, photo, put, write_digits, write_photos

STRETCH = Framing(8, stretch=True)


def resized(image: np.ndarray, size: int) -> np.ndarray:
    view = PilImage.fromarray(image)
    return np.asarray(view.resize((size, size), PilImage.Resampling.BILINEAR))


def test_photographs_become_a_colour_store(tmp_path: Path) -> None:
    report = prepare_images([write_photos(tmp_path)], tmp_path / "store", framing=STRETCH)
    store = Store(tmp_path / "store")
    assert (store.size, store.channels, len(store)) == (8, 3, 3)
    assert store.charset.labels == ("cat", "dog")
    records = [store.record(n) for n in range(3)]
    assert [(r.label, r.writer, r.source, r.position) for r in records] == [
        ("cat", "", "photos/cat", 0),
        ("cat", "", "photos/cat", 1),
        ("dog", "", "photos/dog", 0),
    ]
    np.testing.assert_array_equal(records[1].image, resized(photo(1), 8))
    origin = store.manifest.origin
    assert {name: origin[name] for name in ("kind", "format", "inverted", "limit")} == {
        "kind": "images",
        "format": "folder",
        "inverted": False,
        "limit": None,
    }
    assert origin["framing"] == STRETCH.to_json()
    assert str(tmp_path) not in json.dumps(origin)
    assert not store.is_synthetic
    assert (report.records, report.classes, report.writers) == (3, 2, 0)
    assert [(file.name, file.records, file.bad) for file in report.files] == [
        ("photos/cat", 2, 0),
        ("photos/dog", 1, 0),
    ]
    written = json.loads((tmp_path / "store" / REPORT_FILE).read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(report.to_json()))


def test_digits_are_inverted_and_grey(tmp_path: Path) -> None:
    digits = write_digits(tmp_path)
    data = gzip.decompress((digits / "train-images-idx3-ubyte.gz").read_bytes())
    images = np.frombuffer(data, np.uint8, offset=16).reshape(5, 4, 6)
    prepare_images([digits], tmp_path / "store", framing=STRETCH)
    store = Store(tmp_path / "store")
    assert store.channels == 1
    assert store.charset.labels == ("1", "3", "4", "5")
    assert store.manifest.origin["inverted"] is True
    for n, image in enumerate(images):
        np.testing.assert_array_equal(store.record(n).image, resized(255 - image, 8))
    prepare_images([digits], tmp_path / "raw", framing=STRETCH, invert=False, channels=3)
    raw = Store(tmp_path / "raw")
    assert (raw.channels, raw.manifest.origin["inverted"]) == (3, False)
    for channel in range(3):
        np.testing.assert_array_equal(raw.record(0).image[:, :, channel], resized(images[0], 8))


def test_padding_is_paper_also_where_light_ink_was_inverted(tmp_path: Path) -> None:
    for index in range(2):
        image = np.zeros((4, 12), np.uint8)
        image[:, index] = 255
        put(tmp_path / "glyphs" / "一" / f"{index}.png", encoded(image))
    prepare_images(
        [tmp_path / "glyphs"], tmp_path / "s", framing=Framing(16), channels=1, invert=True
    )
    images = Store(tmp_path / "s").all_images()
    assert (images[:, :4] == 255).all()
    assert (images[:, 6:10, 8:12] == 255).all()
    assert images.min() < 60


def test_a_folder_of_grey_characters_keeps_their_shape_on_paper(tmp_path: Path) -> None:
    for label, shape in (("一", (4, 16)), ("丨", (16, 4)), ("口", (9, 9))):
        image = np.full(shape, 40, np.uint8)
        put(tmp_path / "c" / label / "0.png", encoded(image))
    report = prepare_images([tmp_path / "c"], tmp_path / "s", framing=16)
    store = Store(tmp_path / "s")
    assert (store.size, store.channels, report.channels) == (16, 1, 1)
    assert report.framing == Framing(16, margin=0).to_json()
    flat = store.all_images()[store.charset.labels.index("一")]
    assert (flat[:6] == 255).all()
    assert (flat[8] < 60).sum() == 16


@pytest.mark.parametrize(
    ("write", "channels", "expected"),
    [
        (write_photos, None, (3, True)),
        (write_photos, 1, (1, False)),
        (write_digits, None, (1, True)),
    ],
)
def test_photographs_and_arrays_fill_the_frame(
    tmp_path: Path, write: Any, channels: int | None, expected: tuple[int, bool]
) -> None:
    prepare_images([write(tmp_path)], tmp_path / "s", framing=8, channels=channels)
    store = Store(tmp_path / "s")
    assert (store.channels, store.manifest.origin["framing"]["stretch"]) == expected


def test_colour_is_made_grey_only_when_told(tmp_path: Path) -> None:
    prepare_images([write_photos(tmp_path)], tmp_path / "s", framing=STRETCH, channels=1)
    luma = np.asarray(PilImage.fromarray(photo(1)).convert("L"))
    np.testing.assert_array_equal(Store(tmp_path / "s").record(1).image, resized(luma, 8))


def test_dark_images_are_noticed(tmp_path: Path) -> None:
    for n in range(4):
        image = np.full((8, 8), 240, np.uint8)
        image[3:5] = 20
        put(tmp_path / "ink" / "一" / f"{n}.png", encoded(image))
        put(tmp_path / "inverted" / "一" / f"{n}.png", encoded(255 - image))
    for folder, invert, dark in (("ink", None, 0), ("inverted", None, 1), ("inverted", True, 0)):
        out = tmp_path / f"{folder} {invert}"
        report = prepare_images([tmp_path / folder], out, framing=STRETCH, invert=invert)
        assert report.dark == dark


def test_white_ink_on_a_transparent_ground_needs_invert(tmp_path: Path) -> None:
    image = np.zeros((8, 8, 4), np.uint8)
    image[3:5] = 255
    put(tmp_path / "glyphs" / "一" / "1.png", encoded(image))
    with pytest.raises(InputError, match="white ink on a transparent ground"):
        prepare_images([tmp_path / "glyphs"], tmp_path / "s", framing=STRETCH)
    prepare_images([tmp_path / "glyphs"], tmp_path / "s", framing=STRETCH, invert=True)
    ink = Store(tmp_path / "s").record(0).image
    assert (ink.min(), ink.max()) == (0, 255)


def test_colour_stores_are_inspected_and_drawn(tmp_path: Path) -> None:
    prepare_images([write_photos(tmp_path)], tmp_path / "s", framing=STRETCH)
    store = Store(tmp_path / "s")
    summary = inspect_store(store)
    assert (summary.channels, summary.records, summary.duplicates) == (3, 3, 0)
    sheet = np.asarray(contact_sheet(sheet_of_store(store, columns=2), 2))
    assert sheet.shape == (22, 22, 3)
    np.testing.assert_array_equal(sheet[2:10, 2:10], store.record(0).image)
    assert (sheet[12:20, 12:20] == 255).all()  # a second dog there is not
