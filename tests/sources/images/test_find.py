import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.record import Record
from hwgen.sources.images.find import find_images
from hwgen.sources.images.layout import Layout
from hwgen.store import StoreWriter
from tests.image_files import (
    encoded,
    idx,
    photo,
    put,
    write_batches,
    write_classes,
    write_digits,
    write_lsun,
    write_photos,
    zipped,
)


def names(*inputs: Path) -> list[str]:
    return [found.name for found in find_images(inputs)]


def test_each_format_is_known_by_what_it_holds(tmp_path: Path) -> None:
    photos, digits, batches = (w(tmp_path) for w in (write_photos, write_digits, write_batches))
    archive = zipped(photos, tmp_path / "photos.zip")
    bedroom = write_lsun(tmp_path / "bedroom_train_lmdb", 2)
    archive.rename(tmp_path / "any name")
    pair = ["train-images-idx3-ubyte.gz"]
    for path, expected, kind in (
        (photos, ["photos/cat", "photos/dog"], "folder"),
        (tmp_path / "any name", ["any name!photos/cat", "any name!photos/dog"], "folder"),
        (tmp_path / "any name!photos/cat", ["any name!photos/cat"], "folder"),
        (tmp_path / "any name!photos/cat/", ["any name!photos/cat"], "folder"),
        (digits, pair, "idx"),
        (digits / "train-labels-idx1-ubyte", pair, "idx"),
        (batches / "data_batch_1", ["data_batch_1"], "cifar10"),
        (bedroom, ["bedroom_train_lmdb"], "lsun"),
        (bedroom / "data.mdb", ["bedroom_train_lmdb"], "lsun"),
    ):
        found = find_images([path])
        assert [each.name for each in found] == expected
        assert {each.format for each in found} == {kind}


def test_a_folder_with_an_exclamation_mark_is_itself(tmp_path: Path) -> None:
    put(tmp_path / "wow!" / "a" / "1.png", encoded(photo(0)))
    assert names(tmp_path / "wow!") == ["wow!/a"]


def test_the_present_folder_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_photos(tmp_path))
    assert names(Path(".")) == ["photos/cat", "photos/dog"]


def test_what_is_met_twice_counts_once(tmp_path: Path) -> None:
    photos, digits = write_photos(tmp_path), write_digits(tmp_path)
    (tmp_path / "link").symlink_to(photos)
    archive = zipped(photos, tmp_path / "photos.zip")
    assert names(photos, photos / "..", tmp_path / "link") == ["photos/cat", "photos/dog"]
    inner = tmp_path / "photos.zip!photos/dog"
    assert names(inner, archive) == ["photos.zip!photos/dog", "photos.zip!photos/cat"]
    files = [digits / "train-labels-idx1-ubyte", digits / "train-images-idx3-ubyte.gz"]
    assert len(names(*files)) == 1


def test_two_things_of_one_name_are_refused(tmp_path: Path) -> None:
    one, two = write_photos(tmp_path / "1"), write_photos(tmp_path / "2")
    with pytest.raises(InputError, match="two inputs are called photos/cat"):
        find_images([one, two])


def test_formats_are_not_mixed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"different formats: folder, idx\. Make one store per"):
        find_images([write_photos(tmp_path), write_digits(tmp_path)])
    with pytest.raises(InputError, match="no input"):
        find_images([])


def test_a_training_and_a_test_part_are_not_mixed_unseen(tmp_path: Path) -> None:
    root = tmp_path / "cifar10"
    for part in ("train", "test"):
        put(root / part / "cat" / "1.png", encoded(photo(len(part))))
    archive = zipped(root, tmp_path / "c.zip")
    for path in (root, archive, write_batches(tmp_path)):
        with pytest.raises(InputError, match=r"contains a training and a test set: .*and .*test"):
            find_images([path])
    assert len(names(root / "train", root / "test")) == 2
    assert names(Path(f"{archive}!cifar10/test")) == ["c.zip!cifar10/test/cat"]
    digits = write_digits(tmp_path)
    put(digits / "t10k-images-idx3-ubyte", idx(np.zeros((1, 4, 6), np.uint8)))
    put(digits / "t10k-labels-idx1-ubyte", idx(np.zeros(1, np.uint8)))
    with pytest.raises(InputError, match="contains a training and a test set"):
        find_images([digits])


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("train", "truck", "latest", "attest"):
        put(tmp_path / "vehicles" / name / "1.png", encoded(photo(0)))
    assert len(names(tmp_path / "vehicles")) == 4


def test_what_cannot_be_used_says_why_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    put(tmp_path / "texts" / "a.txt", b"a")
    put(tmp_path / "x.tar.gz", b"\x1f\x8b")
    put(tmp_path / "one.png", encoded(photo(0)))
    put(tmp_path / "note", b"text")
    put(tmp_path / "bad.zip", b"PK\x03\x04text")
    put(tmp_path / "shards" / "data-000000.tar", b"")
    put(tmp_path / "long.txt", b"1.png\ta\n" + b"x" * 70_000)
    put(tmp_path / "icdar" / "rec_gt_train.txt", b"train/1.png\ta")
    for name in (
        "icdar/train/1.png",
        "unpacked/7.png",
        "lists/a/images/1.png",
        "lists/b/images/1.png",
    ):
        put(tmp_path / name, encoded(photo(0)))
    put(tmp_path / "unpacked" / "7.cls", b"3")
    for name in ("a", "b"):
        put(tmp_path / "lists" / name / "label.txt", "images/1.png\t永\n".encode())
    for name in ("unpacked", "lists"):
        zipped(tmp_path / name, tmp_path / f"{name}.zip")
    write_lsun(tmp_path / "lsun" / "bedroom_train_lmdb", 1)
    zipped(tmp_path / "lsun", tmp_path / "lsun.zip")
    with zipfile.ZipFile(tmp_path / "texts.zip", "w") as archive:
        for n in range(7):
            archive.writestr(f"{n}.txt", "text")
    with StoreWriter(tmp_path / "store", size=4, recipe={}) as writer:
        writer.add(Record(np.zeros((4, 4), np.uint8), "a", "", "", 0))
        writer.finish(charset=Charset(("a",)), origin={"kind": "gnt"})
    for name, message in (
        ("none", "no such file or folder"),
        ("note!inner", "no such file or folder|is damaged"),
        ("empty", "no image in this folder; it contains nothing"),
        ("texts", r"it contains a\.txt.*Image files end in \.apng, \.bmp"),
        (
            "x.tar.gz",
            r"`tar xf x\.tar\.gz`.*; convert WebDataset .*parquet or an OCR",
        ),
        ("shards", r"data-000000\.tar: is an archive.*WebDataset to parquet"),
        ("unpacked", r"unpacked WebDataset.* the class of 7\.png is in 7\.cls"),
        ("unpacked.zip", r"unpacked WebDataset.* is in unpacked/7\.cls"),
        ("lists", r"label lists \(2\)\. Give the ones to use, such as .*lists.a.label\.txt$"),
        ("icdar", r"label lists \(1\)\. Give the ones to use, such as .*icdar.rec_gt_train\.txt$"),
        ("lists.zip", r"contains a label list, lists/a/label\.txt, which cannot be read in place"),
        ("long.txt", r"line 2 is longer than 65,536 characters"),
        ("one.png", "is a single image. Give the folder that contains it"),
        ("note", "is not a zip of images"),
        ("bad.zip", "the zip is damaged"),
        ("lsun", r"contains LMDBs \(1\).*bedroom_train_lmdb.data\.mdb$"),
        ("lsun.zip", "contains an LMDB, which cannot be read in place"),
        ("texts.zip", r"it contains 0\.txt, .*4\.txt, \.\.\."),
        ("texts.zip!deep", "no image in this zip in deep"),
        ("store", "is already a store"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            find_images([tmp_path / name])
        assert str(tmp_path / name.split("!")[0]) in str(caught.value)


def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        find_images([tmp_path])


def test_a_folder_beside_an_lmdb_is_refused_and_the_lmdb_can_be_given(tmp_path: Path) -> None:
    lmdb = write_lsun(tmp_path / "bedroom_train_lmdb", 2)
    put(lmdb / "extra" / "1.png", encoded(photo(0)))
    with pytest.raises(InputError, match=r"\(lsun\) and 1 folders.*such as .*data\.mdb or .*extra"):
        find_images([lmdb])
    assert names(lmdb / "data.mdb") == ["bedroom_train_lmdb"]


def test_a_zip_in_a_folder_with_an_exclamation_mark_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "wow!" / "a!b.zip!"
    folder.mkdir(parents=True)
    archive = zipped(write_photos(tmp_path), folder / "photos!.zip")
    assert names(archive) == ["photos!.zip!photos/cat", "photos!.zip!photos/dog"]
    assert names(Path(f"{archive}!photos/dog")) == ["photos!.zip!photos/dog"]


def test_streams_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"is a pipe, not a file\. Save the data to a file first"):
        find_images([tmp_path / "x.parquet"])


def test_where_nothing_is_an_image_the_remedy_is_named(tmp_path: Path) -> None:
    put(tmp_path / "a" / "一" / "1.heic", b"x")
    put(tmp_path / "b" / "images.7z", b"x")
    put(tmp_path / "c" / "images.zip", b"PK\x03\x04")
    for name, message in (
        ("a", r"no image in this folder.* Convert the images to PNG\. Image files end in"),
        ("b", r"images\.7z: is an archive.*`7z x images\.7z`"),
        ("c", r"contains zips \(1\)\. Give the ones to use, such as .*images\.zip"),
    ):
        with pytest.raises(InputError, match=message):
            find_images([tmp_path / name])


def test_folders_that_may_not_be_the_classes_are_refused_and_can_be_chosen(tmp_path: Path) -> None:
    root = write_classes(tmp_path / "root", "永/w1/1.png", "永/w2/1.png", "和/w1/1.png")
    archive = zipped(root, tmp_path / "z.zip")
    for path, depth in ((root, 1), (archive, 2), (Path(f"{archive}!root"), 1)):
        with pytest.raises(InputError, match=r"the folder w1 occurs in .*和 and in .*永") as caught:
            find_images([path])
        for chosen, labels in ((depth, ["和", "永", "永"]), (depth + 1, ["w1", "w1", "w2"])):
            assert f"--class-depth {chosen}" in caught.value.remedy
            found = find_images([path], layout=Layout(class_depth=chosen))
            assert [each.label for each in found] == labels  # type: ignore[attr-defined]


LISTS = {
    "metadata.csv": "file_name,label\n1.png,永\n2.png,和\n",
    "metadata.jsonl": '{"file_name": "1.png", "text": "永"}\n'
    '{"file_name": "2.png", "text": "\\u548c"}\n',
}


@pytest.mark.parametrize("name", list(LISTS))
def test_the_metadata_of_hugging_face_hold_the_labels(tmp_path: Path, name: str) -> None:
    root = write_classes(tmp_path / "root", "1.png", "2.png")
    put(root / name, LISTS[name].encode())
    (found,) = find_images([root])
    assert [getattr(item, "label", "") for item in found.items()] == ["永", "和"]
    assert found.columns
    assert (found.columns.image, found.columns.not_read) == ("file_name", ())


@pytest.mark.parametrize("name", list(LISTS))
def test_metadata_beside_class_folders_are_refused_where_they_hold_labels(
    tmp_path: Path, name: str
) -> None:
    root = write_classes(tmp_path / "root", "a/1.png", "b/2.png")
    put(root / name, LISTS[name].replace("1.png", "a/1.png").replace("2.png", "b/2.png").encode())
    with pytest.raises(InputError, match="not clear where the labels are") as caught:
        find_images([root])
    assert f"Give {root / name} to use its labels, or move it" in caught.value.remedy
    (found,) = find_images([root / name])
    assert found.format == "paddle"
    put(
        root / name,
        b"file_name,width\na/1.png,3\n" if "csv" in name else b'{"file_name": "a/1.png"}',
    )
    assert names(root) == ["root/a", "root/b"]


@pytest.mark.parametrize("name", [*LISTS, "gt.txt", "labels.csv"])
def test_lists_in_folders_are_not_ignored_while_these_become_classes(
    tmp_path: Path, name: str
) -> None:
    root = write_classes(tmp_path / "root", "a/1.png", "a/2.png", "b/1.png")
    put(root / "a" / name, LISTS.get(name, "1.png,永\n2.png,和\n").encode())
    with pytest.raises(InputError, match=r"contains label lists \(1\)\. Give .*a/"):
        find_images([root])
    with pytest.raises(InputError, match=f"contains a label list, root/a/{name}"):
        find_images([zipped(root, tmp_path / "z.zip")])


@pytest.mark.parametrize("suffix", [".txt", ".gt.txt", ".json", ".xml"])
def test_a_text_beside_each_image_is_not_ignored(tmp_path: Path, suffix: str) -> None:
    root = write_classes(tmp_path / "root", "1.png", "2.png", "3.png")
    for number in (1, 2):
        put(root / f"{number}{suffix}", "永".encode())
    with pytest.raises(InputError, match=rf"2 images have a file of their name .* 1\{suffix}"):
        find_images([root])


def test_parquet_files_below_the_input_are_named(tmp_path: Path) -> None:
    put(tmp_path / "hf" / "data" / "train.parquet", b"PAR1")
    with pytest.raises(InputError, match=r"contains parquet files \(1\)\. Give .*train\.parquet"):
        find_images([tmp_path / "hf"])
