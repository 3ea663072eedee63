import gzip
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.sources.casia_files import GNT, POT, _is_level_1, find_files, writer_of
from hwgen.sources.gnt import encode_record, read_gnt
from hwgen.sources.pot import encode_trajectory
from hwgen.sources.unread import Unread

SOUND = b"".join(encode_record("啊", np.full((5, 4), n, np.uint8)) for n in range(3))


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def put(path: Path, data: bytes = SOUND) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def names(*inputs: Path) -> list[str]:
    return [file.name for file in find_files(inputs, GNT)]


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


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    one = put(tmp_path / "a" / "001-f.gnt")
    two = put(tmp_path / "b" / "001-f.gnt", SOUND + SOUND)
    with pytest.raises(InputError, match=r"two inputs are called 001-f\.gnt"):
        find_files([one, two], GNT)


def test_no_input_is_refused() -> None:
    with pytest.raises(InputError, match="no input was given"):
        find_files([], GNT)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.gnt: no such file"):
        find_files([tmp_path / "nowhere.gnt"], GNT)


@pytest.mark.parametrize("data", [b"", b"short", b"\x89PNG\r\n\x1a\n and so on"])
def test_what_is_not_gnt_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InputError, match="is not a GNT file"):
        find_files([put(tmp_path / "image.png", data)], GNT)


def test_a_folder_without_gnt_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "notes.txt", b"nothing here")
    with pytest.raises(InputError, match="no GNT file in this folder"):
        find_files([tmp_path], GNT)


def test_a_folder_of_broken_links_says_so(tmp_path: Path) -> None:
    (tmp_path / "001-f.gnt").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"no GNT file.*; not read: 1 file: 1 broken link \(.*001"):
        find_files([tmp_path], GNT)


def test_alz_is_refused_with_the_way_to_unpack_it(tmp_path: Path) -> None:
    given = put(tmp_path / "a" / "HWDB1.1trn_gnt.alz", b"ALZ\x01 and so on")
    for thing in (given, tmp_path / "a"):
        with pytest.raises(InputError, match=r"unalz HWDB1\.1trn_gnt\.alz"):
            find_files([thing], GNT)
    zipped = make_zip(tmp_path / "b.zip", {"in/HWDB1.1trn_gnt.alz": b"ALZ\x01"})
    with pytest.raises(
        InputError, match=r"contains in/HWDB1\.1trn_gnt\.alz.*unalz HWDB1\.1trn_gnt"
    ):
        find_files([zipped], GNT)


def test_an_alz_by_another_name_is_known_by_its_content(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="alz"):
        find_files([put(tmp_path / "download", b"ALZ\x01 and so on")], GNT)


@pytest.mark.parametrize("members", [{}, {"readme.txt": b"about"}])
def test_a_zip_without_gnt_is_refused(tmp_path: Path, members: dict[str, bytes]) -> None:
    with pytest.raises(InputError, match=f"it contains {next(iter(members), 'nothing')}"):
        find_files([make_zip(tmp_path / "a.zip", members)], GNT)


def test_a_cut_zip_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"001-f.gnt": SOUND})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"a\.zip: the zip is damaged"):
        find_files([path], GNT)


def test_a_zip_damaged_within_a_member_is_noticed_while_reading(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (500, 500), np.uint8)
    path = make_zip(tmp_path / "a.zip", {"001-f.gnt": encode_record("啊", noise) * 3})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    (file,) = find_files([path], GNT)
    with file.open() as stream, pytest.raises(InputError, match=r"a\.zip!001-f\.gnt: the zip is d"):
        list(read_gnt(stream, source=file.name, writer=file.writer))


def test_a_file_that_went_away_is_named(tmp_path: Path) -> None:
    path = put(tmp_path / "001-f.gnt")
    (file,) = find_files([path], GNT)
    path.unlink()
    with pytest.raises(InputError, match=r"001-f\.gnt: cannot be read \(No such file"), file.open():
        pass


def test_the_callers_own_errors_are_not_blamed_on_the_file(tmp_path: Path) -> None:
    (file,) = find_files([put(tmp_path / "001-f.gnt")], GNT)
    with pytest.raises(OSError, match="disk full"), file.open():
        raise OSError("disk full")


def test_a_zip_that_is_only_deflated_noise_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "a.zip", io.BytesIO(b"PK\x03\x04" + b"\0" * 100).getvalue())
    with pytest.raises(InputError, match="the zip is damaged"):
        find_files([path], GNT)


def counted(*inputs: Path) -> tuple[list[str], dict[str, int]]:
    """Names of the files found, and what was not read."""
    unread = Unread()
    files = find_files(inputs, GNT, unread)
    return [file.name for file in files], {kind.kind: kind.files for kind in unread.kinds.values()}


def other(n: int) -> bytes:
    """A file of records that no other has."""
    return encode_record("啊", np.full((300, 300), n, np.uint8)) * 2


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


@pytest.mark.parametrize("name", ["001-f.gnt.gz", "HWDB.rar", "HWDB.7z", "HWDB.tar", "HWDB.z01"])
def test_archives_are_refused_with_the_way_to_unpack_them(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / "d" / name, b"packed")
    for given in (path, path.parent, make_zip(tmp_path / "z.zip", {name: b"packed"})):
        with pytest.raises(InputError, match=rf"archive \(.*[Uu]npack it first.*{name}"):
            find_files([given], GNT)


def test_an_unreadable_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "d" / "001-f.gnt")
    put(tmp_path / "d" / "more" / "002-f.gnt")
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "more":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"more: cannot be read \(Permission denied\)"):
        find_files([tmp_path / "d"], GNT)


def test_a_stream_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gnt")
    with pytest.raises(InputError, match=r"is a pipe, not a file\. Save the data to a file first"):
        find_files([tmp_path / "pipe.gnt"], GNT)


def test_training_and_test_files_in_one_input_are_not_mixed_unseen(tmp_path: Path) -> None:
    root = tmp_path / "HWDB"
    root.mkdir()
    train = make_zip(root / "HWDB1.0trn_gnt.zip", {"001-f.gnt": other(1)})
    test = make_zip(root / "HWDB1.0tst_gnt.zip", {"337-f.gnt": other(2)})
    with pytest.raises(InputError, match=r"a training and a test set: .*trn_gnt.*tst_gnt"):
        find_files([root], GNT)
    assert len(find_files([train, test], GNT)) == len(find_files([root], GNT, mixed=True)) == 2


def exchanged(data: bytes, at: int) -> bytes:
    """The same data with the two bytes at this place of each record exchanged."""
    out, here = bytearray(data), 0
    while here < len(data):
        out[here + at : here + at + 2] = data[here + at : here + at + 2][::-1]
        here += int.from_bytes(data[here : here + (4 if at == 4 else 2)], "little")
    return bytes(out)


def test_tags_with_exchanged_bytes_are_refused(tmp_path: Path) -> None:
    image = np.zeros((4, 5), np.uint8)
    common = [chr(0x4E00 + n) for n in range(400) if _is_level_1(chr(0x4E00 + n).encode("gbk"))]
    data = b"".join(encode_record(label, image) for label in common)
    assert names(put(tmp_path / "001-f.gnt", data)) == ["001-f.gnt"]
    wrong = exchanged(data, 4)
    for path in (
        put(tmp_path / "wrong.gnt", wrong),
        make_zip(tmp_path / "wrong.zip", {"001-f.gnt": wrong}),
    ):
        with pytest.raises(InputError, match=r"bytes of the tags seem exchanged: of \d+ different"):
            find_files([path], GNT)
    strokes = [[(0, 0), (5, 5)]]
    pot = b"".join(encode_trajectory(label, strokes) for label in common)
    assert len(find_files([put(tmp_path / "001.pot", pot)], POT)) == 1
    with pytest.raises(InputError, match=r"seem exchanged.*as POT orders them"):
        find_files([put(tmp_path / "wrong.pot", exchanged(pot, 2))], POT)


def test_few_tags_are_enough_and_many_of_one_class_are_not(tmp_path: Path) -> None:
    image = np.zeros((4, 5), np.uint8)
    common = "永和书法的一是了我不人在他有这个上们来到"
    data = b"".join(encode_record(label, image) for label in common)
    with pytest.raises(InputError, match="seem exchanged: of 20 different tags, 20 are"):
        find_files([put(tmp_path / "wrong.gnt", exchanged(data, 4))], GNT)
    rare = b"\xd8\xb1".decode("gbk")  # exchanged, it were common
    put(tmp_path / "one.gnt", encode_record(rare, image) * 50)
    assert len(find_files([tmp_path / "one.gnt"], GNT)) == 1


def test_rare_characters_and_symbols_are_not_taken_for_exchanged_bytes(tmp_path: Path) -> None:
    codes = [bytes((high, low)) for high in range(0xD8, 0xF8) for low in range(0xA1, 0xFF)]
    rare = [code.decode("gbk") for code in codes if code.decode("gbk", "replace") != "\ufffd"]
    for labels in (
        rare,
        rare[::-1],
        rare[::7],
        "0123456789ABCDEFGHIJ",
        "！＂＃￥％＆＇（）＊＋，－．／０",
    ):
        data = b"".join(encode_record(label, np.zeros((4, 5), np.uint8)) for label in labels)
        assert len(find_files([put(tmp_path / "001-f.gnt", data)], GNT)) == 1


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
