import gzip
from pathlib import Path

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.record import BadRecord, Record
from hwgen.sources.images.idx import idx_pair, is_idx
from tests.image_files import idx, put, write_digits

IMAGES = "train-images-idx3-ubyte.gz"
LABELS = "train-labels-idx1-ubyte"


def test_a_pair_is_found_by_either_name_packed_or_not(tmp_path: Path) -> None:
    folder = write_digits(tmp_path)
    pair = idx_pair(folder / IMAGES)
    assert idx_pair(folder / LABELS) == pair
    assert (pair.path.name, pair.labels.name, pair.count) == (IMAGES, LABELS, 5)
    assert (pair.grey, pair.light_ink) == (True, True)
    (folder / LABELS).rename(folder / f"{LABELS}.gz")
    assert idx_pair(folder / IMAGES).labels.name == f"{LABELS}.gz"


def test_images_and_labels_are_those_written(tmp_path: Path) -> None:
    expected = np.random.default_rng(0).integers(0, 256, (5, 4, 6), np.uint8)
    records = list(idx_pair(write_digits(tmp_path) / IMAGES).items())
    assert [record.label for record in records] == list("31415")
    assert [record.position for record in records] == [0, 1, 2, 3, 4]
    assert {record.source for record in records} == {IMAGES}
    np.testing.assert_array_equal([record.image for record in records], expected)


def test_a_file_beside_its_gz_is_one_pair(tmp_path: Path) -> None:
    folder = write_digits(tmp_path)
    put(folder / IMAGES.removesuffix(".gz"), gzip.decompress((folder / IMAGES).read_bytes()))
    put(folder / f"{LABELS}.gz", gzip.compress((folder / LABELS).read_bytes()))
    pairs = {idx_pair(path) for path in folder.iterdir()}
    assert [pair.path.name for pair in pairs] == [IMAGES.removesuffix(".gz")]


def test_the_images_of_emnist_are_turned_upright(tmp_path: Path) -> None:
    image = np.arange(24, dtype=np.uint8).reshape(1, 4, 6)
    for name, expected in (("emnist-letters-", image[0].T), ("my-", image[0])):
        path = put(tmp_path / f"{name}train-images-idx3-ubyte", idx(image))
        put(tmp_path / f"{name}train-labels-idx1-ubyte", idx(np.array([7], np.uint8)))
        (record,) = idx_pair(path).items()
        assert isinstance(record, Record)
        np.testing.assert_array_equal(record.image, expected)


def test_mnist_is_read_as_torchvision_reads_it(shared_data: Path, tmp_path: Path) -> None:
    mnist = pytest.importorskip("torchvision.datasets.mnist")
    unpacked = {}
    for kind in ("images-idx3", "labels-idx1"):
        packed = shared_data / "mnist" / f"t10k-{kind}-ubyte.gz"
        unpacked[kind] = put(tmp_path / packed.stem, gzip.decompress(packed.read_bytes()))
    images = mnist.read_image_file(str(unpacked["images-idx3"])).numpy()
    labels = mnist.read_label_file(str(unpacked["labels-idx1"])).tolist()
    pair = idx_pair(shared_data / "mnist" / "t10k-images-idx3-ubyte.gz")
    records = [record for record in pair.items() if isinstance(record, Record)]
    assert len(records) == pair.count == 10_000
    np.testing.assert_array_equal(np.stack([record.image for record in records]), images)
    assert [int(record.label) for record in records] == labels


def test_idx_is_told_by_content(tmp_path: Path) -> None:
    folder = write_digits(tmp_path)
    for name in (IMAGES, LABELS):
        data = (folder / name).read_bytes()
        assert is_idx(data[:16], folder / name)
    for data in (b"", b"\0\0\x08\x02", gzip.compress(b"other", mtime=0), b"\x1f\x8bdamaged"):
        assert not is_idx(data[:16], put(tmp_path / "x", data))


@pytest.mark.parametrize("packed", [True, False])
def test_a_file_cut_short_gives_what_it_holds(tmp_path: Path, packed: bool) -> None:
    folder = write_digits(tmp_path)
    data = gzip.decompress((folder / IMAGES).read_bytes())
    if packed:
        whole = gzip.compress(data, 0)
        (folder / IMAGES).write_bytes(whole[: len(whole) - 8 - 30])
    else:
        (folder / IMAGES).write_bytes(data[:-30])
    *records, bad = idx_pair(folder / IMAGES).items()
    assert [record.label for record in records] == list("314")
    assert isinstance(bad, BadRecord)
    assert (bad.kind, bad.offset, bad.source) == ("cut short", 16 + 3 * 24, IMAGES)
    assert "2 more images" in bad.expected


def test_pairs_that_cannot_be_are_refused(tmp_path: Path) -> None:
    folder = write_digits(tmp_path)
    (folder / LABELS).write_bytes(idx(np.zeros(4, np.uint8)))
    with pytest.raises(InputError, match="expected 5 labels, found 4"):
        list(idx_pair(folder / IMAGES).items())
    (folder / LABELS).write_bytes(idx(np.zeros(5, np.uint8))[:-2])
    with pytest.raises(InputError, match="expected 5 labels, found 3 of 5"):
        list(idx_pair(folder / IMAGES).items())
    (folder / LABELS).write_bytes(b"other")
    with pytest.raises(InputError, match="found 6f 74"):
        list(idx_pair(folder / IMAGES).items())
    (folder / LABELS).unlink()
    with pytest.raises(InputError, match=r"its labels is missing: train-labels-idx1-ubyte\.gz"):
        idx_pair(folder / IMAGES)
    with pytest.raises(InputError, match=r"expected .images. or .labels."):
        idx_pair(put(folder / "digits.idx", idx(np.zeros((1, 2, 2), np.uint8))))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (idx(np.zeros((0, 0, 5), np.uint8)), "0 of 5 x 0"),
        (b"\0\0\x08\x03" + b"\0\0\0\1" + b"\xff" * 8, "1 of 4294967295 x"),
        (idx(np.zeros(3, np.uint8)), "00 00 08 01"),
    ],
)
def test_a_header_that_cannot_be_is_refused(tmp_path: Path, data: bytes, found: str) -> None:
    folder = write_digits(tmp_path)
    (folder / IMAGES).write_bytes(data)
    with pytest.raises(InputError, match=found):
        idx_pair(folder / IMAGES)
