import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import lmdb
import numpy as np
import pytest

from hwgen.errors import StoreError
from hwgen.io.lmdb_pages import check_pages
from hwgen.record import Record
from hwgen.store import Store, StoreWriter

PAGE = 4096


def make(path: Path, count: int = 40, size: int = 8, block: int = 1024, first: int = 0) -> Path:
    """A store; few records a block make a tree of many keys."""
    rng = np.random.default_rng(first)
    with (
        mock.patch("hwgen.store.writer._BLOCK_RECORDS", block),
        StoreWriter(path, size=size, recipe={}) as writer,
    ):
        for n in range(first, first + count):
            image = rng.integers(0, 256, (size, size), np.uint8)
            writer.add(Record(image, "一丁"[n % 2], "w", "f", n))
        writer.finish(origin={"kind": "gnt"})
    return path


@pytest.mark.parametrize(
    ("count", "block"), [(0, 1024), (1, 1024), (40, 1024), (200, 1), (900, 1), (2100, 1024)]
)
def test_sound_files_pass(tmp_path: Path, count: int, block: int) -> None:
    path = make(tmp_path / "s", count, block=block)
    check_pages(path / "data.mdb")
    assert len(Store(path).all_images()) == count


@pytest.mark.parametrize("values", [10, 3000])
def test_any_tree_that_lmdb_writes_passes(tmp_path: Path, values: int) -> None:
    rng = np.random.default_rng(values)
    with lmdb.open(str(tmp_path), map_size=1 << 28) as env:
        for commit in range(5):  # keys are replaced and deleted, so that pages are free
            with env.begin(write=True) as txn:
                for key in rng.integers(0, 2 * values, values).tolist():
                    txn.put(b"%08d" % key, rng.bytes(int(rng.integers(0, 6000))))
                for key in rng.integers(0, 2 * values, values // 2).tolist():
                    txn.delete(b"%08d" % key)
            check_pages(tmp_path / "data.mdb")
            assert commit < 5


def test_every_cut_is_refused_without_a_crash_or_costs_nothing(tmp_path: Path) -> None:
    path = make(tmp_path / "s", 200, block=1)
    images = Store(path).all_images()
    whole = (path / "data.mdb").read_bytes()
    lengths = [0, 1, 15, 16, 151, 152, 4095, 4096, 4247, *range(8192, len(whole), 1000)]
    refused = []
    for length in [*lengths, len(whole) - 1]:
        (path / "data.mdb").unlink()
        (path / "data.mdb").write_bytes(whole[:length])
        try:
            np.testing.assert_array_equal(Store(path).all_images(), images)
        except StoreError as error:
            refused.append(str(error))
    # A file may end in pages that are free, or in a page that is not full.
    assert len(refused) > len(lengths) / 2
    assert all("data.mdb: " in text and "copy may be incomplete" in text for text in refused)


def meta(at: int, form: str, *values: int) -> Callable[[bytearray], None]:
    """Other values in both meta pages."""

    def change(data: bytearray) -> None:
        for page in (0, PAGE):
            struct.pack_into(form, data, page + 16 + at, *values)

    return change


def node(page: int, place: int, at: int, form: str, value: int) -> Callable[[bytearray], None]:
    """Another value in a node."""

    def change(data: bytearray) -> None:
        (begin,) = struct.unpack_from("<H", data, PAGE * page + 16 + 2 * place)
        struct.pack_into(form, data, PAGE * page + begin + at, value)

    return change


def root_of(data: bytes) -> int:
    """Of the main tree, by the later meta page."""
    later = max((0, PAGE), key=lambda page: struct.unpack_from("<Q", data, page + 16 + 128)[0])
    (root,) = struct.unpack_from("<Q", data, later + 16 + 24 + 48 + 40)
    return int(root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (meta(0, "<I", 7), "not an LMDB file"),
        (meta(4, "<I", 2), "not an LMDB file"),
        (meta(24, "<I", 0), "512 to 32768 bytes, found 0"),
        (meta(24, "<I", 5000), "512 to 32768 bytes, found 5000"),
        (lambda data: struct.pack_into("<I", data, PAGE + 16 + 24, 8192), "of 4096 and 8192"),
        (meta(24 + 48 + 4, "<H", 4), "flags 0x4"),
        (meta(24 + 48 + 40, "<Q", 1 << 40), r"page \d+ begins at byte|beyond the last"),
        (meta(120, "<Q", 1), "beyond the last"),
    ],
)
def test_forged_meta_pages_are_refused(
    tmp_path: Path, change: Callable[[bytearray], None], message: str
) -> None:
    path = make(tmp_path / "s")
    data = bytearray((path / "data.mdb").read_bytes())
    change(data)
    (path / "data.mdb").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        check_pages(path / "data.mdb")
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(path).images([0])


@pytest.mark.parametrize(
    ("branch", "at", "form", "value", "message"),
    [
        (False, 4, "<H", 2, "flags 0x2"),  # a nested database
        (False, 6, "<H", 5000, "a key of 5000 bytes"),
        (False, 0, "<H", 9000, "value of 9000 bytes|ends at byte"),
        (False, 8, "<B", 255, "out of order"),
        (True, 0, "<H", 60_000, "begins at byte|beyond the last"),
        (True, 0, "<H", 0, "has number"),
    ],
)
def test_forged_nodes_are_refused(
    tmp_path: Path, branch: bool, at: int, form: str, value: int, message: str
) -> None:
    path = make(tmp_path / "s", 200 if branch else 40, block=1 if branch else 1024)
    data = bytearray((path / "data.mdb").read_bytes())
    root = root_of(data)
    assert struct.unpack_from("<H", data, PAGE * root + 10)[0] == (1 if branch else 2)
    node(root, 0, at, form, value)(data)
    (path / "data.mdb").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        check_pages(path / "data.mdb")


def test_a_tree_that_bites_its_tail_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "s", 200, block=1)
    data = bytearray((path / "data.mdb").read_bytes())
    root = root_of(data)
    node(root, 1, 0, "<H", root)(data)
    (path / "data.mdb").write_bytes(data)
    with pytest.raises(ValueError, match="its own ancestor"):
        check_pages(path / "data.mdb")


@pytest.mark.parametrize(
    ("at", "form", "value", "message"),
    [
        (0, "<Q", 99, "has number 99"),
        (10, "<H", 0x22, "flags 0x22"),
        (12, "<H", 17, "free space from 17"),
        (12, "<H", 16, "0 nodes and free"),
        (14, "<H", 5000, "to 5000"),
        (16, "<H", 20, "a node at byte 20,"),
        (16, "<H", 4095, "a node at byte 4095,"),
    ],
)
def test_forged_page_heads_are_refused(
    tmp_path: Path, at: int, form: str, value: int, message: str
) -> None:
    path = make(tmp_path / "s")
    data = bytearray((path / "data.mdb").read_bytes())
    struct.pack_into(form, data, PAGE * root_of(data) + at, value)
    (path / "data.mdb").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        check_pages(path / "data.mdb")


@pytest.mark.parametrize(
    ("first", "message"), [(1 << 40, "is beyond the last"), (-1, "a value ends at byte")]
)
def test_a_value_beyond_the_file_is_refused(tmp_path: Path, first: int, message: str) -> None:
    path = make(tmp_path / "s", 100, size=16)
    data = bytearray((path / "data.mdb").read_bytes())
    root = root_of(data)
    for place in range(3):
        (begin,) = struct.unpack_from("<H", data, PAGE * root + 16 + 2 * place)
        _, _, flags, key = struct.unpack_from("<4H", data, PAGE * root + begin)
        if flags == 1:
            last = len(data) // PAGE - 1
            place = PAGE * root + begin + 8 + key
            struct.pack_into("<Q", data, place, last if first < 0 else first)
    (path / "data.mdb").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        check_pages(path / "data.mdb")
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(path).all_images()


def test_a_manifest_of_another_store_is_noticed(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one"), make(tmp_path / "two", first=2)
    shutil.copy(one / "manifest.json", two / "manifest.json")
    with pytest.raises(
        StoreError, match=r"belong to different stores: their content hashes differ"
    ):
        Store(two).images([0])
    assert len(Store(one).all_images()) == 40


def test_a_missing_data_file_is_named(tmp_path: Path) -> None:
    path = make(tmp_path / "s")
    (path / "data.mdb").unlink()
    with pytest.raises(StoreError, match=r"data\.mdb: cannot be opened.*copy may be incomplete"):
        Store(path)
