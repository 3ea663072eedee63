import json
import struct
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import ImageFolder

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.exports.folder import class_folder
from hwgen.exports.gnt import export_gnt
from hwgen.exports.png import export_png
from hwgen.record import Record
from hwgen.sources.gnt import read_gnt
from hwgen.store import Store, StoreWriter


def make_store(path: Path, *, channels: int = 1, writers: tuple[str, ...] = ("",)) -> Store:
    rng = np.random.default_rng(0)
    shape = (6, 6) if channels == 1 else (6, 6, channels)
    with StoreWriter(path, size=6, channels=channels, recipe={}) as writer:
        for n, label in enumerate("啊座啊A座啊"):
            image = rng.integers(0, 256, shape, dtype=np.uint8)
            writer.add(Record(image, label, writers[n % len(writers)], "test", n))
        return writer.finish(charset=Charset(("啊", "座", "A")), origin={"kind": "gnt"})


@pytest.mark.parametrize("channels", [1, 3])
def test_torchvision_reads_the_png_folder(tmp_path: Path, channels: int) -> None:
    store = make_store(tmp_path / "store", channels=channels)
    assert export_png(store, tmp_path / "png") == 6
    folder = ImageFolder(tmp_path / "png", loader=str)
    names = json.loads((tmp_path / "png" / "classes.json").read_text("utf-8"))["classes"]
    read = ImageFolder(tmp_path / "png")
    assert len(read) == 6
    for (path, target), (picture, _) in zip(folder, read, strict=True):
        number = int(Path(path).stem)
        assert names[folder.classes[target]] == store.record(number).label
        found = np.asarray(picture)  # torchvision opens everything as RGB
        expected = store.images([number])[0]
        if channels == 1:
            expected = np.repeat(expected[:, :, None], 3, axis=2)
        np.testing.assert_array_equal(found, expected)


def test_an_interrupted_png_folder_is_completed_and_a_foreign_one_left_alone(
    tmp_path: Path,
) -> None:
    store = make_store(tmp_path / "store")
    export_png(store, tmp_path / "png")
    lost = tmp_path / "png" / "U+554A" / "000000002.png"
    lost.unlink()
    assert export_png(store, tmp_path / "png") == 6
    assert lost.is_file()
    other = make_store(tmp_path / "other", writers=("w",))
    for foreign in (tmp_path / "png", tmp_path / "store"):
        with pytest.raises(InputError, match="something else is already there"):
            export_png(other, foreign)
    (tmp_path / "png" / "classes.json").write_text("{")
    with pytest.raises(InputError, match="something else"):
        export_png(store, tmp_path / "png")


def test_gnt_files_one_a_writer_are_read_by_an_independent_parser(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", writers=("001", ""))
    paths = export_gnt(store, tmp_path / "gnt")
    assert [path.name for path in paths] == ["001.gnt", "synthetic.gnt"]
    found = []
    for path, numbers in zip(paths, ([0, 2, 4], [1, 3, 5]), strict=True):
        data, at = path.read_bytes(), 0
        for number in numbers:
            size, tag, width, height = struct.unpack_from("<I2sHH", data, at)
            assert size == 10 + width * height
            assert tag.rstrip(b"\0").decode("gb18030") == store.record(number).label
            pixels = np.frombuffer(data, np.uint8, width * height, at + 10)
            np.testing.assert_array_equal(pixels.reshape(height, width), store.images([number])[0])
            at += size
        assert at == len(data)
        with open(path, "rb") as stream:
            found += list(read_gnt(stream, source=path.name, writer=""))
    assert len(found) == 6
    assert all(isinstance(record, Record) for record in found)


def test_colour_cannot_become_gnt(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="grey pictures only"):
        export_gnt(make_store(tmp_path / "store", channels=3), tmp_path / "gnt")


def test_class_folders_are_ascii() -> None:
    assert class_folder("啊") == "U+554A"
    assert class_folder("𠀀b") == "U+20000-U+0062"
