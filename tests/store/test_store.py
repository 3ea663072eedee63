import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.errors import CharsetError, StoreError
from hwgen.record import Record
from hwgen.store import Store, StoreWriter
from tests.store.small_stores import RECIPE, SIZE, assert_holds, record, write


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [1, 5])
def test_what_is_written_is_read_back(tmp_path: Path, count: int, channels: int) -> None:
    store = write(tmp_path / "s", count, channels=channels)
    assert_holds(store, count)


@pytest.mark.parametrize("count", [1023, 1024, 1025, 2048, 2500])
def test_block_borders_lose_nothing(tmp_path: Path, count: int) -> None:
    store = write(tmp_path / "s", count)
    assert len(store.all_images()) == len(store.columns) == len(store.labels) == count
    for n in (0, count // 2, count - 1):
        np.testing.assert_array_equal(store.images([n])[0], record(n).image)
        assert store.columns[n]["position"] == 10 * n
    assert sum(len(block) for block in store.image_blocks()) == count
    np.testing.assert_array_equal(store.all_images()[[count - 1, 0]], store.images([count - 1, 0]))


def test_the_map_grows_with_the_store(tmp_path: Path) -> None:
    image = np.full((1024, 1024), 3, np.uint8)
    with StoreWriter(tmp_path / "s", size=1024, recipe=RECIPE) as writer:
        for n in range(100):
            writer.add(Record(image, "一", "", "", n))
        store = writer.finish(origin={})
    assert (store.images([99])[0] == 3).all()
    assert (store.path / "data.mdb").stat().st_size > 64 << 20


def test_the_manifest_counts_classes_and_writers(tmp_path: Path) -> None:
    store = write(tmp_path / "s", 5)
    manifest = store.manifest
    assert manifest.charset == ["一", "丁", "七"]
    assert manifest.class_counts == [2, 2, 1]
    assert manifest.writer_counts == {"": 3, "001": 2}
    assert store.writers == {"001"}
    assert manifest.charset_fingerprint == store.charset.fingerprint
    assert manifest.polarity == "255 = paper, 0 = ink"
    assert store.labels.tolist() == [0, 1, 2, 0, 1]
    assert set(manifest.versions) >= {"hwgen", "python", "numpy", "pillow"}
    assert not store.is_synthetic


def test_a_given_charset_sets_the_class_ids(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE) as writer:
        for n in range(3):
            writer.add(record(n))
        store = writer.finish(charset=Charset(tuple("七万一丁")), origin={"kind": "synthetic"})
    assert store.labels.tolist() == [2, 3, 0]
    assert store.manifest.class_counts == [1, 0, 1, 1]
    assert store.is_synthetic


def add_batch(writer: StoreWriter, records: list[Record]) -> None:
    writer.add_batch(
        np.array([r.image for r in records]).reshape(-1, *records[0].image.shape),
        labels=[r.label for r in records],
        writers=[r.writer for r in records],
        sources=[r.source for r in records],
        positions=[r.position for r in records],
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size_of_batch", [7, 1024, 2500])
def test_batches_of_any_size_make_the_store_that_single_records_make(
    tmp_path: Path, size_of_batch: int, channels: int
) -> None:
    records = [record(n, channels=channels) for n in range(2500)]
    one_by_one = write(tmp_path / "one", 2500, channels=channels)
    with StoreWriter(tmp_path / "s", size=SIZE, channels=channels, recipe=RECIPE) as writer:
        for start in range(0, 2500, size_of_batch):
            add_batch(writer, records[start : start + size_of_batch])
        assert writer.count == 2500
        store = writer.finish(origin={"kind": "test"})
    assert store.manifest == one_by_one.manifest  # its content hash too


def test_a_batch_may_be_empty_and_its_array_used_again(tmp_path: Path) -> None:
    images = np.array([record(n).image for n in range(3)])
    texts: dict[str, list[str]] = {"labels": ["一"], "writers": [""], "sources": ["f"]}
    with StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE) as writer:
        empty: dict[str, list[str]] = {name: [] for name in texts}
        writer.add_batch(images[:0], **empty, positions=[])
        writer.add_batch(images[:1], **texts, positions=np.array([7]))
        images[:] = 0
        store = writer.finish(origin={})
    assert (len(store), store.record(0).position) == (1, 7)
    np.testing.assert_array_equal(store.record(0).image, record(0).image)


def test_batches_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    images = np.zeros((3, SIZE, SIZE), np.uint8)
    fields: dict[str, Any] = {
        name: ["a"] * 3 for name in ("labels", "writers", "sources", "positions")
    }
    with StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE) as writer:
        for name in fields:
            with pytest.raises(StoreError, match="3 images with"):
                writer.add_batch(images, **{**fields, name: ["a"]})
        with pytest.raises(StoreError, match=r"a@4: expected .* found \(8,\)"):
            writer.add_batch(images[:, 0], **{**fields, "positions": [4, 5, 6]})
        assert writer.count == 0


def test_labels_outside_the_charset_make_no_store(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE) as writer:
        writer.add(record(0))
        with pytest.raises(CharsetError):
            writer.finish(charset=Charset(("万",)), origin={})
    assert list(tmp_path.iterdir()) == []


def test_reports_are_written_beside_the_manifest(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE) as writer:
        writer.add(record(0))
        writer.finish(origin={}, reports={"report.json": {"lost": ["万"]}})
    assert json.loads((tmp_path / "s" / "report.json").read_text()) == {"lost": ["万"]}


def test_content_is_hashed_over_records_and_order(tmp_path: Path) -> None:
    def content(name: str, order: list[int]) -> str:
        with StoreWriter(tmp_path / name, size=SIZE, recipe={"name": name}) as writer:
            for n in order:
                writer.add(record(n))
            return writer.finish(origin={"name": name}).manifest.content_sha256

    assert content("a", [0, 1, 2]) == content("b", [0, 1, 2])
    assert content("a2", [0, 1, 2]) != content("c", [0, 2, 1])


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 9), np.uint8), np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32)],
)
def test_unfitting_images_are_refused(tmp_path: Path, image: np.ndarray) -> None:
    with (
        StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE) as writer,
        pytest.raises(StoreError, match=r"f@3: expected images of shape"),
    ):
        writer.add(Record(image, "一", "", "f", 3))


def test_a_finished_store_is_kept_unless_told(tmp_path: Path) -> None:
    write(tmp_path / "s", 3)
    with pytest.raises(StoreError, match=r"already there.*--overwrite"):
        write(tmp_path / "s", 5)
    assert_holds(Store(tmp_path / "s"), 3)
    assert_holds(write(tmp_path / "s", 5, overwrite=True), 5)
    assert [entry.name for entry in tmp_path.iterdir()] == ["s"]


def test_a_failed_overwrite_keeps_the_old_store(tmp_path: Path) -> None:
    write(tmp_path / "s", 3)
    with StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE, overwrite=True) as writer:
        writer.add(record(7))
    assert_holds(Store(tmp_path / "s"), 3)


def test_an_old_store_that_is_open_is_read_anew_after_overwriting(tmp_path: Path) -> None:
    old = write(tmp_path / "s", 3)
    assert_holds(old, 3)
    assert_holds(write(tmp_path / "s", 5, overwrite=True), 5)
    assert_holds(old, 3)


@pytest.mark.parametrize("overwrite", [False, True])
def test_foreign_things_are_never_replaced(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "folder", "link"):
        with pytest.raises(StoreError, match="exists and is not a store"):
            write(tmp_path / name, overwrite=overwrite)
    assert (tmp_path / "folder" / "file").read_text() == "mine"


def test_an_empty_folder_may_become_a_store(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    assert_holds(write(tmp_path / "s"), 5)


def test_folders_above_are_made(tmp_path: Path) -> None:
    assert_holds(write(tmp_path / "a" / "b" / "s"), 5)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write(tmp_path / "file" / "s")


def test_the_content_hash_changes_with_every_text_and_pixel(tmp_path: Path) -> None:
    def content(name: str, **changes: Any) -> str:
        fields = {"image": np.zeros((SIZE, SIZE), np.uint8), "label": "一", "writer": "w"}
        fields |= {"source": "s", "position": 0, **changes}
        with StoreWriter(tmp_path / name, size=SIZE, recipe=RECIPE) as writer:
            writer.add(Record(**fields))
            return writer.finish(origin={"kind": "gnt"}).manifest.content_sha256

    changes: list[dict[str, Any]] = [
        {},
        {"label": "二"},
        {"writer": "v"},
        {"source": "t"},
        {"position": 1},
        {"image": np.ones((SIZE, SIZE), np.uint8)},
    ]
    assert len({content(str(n), **change) for n, change in enumerate(changes)}) == 6
    assert content("again") == content("and again")


@pytest.mark.parametrize("size", [0, -1, 16_385, 10**9])
def test_images_beyond_the_bound_are_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(StoreError, match=rf"s: the size of images .* found {size}"):
        StoreWriter(tmp_path / "s", size=size, recipe=RECIPE)
    assert list(tmp_path.iterdir()) == []


def test_half_a_copy_is_told_by_what_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "s", 3).path
    manifest = (path / "manifest.json").read_bytes()
    (path / "manifest.json").unlink()
    with pytest.raises(StoreError, match=r"missing beside data\.mdb\. Copy the store again"):
        Store(path)
    (path / "manifest.json").write_bytes(manifest[:-20])
    with pytest.raises(StoreError, match="is not a store's manifest"):
        Store(path)
    (path / "manifest.json").write_bytes(manifest)
    assert_holds(Store(path), 3)
    (path / "data.mdb").rename(tmp_path / "data.mdb")
    with pytest.raises(StoreError, match=r"cannot be opened|cannot be read|No such file"):
        Store(path)
    for overwrite in (False, True):  # what is there may be all that is left of it
        with pytest.raises(StoreError, match="is not a store"):
            write(path, 1, overwrite=overwrite)
    (tmp_path / "data.mdb").rename(path / "data.mdb")
    assert_holds(Store(path), 3)
    assert not (tmp_path / ".s.hwgen-lock").exists()


def test_what_the_process_held_before_does_not_fill_gaps_in_the_file(tmp_path: Path) -> None:
    held = [b"SECRET 8" * (4080 // 8) for _ in range(500)]
    held += [b"SECRET 8" * (n << 7) for n in range(1, 500)]
    del held
    for resumable in (False, True):
        path = write(tmp_path / f"s{resumable}", 1100, resumable=resumable).path
        assert b"SECRET" not in (path / "data.mdb").read_bytes()
