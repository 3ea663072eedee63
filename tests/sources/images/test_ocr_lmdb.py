import json
from pathlib import Path

import lmdb
import pytest

from hwgen.charset import gb2312_level1
from hwgen.errors import InputError
from hwgen.imaging.framing import Framing
from hwgen.prepare import prepare_images
from hwgen.record import BadRecord
from hwgen.sources.images.collection import EncodedImage
from hwgen.sources.images.find import find_images
from tests.image_files import encoded, photo


def write(folder: Path, **values: bytes) -> Path:
    """An LMDB of these keys, `_` standing for `-`."""
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 24) as env, env.begin(write=True) as txn:
        for key, value in values.items():
            txn.put(key.replace("_", "-").encode(), value)
    return folder


def sample(number: int, label: str, **meta: object) -> dict[str, bytes]:
    values = {f"image_{number:09d}": encoded(photo(number)), f"label_{number:09d}": label.encode()}
    if meta:
        values[f"meta_{number:09d}"] = json.dumps(meta).encode()
    return values


def test_images_are_numbered_from_one_and_classes_are_labels(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "words",
        num_samples=b"3",
        **sample(1, "永"),
        **sample(2, "street"),
        **sample(3, "永", writer="w7"),
    )
    (found,) = find_images([folder])
    assert (found.format, found.name, found.count) == ("ocr-lmdb", "words", 3)
    read = []
    for item in found.items():
        assert isinstance(item, EncodedImage)
        read.append((item.label, item.writer, item.position, item.name, item.read()))
    assert read == [
        ("永", "", 0, "words[000000001]", encoded(photo(1))),
        ("street", "", 1, "words[000000002]", encoded(photo(2))),
        ("永", "w7", 2, "words[000000003]", encoded(photo(3))),
    ]


@pytest.mark.parametrize("label", [b"", b"\xff\x81", b"x" * 257])
def test_a_label_that_is_none_is_a_loss(tmp_path: Path, label: bytes) -> None:
    values = {**sample(1, "a"), "label_000000001": label, **sample(2, "b")}
    folder = write(tmp_path / "w", num_samples=b"2", **values)
    if not label.isascii():
        with pytest.raises(InputError, match="the encoding of its labels is unknown"):
            find_images([folder])
    (found,) = find_images([folder], "utf-8")
    bad, sound = found.items()
    assert isinstance(bad, BadRecord)
    assert (bad.kind, bad.source) == ("unknown label", "w[000000001]")
    assert isinstance(sound, EncodedImage)


def test_an_image_that_is_missing_is_named(tmp_path: Path) -> None:
    (found,) = find_images([write(tmp_path / "w", num_samples=b"1", label_000000001=b"a")])
    items = found.items()
    item = next(items)
    assert isinstance(item, EncodedImage)
    with pytest.raises(InputError, match="no image-000000001"):
        item.read()


@pytest.mark.parametrize("meta", [b"text", b"[]", b'{"writer": 3}', b"[" * 100_000, b"\xff"])
def test_notes_of_strangers_are_no_writers(tmp_path: Path, meta: bytes) -> None:
    values = {**sample(1, "a"), "meta_000000001": meta}
    (found,) = find_images([write(tmp_path / "w", num_samples=b"1", **values)])
    (item,) = found.items()
    assert isinstance(item, EncodedImage)
    assert item.writer == ""


@pytest.mark.parametrize("said", [b"4", b"-1", b"9" * 30])
def test_a_count_that_cannot_be_is_refused(tmp_path: Path, said: bytes) -> None:
    folder = write(tmp_path / "w", num_samples=said, **sample(1, "a"))
    with pytest.raises(InputError, match=r"num-samples is .*there are only 3 keys"):
        find_images([folder])


@pytest.mark.parametrize("said", [b"many", b"\xff", b"", b"1.0", b"\1\0\0\0", "²".encode()])
def test_a_count_that_is_no_number_is_a_loss_that_is_told(tmp_path: Path, said: bytes) -> None:
    folder = write(tmp_path / "w", num_samples=said, **sample(1, "a"), **sample(2, "b"))
    assert labels(folder) == [f"incomplete set: num-samples {said!r}, and 2 images", "a", "b"]


@pytest.mark.parametrize("said", [b" 2", b"2\n", b"2\0", b"02", "２".encode()])
def test_a_count_is_a_number_in_any_writing(tmp_path: Path, said: bytes) -> None:
    folder = write(tmp_path / "w", num_samples=said, **sample(1, "a"), **sample(2, "b"))
    assert labels(folder) == ["a", "b"]


def labels(folder: Path, encoding: str | None = None) -> list[str]:
    """Labels of the sound items, and kinds of the losses."""
    (found,) = find_images([folder], encoding)
    assert found.format == "ocr-lmdb"
    return [
        f"{item.kind}: {item.found}" if isinstance(item, BadRecord) else item.label
        for item in found.items()
    ]


def test_an_interrupted_set_is_read_as_far_as_it_goes_and_counted(tmp_path: Path) -> None:
    values = {**sample(1, "a"), **sample(2, "b"), "label_000000003": b"c"}
    folder = write(tmp_path / "w", **values)
    assert labels(folder) == ["incomplete set: no num-samples, and 2 images", "a", "b", "c"]
    (found,) = find_images([folder])
    for item in found.items():
        if isinstance(item, EncodedImage) and item.position == 2:
            with pytest.raises(InputError, match="no image-000000003"):
                item.read()
    report = prepare_images([folder], tmp_path / "store", framing=Framing(size=8))
    assert (report.records, len(report.bad_records)) == (2, 2)


def test_images_that_are_not_counted_are_not_lost_unseen(tmp_path: Path) -> None:
    values = {**sample(1, "a"), **sample(2, "b"), **sample(3, "c")}
    assert labels(write(tmp_path / "w", num_samples=b"1", **values)) == [
        "incomplete set: num-samples 1, and 2 images that it does not count",
        "a",
    ]


def test_sets_that_count_from_zero_are_read(tmp_path: Path) -> None:
    values = {**sample(0, "a"), **sample(1, "b")}
    assert labels(write(tmp_path / "zero", num_samples=b"2", **values)) == ["a", "b"]
    assert labels(write(tmp_path / "both", num_samples=b"2", **values, **sample(2, "c"))) == [
        "incomplete set: num-samples 2, and 1 images that it does not count",
        "b",
        "c",
    ]


def test_labels_have_one_encoding(tmp_path: Path) -> None:
    names = list(gb2312_level1())[::40]
    values: dict[str, bytes] = {}
    for number, name in enumerate(names, 1):
        values |= {**sample(number, name), f"label_{number:09d}": name.encode("gb18030")}
    folder = write(tmp_path / "w", num_samples=b"%d" % len(names), **values)
    assert labels(folder) == names
    one = {**sample(1, "a"), "label_000000001": "一".encode("gb18030")}
    alone = write(tmp_path / "one", num_samples=b"1", **one)
    with pytest.raises(InputError, match=r"its labels do not say their encoding"):
        find_images([alone])
    assert labels(alone, "gbk") == ["一"]


def test_other_lmdbs_are_refused_with_their_keys(tmp_path: Path) -> None:
    folder = write(tmp_path / "w", some_key=encoded(photo(0)))
    with pytest.raises(InputError, match=r"LMDB of an unknown kind: .* found 'some-key'"):
        find_images([folder])
