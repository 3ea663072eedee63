import warnings
from pathlib import Path

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.sources.images import lmdb_files
from hwgen.sources.images.decoding import decode
from hwgen.sources.images.find import find_images
from hwgen.sources.images.lsun import Lsun, category_of
from tests.image_files import write_lsun


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("bedroom_train_lmdb", "bedroom"),
        ("church_outdoor_val_lmdb", "church_outdoor"),
        ("church_outdoor_train", "church_outdoor"),
        ("cat_lmdb", "cat"),
        ("cat", "cat"),
        ("_lmdb", "_lmdb"),
    ],
)
def test_a_category_is_told_from_the_folder(name: str, category: str) -> None:
    assert category_of(Path("somewhere") / name) == category


def test_images_come_in_the_order_of_their_keys(tmp_path: Path) -> None:
    (found,) = find_images([write_lsun(tmp_path / "bedroom_train_lmdb", 7)])
    assert isinstance(found, Lsun)
    assert (found.name, found.count) == ("bedroom_train_lmdb", 7)
    names = []
    for position, item in enumerate(found.items()):
        assert (item.label, item.source) == ("bedroom", "bedroom_train_lmdb")
        assert item.position == position
        assert decode(item.read(), 3).shape == (12, 16, 3)
        names.append(item.name)
    assert names == sorted(names)
    assert names[0] == f"bedroom_train_lmdb[{11:040x}]"


def test_it_is_what_torchvision_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    for name, count in (("bedroom_train_lmdb", 5), ("church_outdoor_train_lmdb", 3)):
        write_lsun(tmp_path / name, count)
    monkeypatch.chdir(tmp_path)  # it leaves a pickle of the keys
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # nor does it close that file
        theirs = datasets.LSUN(".", classes=["bedroom_train", "church_outdoor_train"])
        images = [np.asarray(image) for image, _ in (theirs[n] for n in range(len(theirs)))]
        targets = [theirs[n][1] for n in range(len(theirs))]
        for database in theirs.dbs:
            database.env.close()
    found = find_images([tmp_path / "bedroom_train_lmdb", tmp_path / "church_outdoor_train_lmdb"])
    ours = [(item.label, decode(item.read(), 3)) for each in found for item in each.items()]
    assert [label for label, _ in ours] == [["bedroom", "church_outdoor"][n] for n in targets]
    for (_, image), image in zip(ours, images, strict=True):
        np.testing.assert_array_equal(image, image)


def test_nothing_is_written_into_the_folder(tmp_path: Path) -> None:
    folder = write_lsun(tmp_path / "bedroom_val_lmdb", 2)
    (folder / "lock.mdb").unlink()
    (found,) = find_images([folder])
    assert len(list(found.items())) == 2
    assert [path.name for path in folder.iterdir()] == ["data.mdb"]


def test_values_that_nobody_asks_for_are_not_read(tmp_path: Path) -> None:
    folder = write_lsun(tmp_path / "tower_train_lmdb", 4)
    with lmdb_files.Lmdb(folder) as database:
        entries = database.entries()
        _, first = next(entries)
        before = first()
        _, second = next(entries)
        assert second() != before


def test_a_value_above_the_bound_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lmdb_files, "MAX_BYTES", 100)
    (found,) = find_images([write_lsun(tmp_path / "bedroom_train_lmdb", [b"x" * 101])])
    items = found.items()
    item = next(items)
    with pytest.raises(InputError, match="101 bytes"):
        item.read()


def test_what_is_no_lmdb_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bedroom_train_lmdb").mkdir()
    (tmp_path / "bedroom_train_lmdb" / "data.mdb").write_bytes(b"other" * 2000)
    with pytest.raises(InputError, match=r"data\.mdb: cannot be opened as LMDB"):
        find_images([tmp_path / "bedroom_train_lmdb"])


def test_half_a_copy_is_refused_before_it_is_mapped(tmp_path: Path) -> None:
    folder = write_lsun(tmp_path / "bedroom_train_lmdb", 9)
    data = (folder / "data.mdb").read_bytes()
    (folder / "data.mdb").write_bytes(data[: len(data) // 2])
    with pytest.raises(
        InputError, match=r"data\.mdb: cannot be opened as LMDB \(.* of [\d,]+ bytes\)"
    ):
        find_images([folder])
