import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.io.class_folders import class_of
from hwgen.record import BadRecord
from hwgen.sources.images import folder
from hwgen.sources.images.collection import Collection, EncodedImage
from hwgen.sources.images.decoding import decode
from hwgen.sources.images.folder import in_folder, in_zip
from hwgen.sources.images.layout import Layout
from tests.image_files import encoded, photo, put, write_photos, zipped


def images(collections: list[Collection]) -> list[tuple[str, bytes]]:
    """Labels and bytes of all images."""
    return [
        (item.label, item.read())
        for collection in collections
        for item in collection.items()
        if isinstance(item, EncodedImage)
    ]


def encoded_of(items: Iterator[object]) -> EncodedImage:
    """The next item."""
    item = next(items)
    assert isinstance(item, EncodedImage)
    return item


def test_a_class_is_the_folder_that_holds_the_image(tmp_path: Path) -> None:
    cat, dog = in_folder(write_photos(tmp_path))
    assert (cat.name, cat.count, dog.name, dog.count) == ("photos/cat", 2, "photos/dog", 1)
    items = list(cat.items())
    assert [(i.label, i.source, i.position, i.name) for i in items] == [
        ("cat", "photos/cat", 0, "photos/cat/0.png"),
        ("cat", "photos/cat", 1, "photos/cat/1.png"),
    ]
    np.testing.assert_array_equal(decode(items[1].read(), 3), photo(1))
    assert cat.size == sum(len(item.read()) for item in items)


def test_images_of_the_root_are_of_its_own_class(tmp_path: Path) -> None:
    put(tmp_path / "faces" / "a.png", encoded(photo(0)))
    put(tmp_path / "faces" / "deep" / "er" / "b.png", encoded(photo(1)))
    for depth, expected in ((0, ["faces", "faces"]), (1, ["deep"]), (2, ["er"])):
        found = in_folder(tmp_path / "faces", layout=Layout(class_depth=depth))
        assert [label for label, _ in images(found)] == expected
    with zipfile.ZipFile(tmp_path / "faces 2.zip", "w") as archive:
        archive.writestr("a.png", encoded(photo(0)))
    (root,) = in_zip(tmp_path / "faces 2.zip")
    (item,) = root.items()
    assert (item.label, item.source, item.name) == ("faces 2", "faces 2.zip", "faces 2.zip!a.png")


def test_a_zip_is_the_folder(tmp_path: Path) -> None:
    root = write_photos(tmp_path)
    archive = zipped(root, tmp_path / "all.zip")
    assert images(in_zip(archive)) == images(in_folder(root))
    assert [found.name for found in in_zip(archive)] == [
        "all.zip!photos/cat",
        "all.zip!photos/dog",
    ]
    assert images(in_zip(archive, "photos/dog")) == images(in_folder(root / "dog"))
    assert in_zip(archive, "photos/do") == []


def test_the_listing_is_that_of_torchvision(tmp_path: Path) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    root = tmp_path / "root"
    rng = np.random.default_rng(0)
    for n in range(40):
        suffix = "PNG" if n % 3 else "bmp"
        put(root / "ba永Z"[n % 4] / f"{rng.integers(1000)}-{n}.{suffix}", encoded(photo(n)))
    theirs = datasets.ImageFolder(str(root))
    ours = [(item.label, item.name) for found in in_folder(root) for item in found.items()]
    expected = [
        (theirs.classes[target], Path(path).relative_to(tmp_path).as_posix())
        for path, target in theirs.samples
    ]
    assert ours == expected


def test_what_is_lost_on_the_way_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_photos(tmp_path)
    archive = zipped(root, tmp_path / "all.zip")
    (cat, _), (zipped_cat, _) = in_folder(root), in_zip(archive)
    data = bytearray(archive.read_bytes())
    data[data.index(b"IDAT") + 9] ^= 1  # the zip's checksum tells
    archive.write_bytes(bytes(data))
    items = zipped_cat.items()
    with pytest.raises(InputError, match=r"all\.zip!photos/cat/0\.png.*Bad CRC-32"):
        encoded_of(items).read()
    assert decode(encoded_of(items).read(), 3).shape == (12, 16, 3)
    (root / "cat" / "1.png").unlink()
    with pytest.raises(InputError, match=r"photos/cat/1\.png: cannot be read"):
        [encoded_of(iter([item])) for item in cat.items()][1].read()
    monkeypatch.setattr(folder, "MAX_BYTES", 10)
    for found in (cat, zipped_cat):
        lost = list(found.items())
        assert all(isinstance(item, BadRecord) for item in lost)
        assert (lost[0].kind, lost[0].length) == ("bad image", cat.files[0][1])


def test_names_in_a_zip_are_text_and_no_paths(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for name in ("/etc/a.png", "../up/a.png", "./here/a.png"):
            archive.writestr(name, encoded(photo(0)))
    assert {label for label, _ in images(in_zip(tmp_path / "z.zip"))} == {"etc", "up", "here"}


def test_labels_that_are_chinese_survive_a_zip_of_either_kind(tmp_path: Path) -> None:
    root = tmp_path / "字"
    put(root / "永" / "1.png", encoded(photo(0)))
    archive = zipped(root, tmp_path / "字.zip")
    assert [label for label, _ in images(in_zip(archive))] == ["永"]


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("U+554A", "啊"),
        ("U+0041-U+1F600", "A😀"),
        ("U+D800", "U+D800"),
        ("U+FFFFFF", "U+FFFFFF"),
        ("u+554a", "u+554a"),
        ("U+554A-x", "U+554A-x"),
        ("cat", "cat"),
    ],
)
def test_a_code_point_is_its_character(folder: str, label: str) -> None:
    assert class_of(folder, dict) == label
