import gzip
import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.sources.images import folder as folder_module
from hwgen.sources.images.find import find_images
from hwgen.sources.unread import Unread
from tests.image_files import (
    encoded,
    photo,
    put,
    write_classes,
    write_digits,
    write_photos,
    zipped,
)


def counted(*inputs: Path) -> tuple[list[tuple[str, int]], dict[str, int], list[str]]:
    """Names and sizes of the collections, what was not read, and folders of which nothing was."""
    unread = Unread()
    found = find_images(inputs, unread=unread)
    kinds = {kind.kind: kind.files for kind in unread.kinds.values()}
    return [(each.name, each.count) for each in found], kinds, unread.folders


def test_every_file_is_read_or_counted(tmp_path: Path) -> None:
    root, far = tmp_path / "root", tmp_path / "far"
    put(far / "丙" / "1.png", encoded(photo(9)))
    put(far / "2.png", encoded(photo(2)))
    for name in ("1.png", "2.JFIF", "3.jpe", "4.pbm", "no suffix", "6.dat"):
        kind = "JPEG" if "J" in name or "j" in name else "PPM" if "pbm" in name else "PNG"
        put(root / "甲" / name, encoded(photo(ord(name[0])), kind))
    for name in ("1.heic", "2.heic", "3"):
        put(root / "乙" / name, b"not an image that Pillow reads")
    (root / "丙").symlink_to(far / "丙")
    (root / "甲" / "7.png").symlink_to(far / "2.png")
    (root / "甲" / "8.png").symlink_to("nowhere")
    (root / "甲" / "above").symlink_to(root)
    os.mkfifo(root / "甲" / "9.png")
    for name in ("README", "notes.txt", "甲/labels.json"):
        put(root / name, b"notes")
    put(root / "more.zip", b"PK\x03\x04")
    for name in (".hidden/1.png", "甲/@eaDir/1.png/T.jpg", ".ipynb_checkpoints/1.png"):
        put(root / name, encoded(photo(0)))
    assert counted(root) == (
        [("root/丙", 1), ("root/甲", 7)],
        {
            ".heic": 2,
            "without suffix": 2,  # README and one that may be an image
            ".txt": 1,
            ".json": 1,
            ".zip": 1,
            "broken link": 1,
            "link to a folder above it": 1,
            "pipe, socket or device": 1,
        },
        ["root/乙"],
    )


def test_in_a_zip_every_file_is_read_or_counted(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("1.png", "2.jfif", "no suffix"):
        put(root / "甲" / name, encoded(photo(len(name))))
    put(root / "乙" / "1.heic", b"x")
    put(root / "丁" / "notes.txt", b"x")
    put(root / "more.7z", b"x")  # beside classes
    archive = zipped(root, tmp_path / "z.zip")
    expected = {".heic": 1, ".txt": 1, ".7z": 1}
    assert counted(archive) == (
        [("z.zip!root/甲", 3)],
        expected,
        ["z.zip!root/乙", "z.zip!root/丁"],
    )


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("features.bin", np.arange(20_000, dtype="<f4").tobytes()),
        ("zeros.bin", bytes(3073 * 5)),
        ("data_batch_1", b"batch of something else"),
        ("archive.gz", gzip.compress(b"other", mtime=0)),
        ("numbers-idx3-ubyte", b"\0\0\x08\x03" + bytes(20)),
        ("metadata.parquet", b"PAR1 and no more"),
        ("lock.mdb", b""),
    ],
)
def test_a_foreign_file_hides_no_classes(tmp_path: Path, name: str, data: bytes) -> None:
    photos = write_photos(tmp_path)
    put(photos / name, data)
    found, unread, _ = counted(photos)
    assert found == [("photos/cat", 2), ("photos/dog", 1)]
    assert sum(unread.values()) == 2  # and dog/0.txt


def test_sets_that_lie_beside_each_other_are_refused(tmp_path: Path) -> None:
    photos, digits = write_photos(tmp_path), write_digits(tmp_path)
    for file in digits.iterdir():
        put(photos / file.name, file.read_bytes())
    with pytest.raises(
        InputError, match=r"contains train-images.* \(idx\) and 2 folders of images"
    ):
        find_images([photos])
    put(digits / "preview.png", encoded(photo(0)))
    found, unread, _ = counted(digits)
    assert (found, unread) == ([("train-images-idx3-ubyte.gz", 5)], {"image without a class": 1})


def test_images_that_a_list_does_not_name_are_counted(tmp_path: Path) -> None:
    for name in ("images/1.png", "images/2.png", "images/3.png"):
        put(tmp_path / "set" / name, encoded(photo(ord(name[7]))))
    put(tmp_path / "set" / "label.txt", "images/1.png\t永\nimages/1.png\t永\n".encode())
    found, unread, _ = counted(tmp_path / "set")
    assert (found, unread) == ([("set/label.txt", 2)], {"image that the list does not name": 2})


def test_copies_are_read_once_and_counted(tmp_path: Path) -> None:
    photos = write_photos(tmp_path)
    archive = zipped(photos, tmp_path / "photos.zip")
    (tmp_path / "again.zip").write_bytes(archive.read_bytes())
    expected = [("photos.zip!photos/cat", 2), ("photos.zip!photos/dog", 1)]
    found, unread, _ = counted(archive, photos, tmp_path / "again.zip")
    assert (found, unread["read already"]) == (expected, 6)
    put(photos / "cat" / "1.png", encoded(photo(1))[:-1] + b"x")
    assert len(counted(archive, photos)[0]) == 3


def test_an_input_within_another_is_read_once(tmp_path: Path) -> None:
    photos = write_photos(tmp_path)
    found, unread, _ = counted(photos, photos / "dog")
    assert (found, unread["read already"]) == ([("photos/cat", 2), ("photos/dog", 1)], 1)


def test_two_names_of_a_folder_are_two_classes(tmp_path: Path) -> None:
    photos = write_photos(tmp_path)
    (photos / "hound").symlink_to("dog")
    found, _, _ = counted(photos)
    assert found == [("photos/cat", 2), ("photos/dog", 1), ("photos/hound", 1)]


def test_images_above_the_classes_are_counted(tmp_path: Path) -> None:
    root = write_classes(tmp_path / "root", "preview.png", "永/1.png", "和/1.png", "和/2.png")
    archive = zipped(root, tmp_path / "z.zip")
    for path, top in (
        (root, "root"),
        (archive, "z.zip!root"),
        (Path(f"{archive}!root"), "z.zip!root"),
    ):
        found, unread, _ = counted(path)
        assert found == [(f"{top}/和", 2), (f"{top}/永", 1)]
        assert unread == {"image above the class folders": 1}


def test_a_class_folder_of_which_nothing_is_read_is_named(tmp_path: Path) -> None:
    root = write_classes(tmp_path / "root", "永/1.png", "和/1.png", "乙/.hidden.png")
    put(root / "notes" / "README", b"notes")
    (root / "空").mkdir()
    assert counted(root)[2] == ["root/notes", "root/乙", "root/空"]
    assert counted(zipped(root, tmp_path / "z.zip"))[2] == [
        "z.zip!root/notes",
        "z.zip!root/乙",
        "z.zip!root/空",
    ]


def test_a_link_in_a_zip_is_counted_as_such(tmp_path: Path) -> None:
    root = write_classes(tmp_path / "root", "永/1.png")
    archive = zipped(root, tmp_path / "z.zip")
    with zipfile.ZipFile(archive, "a") as added:
        for name in ("root/和", "root/永/2.png"):
            link = zipfile.ZipInfo(name)
            link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            added.writestr(link, "elsewhere")
    found, unread, _ = counted(archive)
    assert (found, unread) == ([("z.zip!root/永", 1)], {"symbolic link in a zip": 2})


def test_a_file_that_cannot_be_read_is_counted_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_classes(tmp_path / "root", "永/1.png", "和/2")

    def refuse(*args: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folder_module, "looks_like_image", refuse)
    unread = Unread()
    find_images([root], unread=unread)
    (kind,) = (kind for kind in unread.kinds.values() if kind.kind != "without suffix")
    expected = ("file that cannot be read", 1, "root/和/2 (Permission denied)", True)
    assert (kind.kind, kind.files, kind.first, kind.may_be_data) == expected
