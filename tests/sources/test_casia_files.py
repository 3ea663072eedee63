import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from hwgen.sources.casia_files import GNT, find_files, writer_of
from hwgen.sources.gnt import encode_record, read_gnt
from hwgen.sources.unread import Unread
from tests.sources.casia_inputs import SOUND, make_zip, names, other, put


@pytest.mark.parametrize(
    ("name", "writer"),
    [
        ("001-f.gnt", "001"),
        ("1001-c.gnt", "1001"),
        ("C001-f.gnt", "C001"),
        ("C001-F.GNT", "C001"),
        ("writer12.gnt", "writer12"),
        ("Gnt1.0Test/421-f.gnt", "421"),
        ("archive.zip!part/007-f.gnt", "007"),
        ("1.0train-gb1", ""),
        ("1.0trn-c.gnt", ""),
        ("hwdb89trn-c.gnt", ""),
        ("all.gnt", ""),
    ],
)
def test_writers_are_told_from_names(name: str, writer: str) -> None:
    assert writer_of(name) == writer


def test_a_gnt_file_is_opened_by_whatever_name(tmp_path: Path) -> None:
    for name in ("001-f.gnt", "1.0train-gb1", "C001-f.GNT"):
        (file,) = find_files([put(tmp_path / name)], GNT)
        assert (file.name, file.size) == (name, len(SOUND))
        with file.open() as stream:
            assert len(list(read_gnt(stream, source=file.name, writer=file.writer))) == 3


def test_a_folder_is_searched_in_fixed_order_and_clutter_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "HWDB"
    for name in ("b/002-f.gnt", "b/001-f.gnt", "a/9.gnt", "merged-gb1"):
        put(folder / name)
    for name in (".hidden.gnt", "__MACOSX/001-f.gnt", ".git/3.gnt"):
        put(folder / name)
    put(folder / "readme.txt", b"about this data")
    put(folder / "empty.txt", b"")
    put(folder / "HWDB1.1trn_gnt.alz", b"ALZ\x01 unpacked beside")
    make_zip(folder / "about.docx", {"[Content_Types].xml": b"<Types/>"})
    make_zip(folder / "c.zip", {"x/003-f.gnt": SOUND})
    expected = [
        "HWDB/a/9.gnt",
        "HWDB/b/001-f.gnt",
        "HWDB/b/002-f.gnt",
        "HWDB/c.zip!x/003-f.gnt",
        "HWDB/merged-gb1",
    ]
    assert names(folder) == expected


def test_the_files_of_an_lmdb_are_passed_over_whatever_they_hold(tmp_path: Path) -> None:
    put_store = tmp_path / "train"
    put_store.mkdir()
    (put_store / "data.mdb").write_bytes(SOUND)
    (tmp_path / "merged-gb1").write_bytes(SOUND)
    assert [file.path.name for file in find_files([tmp_path], GNT)] == ["merged-gb1"]


def test_names_do_not_depend_on_how_a_folder_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "HWDB" / "001-f.gnt")
    monkeypatch.chdir(tmp_path / "HWDB")
    assert names(Path()) == names(tmp_path / "HWDB") == ["HWDB/001-f.gnt"]


def test_a_zip_is_read_in_place_at_any_depth(tmp_path: Path) -> None:
    path = make_zip(
        tmp_path / "HWDB1.0trn_gnt.zip",
        {
            "deep/er/002-f.gnt": SOUND,
            "001-f.gnt": SOUND,
            "1.0train-gb1": SOUND,
            "deep/": b"",
            "__MACOSX/deep/._001-f.gnt": SOUND,
            "deep/.DS_Store": b"junk",
            "readme.txt": b"about this data",
        },
    )
    files = find_files([path], GNT)
    assert [file.name.split("!")[1] for file in files] == [
        "001-f.gnt",
        "1.0train-gb1",
        "deep/er/002-f.gnt",
    ]
    assert [file.writer for file in files] == ["001", "", "002"]
    for file in files:
        assert file.name.startswith("HWDB1.0trn_gnt.zip!")
        with file.open() as stream:
            assert stream.read(10_000) == SOUND


def test_a_zip_is_known_by_its_content(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "download", {"001-f.gnt": SOUND})
    assert names(path) == ["download!001-f.gnt"]


def test_a_gnt_with_a_damaged_beginning_is_still_read(tmp_path: Path) -> None:
    damaged = b"\xff" + SOUND[1:]
    assert names(put(tmp_path / "001-f.gnt", damaged)) == ["001-f.gnt"]
    assert names(make_zip(tmp_path / "a.zip", {"1.gnt": damaged})) == ["a.zip!1.gnt"]


def test_a_merged_file_with_a_damaged_beginning_is_known_by_its_later_records(
    tmp_path: Path,
) -> None:
    damaged = b"\xff" + SOUND[1:] + SOUND + SOUND
    folder = tmp_path / "HWDB"
    put(folder / "1.0train-gb1", damaged)
    make_zip(folder / "a.zip", {"1.0train-gb2": damaged})
    assert names(folder) == ["HWDB/1.0train-gb1", "HWDB/a.zip!1.0train-gb2"]


def test_a_file_given_twice_counts_once(tmp_path: Path) -> None:
    path = put(tmp_path / "d" / "001-f.gnt")
    (tmp_path / "link.gnt").symlink_to(path)
    assert names(path, path, tmp_path / "d", tmp_path / "link.gnt") == ["001-f.gnt"]


def counted(*inputs: Path) -> tuple[list[str], dict[str, int]]:
    """Names of the files found, and what was not read."""
    unread = Unread()
    files = find_files(inputs, GNT, unread)
    return [file.name for file in files], {kind.kind: kind.files for kind in unread.kinds.values()}


def test_every_file_is_found_or_counted(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "002-f.gnt", other(2))
    root = tmp_path / "HWDB"
    put(root / "001-f.gnt", other(1))
    (root / "more").symlink_to(tmp_path / "elsewhere")
    (root / "above").symlink_to(tmp_path)
    (root / "003-f.gnt").symlink_to("nowhere")
    os.mkfifo(root / "004-f.gnt")
    put(root / "005-f.gnt.gz", gzip.compress(other(5)))
    put(root / "006-f.rar", b"Rar!\x1a\x07\1\0")
    put(root / "README.txt", b"about this data")
    make_zip(root / "a.zip", {"007-f.gnt": other(7), "notes.md": b"-", "008-f.gnt.gz": b"\x1f\x8b"})
    put(root / ".hidden.gnt", other(9))
    found, unread = counted(root)
    assert found == ["HWDB/001-f.gnt", "HWDB/a.zip!007-f.gnt", "HWDB/more/002-f.gnt"]
    assert unread == {
        ".gz": 2,
        ".rar": 1,
        ".md": 1,
        ".txt": 1,
        "broken link": 1,
        "pipe, socket or device": 1,
        "link to a folder above it": 1,
    }


def test_copies_are_read_once_and_counted(tmp_path: Path) -> None:
    root = tmp_path / "HWDB"
    root.mkdir()
    zipped = make_zip(root / "trn.zip", {"001-f.gnt": other(1), "002-f.gnt": other(2)})
    for name, data in (("001-f.gnt", other(1)), ("002-f.gnt", other(2)), ("003-f.gnt", other(3))):
        put(root / "trn" / name, data)
    (root / "again.zip").write_bytes(zipped.read_bytes())
    put(root / "trn" / "001-f copy.gnt", other(1))
    (root / "trn" / "link.gnt").symlink_to("003-f.gnt")
    os.link(root / "trn" / "003-f.gnt", root / "004-f.gnt")
    found, unread = counted(root)
    assert found == [
        "HWDB/004-f.gnt",
        "HWDB/again.zip!001-f.gnt",
        "HWDB/again.zip!002-f.gnt",
    ]
    assert unread["read already"] == 7
    one = root / "trn" / "001-f.gnt"
    assert counted(one, root / "trn") == (
        ["001-f.gnt", "trn/002-f.gnt", "trn/003-f.gnt"],
        {"read already": 3},
    )


def test_of_copies_the_one_that_names_its_writer_is_read(tmp_path: Path) -> None:
    root = tmp_path / "HWDB"
    put(root / "1 copy of 001.gnt", other(1))
    put(root / "trn" / "001-f.gnt", other(1))
    assert [(file.name, file.writer) for file in find_files([root], GNT)] == [
        ("HWDB/trn/001-f.gnt", "001")
    ]


def test_two_writers_of_equal_scans_are_both_kept(tmp_path: Path) -> None:
    for name in ("001-f.gnt", "002-f.gnt"):
        put(tmp_path / "d" / name, other(1))
    assert counted(tmp_path / "d") == (["d/001-f.gnt", "d/002-f.gnt"], {})


def test_stray_bytes_in_names_of_loose_files_stay(tmp_path: Path) -> None:
    for writer, folder in (
        (1, "训练".encode("gbk")),
        (2, "测试".encode("gbk")),
        (3, "字".encode()),
    ):
        image = np.full((50, 40), writer, np.uint8)
        put(tmp_path / os.fsdecode(folder) / f"00{writer}-f.gnt", encode_record("啊", image))
    found = find_files([tmp_path], GNT, encoding="utf-8")
    assert sorted((file.writer, file.name.split("/")[1]) for file in found) == [
        ("001", "ѵ\\xc1\\xb7"),
        ("002", "\\xb2\\xe2\\xca\\xd4"),
        ("003", "字"),
    ]
