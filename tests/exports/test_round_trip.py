"""Labels of any kind through every format that hwgen reads too."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from hwgen.charset import MAX_LABEL_LENGTH, Charset
from hwgen.errors import InputError
from hwgen.exports import export_store
from hwgen.exports.selection import parse_split
from hwgen.imaging.framing import Framing
from hwgen.prepare import prepare_images
from hwgen.record import Record
from hwgen.store import Store, StoreWriter

NAMES = ("con", "nul", "aux", "com1", "A", "a", "Cat", "cat", "-", "U+4E00", "永", "𠀀")
SIGNS = ("a/b", "a\\b", ".", "..", ".x", "a.", "a*b", '"a"', "a,b", "a:b", "a b")
LONG = ("永" * 36, "永" * 37, "永" * 36 + "水", "𠀀" * MAX_LABEL_LENGTH, "a" * MAX_LABEL_LENGTH)
LABELS = (*NAMES, *SIGNS, *LONG, "e\u0301", "\u00e9", "\u200d", "\ue000")
SPACES = ("a ", " a", "\u3000", "\u2028", "\u0085", "\x1c", "\ufeff", "\x1b[31m", "a\0b")


def store_of(path: Path, labels: tuple[str, ...], writers: tuple[str, ...] = ("",)) -> Store:
    with StoreWriter(path, size=4, recipe={}) as writer:
        for n, label in enumerate(labels):
            image = np.full((4, 4), 2 * n, np.uint8)
            writer.add(Record(image, label, writers[n % len(writers)], "f", n))
        return writer.finish(charset=Charset(labels), origin={"kind": "images"})


def by_label(store: Store) -> dict[str, int]:
    """The grey level of each label's image."""
    levels = store.all_images()[:, 0, 0].tolist()
    return {store.charset[label]: grey for label, grey in zip(store.labels, levels, strict=True)}


@pytest.mark.parametrize("form", ["folder", "zip", "ocr-lmdb", "paddle", "parquet"])
@pytest.mark.parametrize("labels", [LABELS, SPACES], ids=["names", "spaces"])
def test_labels_come_back_exactly(tmp_path: Path, labels: tuple[str, ...], form: str) -> None:
    store = store_of(tmp_path / "store", labels)
    out = tmp_path / "out"
    export_store(store, "folder" if form == "zip" else form, out)
    if form == "zip":
        out = Path(shutil.make_archive(str(tmp_path / "zipped"), "zip", out))
    framing = Framing(4, margin=0)
    prepare_images([out], tmp_path / "again", framing=framing, channels=1, invert=False)
    assert by_label(Store(tmp_path / "again")) == by_label(store)


def test_writers_of_any_name_have_a_file_each(tmp_path: Path) -> None:
    writers = ("con", "A", "a", "王" * 300, "王" * 301, "x.", "..", "n\0")
    store = store_of(tmp_path / "store", tuple("一丁七万丈三上下"), writers)
    export_store(store, "gnt", tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*.gnt"))) == len(writers)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("train=0.5,Train=0.5", "twice"),
        ("con=0.5,b=0.5", "con is not possible"),
        (f"{'a' * 256}=0.5,b=0.5", "not possible as a folder"),
    ],
)
def test_subsets_have_names_of_folders(split: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_split(split)
