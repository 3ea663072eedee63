import json
from pathlib import Path

import lmdb
import pytest

from hwgen.errors import InputError
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
        **sample(4, "beyond"),
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


@pytest.mark.parametrize("label", [b"", b"\xff\xfe", b"x" * 257])
def test_a_label_that_is_none_is_a_loss(tmp_path: Path, label: bytes) -> None:
    values = {**sample(1, "a"), "label_000000001": label, **sample(2, "b")}
    (found,) = find_images([write(tmp_path / "w", num_samples=b"2", **values)])
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


@pytest.mark.parametrize("said", [b"4", b"-1", b"many", b"9" * 30, b"\xff", b""])
def test_a_count_that_cannot_be_is_refused(tmp_path: Path, said: bytes) -> None:
    folder = write(tmp_path / "w", num_samples=said, **sample(1, "a"))
    with pytest.raises(InputError, match=r"num-samples is .*there are only 3 keys"):
        find_images([folder])
