import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import pytest

from hwgen.errors import InputError, StoreError
from hwgen.record import Record
from hwgen.store import Store, StoreWriter, blocks, open_store

SIZE = 8
RECIPE = {"kind": "test"}


def record(n: int, channels: int = 1) -> Record:
    shape = (SIZE, SIZE) if channels == 1 else (SIZE, SIZE, channels)
    image = np.random.default_rng(n).integers(0, 256, shape, np.uint8)
    return Record(image, "一丁七"[n % 3], ("", "001")[n % 2], f"file{n % 4}", 10 * n)


def write(path: Path, count: int = 5, channels: int = 1) -> Store:
    with StoreWriter(path, size=SIZE, channels=channels, recipe=RECIPE) as writer:
        for n in range(count):
            writer.add(record(n, channels))
        return writer.finish(origin={"kind": "test"})


def assert_holds(store: Store, count: int) -> None:
    assert len(store) == count
    for n in range(count):
        np.testing.assert_array_equal(store.record(n).image, record(n).image)
        assert store.record(n).label == record(n).label


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_read_by_number_in_any_order(tmp_path: Path, channels: int) -> None:
    store = write(tmp_path / "s", 2500, channels)
    whole = store.all_images()
    np.testing.assert_array_equal(whole[2100], record(2100, channels).image)
    numbers = np.random.default_rng(0).integers(0, 2500, 300)
    np.testing.assert_array_equal(store.images(numbers), whole[numbers])
    np.testing.assert_array_equal(store.images(list(numbers)), whole[numbers])
    np.testing.assert_array_equal(store.images(range(1000, 1100)), whole[1000:1100])
    assert store.images([]).shape == (0, *whole.shape[1:])


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, None), (0, 1024), (1024, 2048), (5, 6), (1000, 2100), (2047, 9999), (7, 7), (2500, 2600)],
)
def test_a_range_is_read_block_by_block(tmp_path: Path, start: int, stop: int | None) -> None:
    store = write(tmp_path / "s", 2500)
    expected = store.all_images()[start:stop]
    parts = list(store.image_blocks(start, stop))
    assert all(0 < len(part) <= 1024 for part in parts)
    np.testing.assert_array_equal(np.concatenate([expected[:0], *parts]), expected)


@pytest.mark.parametrize("told", [True, False])
def test_consecutive_images_are_read_from_the_file_wherever_it_is_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    if not told:
        monkeypatch.setattr("hwgen.store.blocks._mapping", lambda inode: range(0))
    store = write(tmp_path / "s", 2500, channels=3)
    expected = store.images(range(2500))
    for start, stop in ((0, 2500), (1000, 2100), (2499, 2500), (7, 7)):
        found = np.empty((stop - start, SIZE, SIZE, 3), np.uint8)
        store.read(start, into=found)
        np.testing.assert_array_equal(found, expected[start:stop])
    for start in (-1, 2499):
        with pytest.raises(StoreError, match="do not exist"):
            store.read(start, into=np.empty((2, SIZE, SIZE, 3), np.uint8))


def test_the_map_is_unknown_where_the_system_does_not_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(name: str, mode: str) -> None:
        raise FileNotFoundError(name)

    monkeypatch.setattr("builtins.open", absent)
    assert blocks._mapping(5) == range(0)


def test_threads_may_read_while_another_closes(tmp_path: Path) -> None:
    store = write(tmp_path / "s", 3000)
    expected = store.all_images()
    wrong: list[int] = []

    def read(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(30):
            numbers = rng.integers(0, 3000, 64)
            if not np.array_equal(store.images(numbers), expected[numbers]):
                wrong.append(seed)
            if not np.array_equal(store.all_images(), expected):
                wrong.append(seed)

    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for thread in readers:
        thread.start()
    while any(thread.is_alive() for thread in readers):
        store.close()
    assert not wrong


def test_an_empty_store_can_be_read(tmp_path: Path) -> None:
    store = write(tmp_path / "s", 0)
    assert (len(store), len(store.columns), len(store.labels)) == (0, 0, 0)
    assert store.all_images().shape == (0, SIZE, SIZE)


@pytest.mark.parametrize("index", [-1, 5])
def test_records_outside_are_refused(tmp_path: Path, index: int) -> None:
    with pytest.raises(StoreError, match=f"record {index} does not exist; the store has 5"):
        write(tmp_path / "s").images([index])


@pytest.mark.parametrize("count", [5, 1100])
def test_a_store_is_a_sequence_of_records(tmp_path: Path, count: int) -> None:
    store = write(tmp_path / "s", count)
    assert [r.position for r in store] == [10 * n for n in range(count)]
    assert [r.label for r in store[-2:]] == [record(n).label for n in (count - 2, count - 1)]
    assert [r.position for r in store[4:0:-2]] == [40, 20]
    assert store[count:] == []
    for number in (1, np.int64(1), -count + 1):
        np.testing.assert_array_equal(store[number].image, record(1).image)
    for outside in (count, -count - 1):
        with pytest.raises(IndexError, match=f"record {outside} does not exist; the store has"):
            store[outside]
    with pytest.raises(TypeError, match="integer"):
        store["1"]  # type: ignore[call-overload]


def test_a_store_has_torchvision_s_names(tmp_path: Path) -> None:
    store = write(tmp_path / "s")
    assert store.classes == ["一", "丁", "七"]
    assert store.class_to_idx == {"一": 0, "丁": 1, "七": 2}
    assert store.targets == [0, 1, 2, 0, 1]
    assert all(type(target) is int for target in store.targets)


def test_stores_and_records_show_what_they_are(tmp_path: Path) -> None:
    store = write(tmp_path / "s", channels=3)
    path = str(tmp_path / "s")
    assert repr(store) == f"Store({path!r}: 5 real images of 3 classes, 8x8 colour)"
    assert repr(store[1]) == (
        "Record(image=8x8 colour, label='丁', writer='001', source='file1', position=10)"
    )


def test_a_path_is_opened_and_a_store_taken(tmp_path: Path) -> None:
    store = write(tmp_path / "s")
    assert open_store(store) is store
    assert len(open_store(str(tmp_path / "s"))) == len(open_store(tmp_path / "s")) == 5
    with pytest.raises(InputError, match=r"found int.*hwgen\.Store"):
        open_store(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("1.png", "images, for hwgen prepare-images.*hwgen prepare-images"),
        ("一/1.png", "folders of images, for hwgen prepare-images.*hwgen prepare-images"),
        ("001-f.gnt", "GNT files, for hwgen prepare-gnt.*hwgen prepare-gnt"),
    ],
)
def test_raw_data_names_the_command_that_makes_a_store(
    tmp_path: Path, file: str, command: str
) -> None:
    path = tmp_path / "my data" / file
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(StoreError, match=f"no store here: it contains {command} '.*' --out STORE"):
        Store(tmp_path / "my data")


def test_no_store_an_unfinished_one_and_a_foreign_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no store here.*hwgen prepare-gnt"):
        Store(tmp_path / "nowhere")
    with (
        StoreWriter(tmp_path / "s", size=SIZE, recipe=RECIPE),
        pytest.raises(StoreError, match="is unfinished"),
    ):
        Store(tmp_path / "s")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: "{", "is not a store's manifest"),
        (lambda text: "[]", "is not a store's manifest"),
        (lambda text: text.replace('"hwgen-store"', '"other"'), "found 'other' version 1"),
        (lambda text: text.replace('"format_version": 1', '"format_version": 2'), "version 2"),
        (lambda text: text.replace('"count"', '"number"'), "is not a store's manifest"),
    ],
)
def test_foreign_manifests_are_refused(
    tmp_path: Path, edit: Callable[[str], str], message: str
) -> None:
    file = write(tmp_path / "s").path / "manifest.json"
    file.write_text(edit(file.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(StoreError, match=message):
        Store(tmp_path / "s")


def test_a_damaged_data_file_is_named(tmp_path: Path) -> None:
    store = write(tmp_path / "s")
    (store.path / "data.mdb").write_bytes(b"not lmdb")
    with pytest.raises(StoreError, match=r"data\.mdb: cannot be opened"):
        store.images([0])
    manifest = json.loads((store.path / "manifest.json").read_text(encoding="utf-8"))
    more = tmp_path / "more"
    write(more)

    def told(count: int) -> None:
        counts = {"class_counts": [count, 0, 0], "writer_counts": {"": count}}
        text = json.dumps({**manifest, "count": count, **counts})
        (more / "manifest.json").write_text(text, encoding="utf-8")

    told(7)
    with pytest.raises(StoreError, match="damaged: expected 448 bytes, found 320 bytes"):
        Store(more).images([0])
    told(1029)
    with pytest.raises(StoreError, match=r"at least 86,436 bytes.*may be incomplete"):
        Store(more)


def test_a_manifest_that_tells_of_blocks_that_are_not_there_is_noticed(tmp_path: Path) -> None:
    file = write(tmp_path / "s").path / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**manifest, "block_records": 2}), encoding="utf-8")
    with pytest.raises(StoreError, match=r"images/00000000\]: damaged: expected 128 bytes"):
        Store(tmp_path / "s").images([0])
    with pytest.raises(StoreError, match=r"images/00000002\]: damaged.*found nothing"):
        Store(tmp_path / "s").images([4])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": -1}, "counts of classes"),
        ({"count": 10**9}, "counts of classes"),
        ({"count": 10**40}, "an integer of 41 digits"),
        ({"count": 5.0}, "count should be int"),
        ({"count": None}, "count should be int"),
        ({"size": 0}, "images of 0 pixels"),
        ({"size": 10**9}, "images of 1000000000 pixels"),
        ({"channels": 2}, "2 channels"),
        ({"block_records": 0}, "blocks of 0 records"),
        ({"polarity": "0 = paper, 255 = ink"}, "polarity '0 = paper"),
        ({"class_counts": [1, 4]}, "2 counts for 3 classes"),
        ({"class_counts": [7, -4, 2]}, "3 counts for 3"),
        ({"charset": ["一", "丁", 7]}, r"charset\[2\] should be str"),
        ({"charset": ["一", "丁", "八"]}, "fingerprint"),
        ({"charset": ["一", "丁", "一"]}, "occurs twice"),
        ({"charset": ["一", "丁", "\ud800"]}, "lone surrogate"),
        ({"writer_counts": {"": 4}}, "counts of classes or writers"),
        ({"writer_counts": []}, "writer_counts should be an object"),
        ({"tables": {"labels": []}}, "tables labels"),
        (
            {"tables": {"labels": [[]], "writers": [], "sources": []}},
            r"tables.labels\[0\] should be str",
        ),
        ({"origin": "here"}, "origin should be an object"),
        ({"more": 1}, "unknown fields"),
    ],
)
def test_manifests_that_cannot_be_are_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    file = write(tmp_path / "s").path / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**manifest, **change}), encoding="utf-8")
    with pytest.raises(StoreError, match=f"is not a store's manifest.*{message}"):
        Store(tmp_path / "s")


def test_tables_of_other_texts_are_noticed(tmp_path: Path) -> None:
    file = write(tmp_path / "s").path / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    manifest["tables"]["sources"] = ["elsewhere"]
    file.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(StoreError, match="belong to different stores"):
        Store(tmp_path / "s").record(0)


def test_columns_that_point_behind_their_tables_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "s").path / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    manifest["tables"]["sources"] = ["elsewhere"]
    hashes = hashlib.sha256(
        json.dumps([manifest["charset"], manifest["tables"]]).encode() + _block_hash(tmp_path / "s")
    )
    file.write_text(json.dumps({**manifest, "content_sha256": hashes.hexdigest()}), "utf-8")
    with pytest.raises(StoreError, match=r"entry 3 of 1 sources"):
        Store(tmp_path / "s").record(0)


def _block_hash(path: Path) -> bytes:
    with lmdb.open(str(path), readonly=True, lock=False) as env, env.begin() as txn:
        return bytes(txn.get(b"sha256/00000000"))


def test_a_store_may_be_pickled_and_moved(tmp_path: Path) -> None:
    store = write(tmp_path / "s")
    assert_holds(store, 5)
    assert_holds(pickle.loads(pickle.dumps(store)), 5)
    store.close()
    shutil.move(tmp_path / "s", tmp_path / "t")
    assert_holds(Store(tmp_path / "t"), 5)


def test_many_stores_on_one_path_live_together(tmp_path: Path) -> None:
    first = write(tmp_path / "s")
    assert_holds(first, 5)
    second = Store(tmp_path / "s")
    assert_holds(second, 5)
    first.close()
    assert_holds(second, 5)
    assert_holds(first, 5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_store_that_was_read_may_be_read_in_a_forked_child(tmp_path: Path) -> None:
    store = write(tmp_path / "s")
    expected = store.images([4]).tobytes()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, store.images([4]).tobytes())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        found = pipe.read()
    os.waitpid(child, 0)
    assert found == expected
    assert store.images([4]).tobytes() == expected


def test_a_store_that_was_read_may_be_sent_to_a_new_process(tmp_path: Path) -> None:
    store = write(tmp_path / "s")
    expected = store.images([4])
    script = "import pickle, sys; print(pickle.load(sys.stdin.buffer).images([4]).sum())"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, input=pickle.dumps(store), capture_output=True, check=True)
    assert int(done.stdout) == expected.sum()
