"""GNT and POT inputs that are refused, and what the errors say."""

import io
import os
from pathlib import Path

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.sources.casia_files import GNT, POT, _is_level_1, find_files
from hwgen.sources.gnt import encode_record, read_gnt
from hwgen.sources.pot import encode_trajectory
from tests.sources.casia_inputs import SOUND, make_zip, names, other, put


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
