import hashlib
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.record import BadRecord, Record
from hwgen.sources.images.cifar import CLASSES, cifar_batch, is_cifar
from tests.image_files import put, write_batches


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def trust(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torchvision take these files for the provider's."""
    datasets = pytest.importorskip("torchvision.datasets")
    first, test = folder / "data_batch_1", folder / "test_batch"
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [[first.name, md5(first)]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [[test.name, md5(test)]])
    meta = {**datasets.CIFAR10.meta, "md5": md5(folder / "batches.meta")}
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)


def as_binary(path: Path) -> bytes:
    batch = pickle.loads(path.read_bytes())
    labels = np.array(batch["labels"], np.uint8)[:, None]
    return np.concatenate([labels, batch["data"]], axis=1).tobytes()


def told(record: object) -> tuple[str, int, bytes]:
    assert isinstance(record, Record)
    return record.label, record.position, record.image.tobytes()


def test_both_versions_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_batches(tmp_path)
    trust(folder, monkeypatch)
    for name, count in (("data_batch_1", 12), ("test_batch", 3)):
        binary = put(tmp_path / f"{name}.bin", as_binary(folder / name))
        ours, theirs = cifar_batch(folder / name), cifar_batch(binary)
        assert (ours.name, theirs.name, theirs.count) == (name, f"{name}.bin", count)
        assert list(map(told, ours.items())) == list(map(told, theirs.items()))


def test_planes_become_colours(tmp_path: Path) -> None:
    planes = np.repeat(np.array([250, 100, 3], np.uint8), 1024).tobytes()
    (record,) = cifar_batch(put(tmp_path / "x.bin", b"\x03" + planes)).items()
    assert record.label == CLASSES[3] == "cat"
    assert record.image.shape == (32, 32, 3)
    assert (record.image == (250, 100, 3)).all()


def test_rows_run_from_left_to_right(tmp_path: Path) -> None:
    row = np.zeros((3, 32, 32), np.uint8)
    row[1, 2, 5] = 77
    (record,) = cifar_batch(put(tmp_path / "x.bin", b"\0" + row.tobytes())).items()
    assert np.argwhere(record.image).tolist() == [[2, 5, 1]]


def test_a_batch_is_told_by_name_and_content(tmp_path: Path) -> None:
    record = b"\x03" + bytes(range(256)) * 12
    features = np.random.default_rng(0).normal(size=3073 * 8).astype("<f4").tobytes()
    for name, data, expected in (
        ("data_batch_3", pickle.dumps({}, protocol=2), True),
        ("data_batch_3", b"x", False),
        ("data_batch_3", b"", False),
        ("data_batch_6", pickle.dumps({}, protocol=2), False),
        ("any.bin", record, True),
        ("any.bin", record * 7, True),
        ("any.bin", record * 7 + b"x", False),
        ("any.bin", record * 6 + b"\x0b" + record[1:], False),
        ("any.bin", bytes(3073), False),
        ("any.bin", bytes(3073 * 8), False),
        ("any.bin", record[:-1], False),
        ("any.dat", record, False),
        ("features.bin", features, False),
        ("features.bin", features[:3073], False),
        ("data_batch_1.bin", record * 9 + b"\x0b" + record[1:], True),
        ("data_batch_1.bin", record * 3 + b"cut short", True),
        ("data_batch_1.bin", features, False),
    ):
        assert is_cifar(put(tmp_path / name, data)) is expected, name


def test_damage_in_the_binary_version_is_named(tmp_path: Path) -> None:
    data = bytes(3073) + b"\x63" + bytes(3072) + bytes(100)
    sound, unknown, cut = cifar_batch(put(tmp_path / "x.bin", data)).items()
    assert isinstance(sound, Record)
    assert isinstance(unknown, BadRecord)
    assert isinstance(cut, BadRecord)
    assert (unknown.kind, unknown.offset, unknown.found) == ("unknown label", 3073, "99")
    assert (cut.kind, cut.offset, cut.length) == ("cut short", 6146, 100)


def test_no_stranger_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision.datasets")
    folder = write_batches(tmp_path)

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a pickle was opened")

    monkeypatch.setattr(pickle, "load", refuse)
    with pytest.raises(InputError, match=r"the MD5 of the file.* is not the provider's"):
        list(cifar_batch(folder / "data_batch_1").items())


def test_the_names_beside_it_must_be_the_providers_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_batches(tmp_path)
    trust(folder, monkeypatch)
    (folder / "batches.meta").write_bytes(b"other")
    with pytest.raises(InputError, match=r"batches\.meta"):
        list(cifar_batch(folder / "data_batch_1").items())


def test_without_torchvision_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_batches(tmp_path)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(InputError, match=r"Use the binary .* pip install 'torchvision>="):
        list(cifar_batch(folder / "data_batch_1").items())
