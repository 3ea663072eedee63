"""Names in a zip: what they lead to, how they are encoded, and which of them are refused."""

import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from hwgen.charset import gb2312_level1
from hwgen.errors import InputError
from hwgen.imaging.framing import Framing
from hwgen.io import zips
from hwgen.prepare import PrepareOptions, prepare_gnt
from hwgen.sources.casia_files import GNT, find_files
from hwgen.sources.gnt import encode_record
from hwgen.store import Store
from tests.io.zip_files import SOUND, make_zip, read


def sound(seed: int) -> bytes:
    """Three records, others for another seed."""
    image = np.random.default_rng(seed).integers(0, 256, (5, 4), np.uint8)
    return b"".join(encode_record("啊", image + n) for n in range(3))


TRAVERSALS = (
    "../../../up.gnt",
    "/absolute.gnt",
    "C:\\windows.gnt",
    "a/../../b.gnt",
    "a\\..\\back.gnt",
    "~/home.gnt",
    "..\\..\\up.gnt",
)


@pytest.mark.parametrize("name", TRAVERSALS)
def test_names_that_lead_elsewhere_are_names_only(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "deep" / "er"
    inside.mkdir(parents=True)
    path = make_zip(inside / "a.zip", {name: SOUND})
    report = prepare_gnt(
        [path], inside / "store", framing=Framing(size=8), options=PrepareOptions(workers=1)
    )
    assert report.records == 3
    everything = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    store = {f"deep/er/store/{n}" for n in ("data.mdb", "manifest.json", "prepare-report.json")}
    assert everything == store | {"deep/er/a.zip"}
    # The backslash of Windows separates folders, since the zip has no other separator.
    assert Store(inside / "store").manifest.tables["sources"] == [
        "a.zip!" + name.replace("\\", "/")
    ]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_names_without_the_utf8_flag_are_read_as_chinese_systems_write_them(
    tmp_path: Path, encoding: str
) -> None:
    raw = "手写/001.gnt".encode(encoding)
    path = make_zip(tmp_path / "a.zip", {"x" * len(raw): SOUND})
    data = path.read_bytes().replace(b"x" * len(raw), raw)
    path.write_bytes(data)
    (file,) = find_files([path], GNT)
    assert (file.name, file.writer, read(file)) == ("a.zip!手写/001.gnt", "001", 3)


def test_names_of_no_known_encoding_are_refused(tmp_path: Path) -> None:
    path = raw_names(tmp_path / "a.zip", [b"\x80.gnt"])
    with pytest.raises(InputError, match=r"several fit: А\.gnt \(cp866\) or Ç\.gnt \(cp437\)"):
        zips.members(path)
    (file,) = find_files([path], GNT, encoding="cp437")
    assert (file.name, read(file)) == ("a.zip!Ç.gnt", 3)


def test_names_that_say_utf8_and_are_not_are_damage(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"手.gnt": SOUND})
    path.write_bytes(path.read_bytes().replace("手".encode(), b"\xe6\xff\x8b"))
    with pytest.raises(InputError, match=r"a\.zip: the zip is damaged"):
        find_files([path], GNT)


def test_names_are_exact_whatever_is_in_them(tmp_path: Path) -> None:
    names = ["\x1b[2J\n001.gnt", "\ue000\u3000\u200d.gnt", "\u202e一\U0002ebf0.gnt", "e\u0301.gnt"]
    path = make_zip(tmp_path / "a.zip", dict.fromkeys([*names, "é.gnt"], SOUND))
    files = find_files([path], GNT)
    assert sorted(file.name for file in files) == sorted(f"a.zip!{n}" for n in [*names, "é.gnt"])
    assert [read(file) for file in files] == [3] * 5


def test_stray_bytes_in_names_on_the_disk_stay_distinct(tmp_path: Path) -> None:
    for number, name in enumerate((b"\xb0\xa1", b"\xb0\xa2")):
        folder = os.fsencode(tmp_path) + b"/x/" + name
        os.makedirs(folder)
        with open(folder + b"/001.gnt", "wb") as file:
            file.write(sound(number))
    found = find_files([tmp_path / "x"], GNT)
    assert [file.name for file in found] == [r"x/\xb0\xa1/001.gnt", r"x/\xb0\xa2/001.gnt"]
    assert [read(file) for file in found] == [3, 3]


def raw_names(path: Path, names: list[bytes], system: int = 0) -> Path:
    """A zip whose names are these bytes, without the UTF-8 flag, as made by a system."""

    class Raw(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802
            return self.comment, self.flag_bits

    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            info = Raw(str(number))
            info.comment, info.create_system = name, system
            archive.writestr(info, b"" if name[-1:] in b"/\\" else sound(number))
    return path


@pytest.mark.parametrize("system", [0, 3])
def test_backslashes_separate_where_nothing_else_does(tmp_path: Path, system: int) -> None:
    # The second byte of 淺 in GBK and of 功 in Big5 is a backslash's.
    names = [rf"数据集\{name}".encode("gb18030") for name in ("", "淺\\1-f.gnt", "训练\\2-f.gnt")]
    assert names[1].count(b"\\") == 3
    path = raw_names(tmp_path / "a.zip", names, system)
    assert [(file.name, file.writer) for file in find_files([path], GNT)] == [
        ("a.zip!数据集/淺/1-f.gnt", "1"),
        ("a.zip!数据集/训练/2-f.gnt", "2"),
    ]


def test_a_backslash_in_a_name_of_unix_is_a_character(tmp_path: Path) -> None:
    names = [b"set/\\alpha/1-f.gnt", b"set/alpha/1-f.gnt"]
    unix = find_files([raw_names(tmp_path / "unix.zip", names, 3)], GNT)
    assert [file.name for file in unix] == [
        "unix.zip!set/\\alpha/1-f.gnt",
        "unix.zip!set/alpha/1-f.gnt",
    ]
    windows = raw_names(tmp_path / "windows.zip", [b"set\\alpha\\1-f.gnt", b"set/b/1-f.gnt"], 0)
    assert [file.name for file in find_files([windows], GNT)] == [
        "windows.zip!set/alpha/1-f.gnt",
        "windows.zip!set/b/1-f.gnt",
    ]


def test_names_that_lead_to_one_place_are_refused(tmp_path: Path) -> None:
    for other in ("./a/1.gnt", "/a/1.gnt", "b/../a/1.gnt", "a//1.gnt", "C:/a/1.gnt"):
        path = make_zip(tmp_path / "a.zip", {"a/1.gnt": SOUND, other: SOUND})
        with pytest.raises(InputError, match="contains two files called"):
            find_files([path], GNT)


def test_one_encoding_holds_for_all_names_of_an_archive(tmp_path: Path) -> None:
    characters = list(gb2312_level1())
    names = [f"{char}/{number}.gnt".encode("gb18030") for number, char in enumerate(characters)]
    path = raw_names(tmp_path / "a.zip", names)
    assert zips.encoding_of(path) == "gb18030"
    assert {member.parts[0] for member in zips.members(path)} == set(characters)
    alone = raw_names(tmp_path / "b.zip", ["一/0.gnt".encode("gb18030")])
    with pytest.raises(InputError, match=r"b\.zip: its names do not say their encoding.*一"):
        zips.members(alone)
    (file,) = find_files([alone], GNT)  # labels are in the file
    assert file.guessed
    assert file.name in ("b.zip!一/0.gnt", "b.zip!һ/0.gnt")
    (file,) = find_files([alone], GNT, encoding="gbk")
    assert (file.name, file.encoding, file.guessed) == ("b.zip!一/0.gnt", "gbk", False)
    with pytest.raises(InputError, match="not all valid in ascii"):
        find_files([alone], GNT, encoding="ascii")


def test_members_without_a_name_are_not_lost(tmp_path: Path) -> None:
    raw = [b"", b"\x00x/1.gnt", b"a/1.gnt"]
    path = raw_names(tmp_path / "a.zip", raw)
    assert [member.name for member in zips.members(path)] == ["", "\0x/1.gnt", "a/1.gnt"]


def test_a_given_encoding_holds_for_relative_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw_names(tmp_path / "a.zip", ["一/1.gnt".encode("gbk")])
    monkeypatch.chdir(tmp_path)
    for number, encoding in enumerate((None, "gbk")):
        options = PrepareOptions(workers=1, encoding=encoding)
        out = Path(f"store{number}")
        report = prepare_gnt([Path("a.zip")], out, framing=Framing(size=8), options=options)
        assert report.records == 3


def test_flagged_names_beside_others_keep_their_own_encoding(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"é한/1.gnt": SOUND, "xxxx/2.gnt": SOUND})
    path.write_bytes(path.read_bytes().replace(b"xxxx/2", "手写/2".encode("gb18030")))
    assert [file.name for file in find_files([path], GNT)] == [
        "a.zip!é한/1.gnt",
        "a.zip!手写/2.gnt",
    ]


@pytest.mark.parametrize("sound", [True, False])
def test_the_extra_field_with_the_name_in_utf8_is_used_if_its_checksum_fits(
    tmp_path: Path, sound: bool
) -> None:
    raw, text = "手写/1.gnt".encode("gb18030"), "別的/1.gnt".encode()
    content = struct.pack("<BL", 1, zlib.crc32(raw) ^ (not sound)) + text
    info = zipfile.ZipInfo("xxxx/1.gnt")
    info.extra = struct.pack("<HH", 0x7075, len(content)) + content
    path = make_zip(tmp_path / "a.zip", {info: SOUND})
    path.write_bytes(path.read_bytes().replace(b"xxxx/1.gnt", raw))
    (file,) = find_files([path], GNT)
    assert file.name == ("a.zip!別的/1.gnt" if sound else "a.zip!手写/1.gnt")


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.gnt": SOUND, "b.gnt": SOUND})
    path.write_bytes(path.read_bytes().replace(b"b.gnt", b"a.gnt"))
    with pytest.raises(InputError, match=r"a\.zip: contains two files called a\.gnt"):
        find_files([path], GNT)
