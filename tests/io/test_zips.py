import io
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwgen.charset import gb2312_level1
from hwgen.errors import InputError
from hwgen.imaging.framing import Framing
from hwgen.inspection.summaries import inspect_gnt
from hwgen.io import zips
from hwgen.prepare import PrepareOptions, prepare_gnt
from hwgen.sources.casia_files import GNT, RawFile, find_files
from hwgen.sources.gnt import encode_record, read_gnt
from hwgen.sources.unread import Unread
from hwgen.store import Store


def sound(seed: int) -> bytes:
    """Three records, others for another seed."""
    image = np.random.default_rng(seed).integers(0, 256, (5, 4), np.uint8)
    return b"".join(encode_record("啊", image + n) for n in range(3))


SOUND = b"".join(encode_record("啊", np.full((5, 4), n, np.uint8)) for n in range(3))
Members = dict[str | zipfile.ZipInfo, bytes]


def make_zip(path: Path, members: Members, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def read(file: RawFile) -> int:
    with file.open() as stream:
        return len(list(read_gnt(stream, source=file.name, writer=file.writer)))


def patch(path: Path, local: int, central: int, value: bytes) -> Path:
    """Other bytes at a place in the first member's header and in the directory's."""
    data = bytearray(path.read_bytes())
    for header, place in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        at = data.index(header) + place
        data[at : at + len(value)] = value
    path.write_bytes(bytes(data))
    return path


# ---- names


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


def test_hidden_files_are_counted_unopened(tmp_path: Path) -> None:
    names = (".hid/003-f.gnt", ".hid/004-f.gnt", ".005-f.gnt", "__MACOSX/._001-f.gnt", ".DS_Store")
    members: Members = dict.fromkeys(("d/001-f.gnt", *names), SOUND)
    path = make_zip(tmp_path / "a.zip", members)
    assert [(file.name, file.writer) for file in find_files([path], GNT)] == [
        ("a.zip!d/001-f.gnt", "001")
    ]
    find_files([path], GNT, unread := Unread())
    assert unread.hidden == 3
    (tmp_path / ".006-f.gnt").write_bytes(SOUND)
    (tmp_path / "._006-f.gnt").write_bytes(SOUND)
    (tmp_path / "007-f.gnt").write_bytes(SOUND)
    assert inspect_gnt([tmp_path])[0].hidden == 4
    report = prepare_gnt(
        [tmp_path], tmp_path / "store", framing=Framing(size=8), options=PrepareOptions(workers=1)
    )
    assert (report.hidden, report.records) == (4, 6)


def test_a_symbolic_link_in_a_zip_is_named_and_leads_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret.gnt"
    secret.write_bytes(SOUND)
    link = zipfile.ZipInfo("link.gnt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = make_zip(tmp_path / "a.zip", {link: str(secret).encode(), "001-f.gnt": SOUND})
    unread = Unread()
    files = find_files([path], GNT, unread)
    assert [(file.name, read(file)) for file in files] == [("a.zip!001-f.gnt", 3)]
    assert [(each.kind, each.first) for each in unread.kinds.values()] == [
        ("symbolic link in a zip", "a.zip!link.gnt")
    ]
    with pytest.raises(InputError, match=r"no GNT file in this zip; it contains .*link"):
        find_files([make_zip(tmp_path / "b.zip", {link: b"001-f.gnt"})], GNT)


def test_a_link_to_a_folder_above_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "001-f.gnt").write_bytes(SOUND)
    (folder / "loop").symlink_to(tmp_path)
    assert [file.name for file in find_files([folder], GNT)] == ["data/001-f.gnt"]


def test_devices_and_pipes_in_a_folder_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "001-f.gnt").write_bytes(SOUND)
    os.mkfifo(tmp_path / "pipe.gnt")
    (tmp_path / "zero.gnt").symlink_to("/dev/zero")
    assert len(find_files([tmp_path], GNT)) == 1


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


def test_an_archive_is_opened_once_for_all_its_members(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_zip(tmp_path / "a.zip", {f"{n}.gnt": SOUND for n in range(50)})
    opened: list[object] = []

    class Counted(zipfile.ZipFile):
        def __init__(self, *args: Any, **options: Any) -> None:
            opened.append(args)
            super().__init__(*args, **options)

    monkeypatch.setattr("zipfile.ZipFile", Counted)
    assert [read(file) for file in find_files([path], GNT)] == [3] * 50
    assert len(opened) == 1
    make_zip(path, {"other.gnt": SOUND})  # another content is read anew
    assert [file.name for file in find_files([path], GNT)] == ["a.zip!other.gnt"]


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.gnt": SOUND, "b.gnt": SOUND})
    path.write_bytes(path.read_bytes().replace(b"b.gnt", b"a.gnt"))
    with pytest.raises(InputError, match=r"a\.zip: contains two files called a\.gnt"):
        find_files([path], GNT)


# ---- bombs


def test_a_member_that_grows_too_much_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    white = encode_record("一", np.full((4000, 4000), 255, np.uint8))
    path = make_zip(tmp_path / "a.zip", {"001.gnt": white})
    info = zips.members(path)[0].info
    assert info.file_size > zips.MAX_RATIO * info.compress_size  # deflate's utmost: a true bomb
    (file,) = find_files([path], GNT)  # but a small one
    assert read(file) == 1
    monkeypatch.setattr(zips, "ALWAYS_BYTES", 1 << 20)
    with pytest.raises(InputError, match=r"001\.gnt unpacks from .* more than 1000 times"):
        find_files([path], GNT)


def test_a_size_that_is_declared_only_is_refused_too(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"001.gnt": SOUND})
    patch(path, 22, 24, struct.pack("<I", 0xF0000000))
    with pytest.raises(InputError, match=r"001\.gnt unpacks from \d+ to 4,026,531,840 bytes"):
        find_files([path], GNT)


def test_a_member_longer_than_the_zip_is_refused_before_memory_is_taken_for_it(
    tmp_path: Path,
) -> None:
    path = make_zip(tmp_path / "a.zip", {"001.gnt": SOUND})
    patch(path, 18, 20, struct.pack("<I", 0x70000000))
    match = rf"damaged \(001\.gnt takes 1,879,048,192 of {path.stat().st_size} bytes\)"
    with pytest.raises(InputError, match=match):
        find_files([path], GNT)


def test_members_that_share_their_bytes_count_as_often_as_they_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # D. Fifield, A better zip bomb (2019): one packed body, named many times.
    body = encode_record("一", np.random.default_rng(0).integers(0, 2, (300, 300)).astype(np.uint8))
    path = make_zip(tmp_path / "a.zip", {"0000.gnt": body})
    data = path.read_bytes()
    at = data.index(b"PK\x01\x02")
    entry, end = data[at : data.index(b"PK\x05\x06")], data[data.index(b"PK\x05\x06") :]
    entries = b"".join(entry.replace(b"0000.gnt", b"%04d.gnt" % n) for n in range(3000))
    directory = struct.pack("<HHI", 3000, 3000, len(entries))
    path.write_bytes(data[:at] + entries + end[:8] + directory + end[16:])
    monkeypatch.setattr(zips, "ALWAYS_BYTES", 1 << 20)
    monkeypatch.setattr(zips, "MAX_RATIO", 100)
    with pytest.raises(InputError, match=r"a\.zip: unpacks from .* more than 100 times"):
        find_files([path], GNT)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_measure_are_refused(tmp_path: Path, method: int) -> None:
    path = make_zip(tmp_path / "a.zip", {"001.gnt": SOUND}, method)
    with pytest.raises(
        InputError, match=rf"001\.gnt uses compression method {method}.*give the fol"
    ):
        find_files([path], GNT)


def test_a_zip_in_a_zip_is_not_opened(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("001.gnt", SOUND)
    path = make_zip(tmp_path / "a.zip", {"inner.zip": inner.getvalue()})
    with pytest.raises(InputError, match=r"no GNT file in this zip; it contains inner\.zip"):
        find_files([path], GNT)


def test_real_zips_are_far_from_the_bound(shared_data: Path) -> None:
    ratios = [
        member.info.file_size / member.info.compress_size
        for path in sorted(shared_data.glob("*/*.zip"))
        for member in zips.members(path)
    ]
    assert ratios
    assert max(ratios) < zips.MAX_RATIO / 100


# ---- encrypted, cut, of another kind


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"001-f.gnt": SOUND})
    patch(path, 6, 8, b"\x01")
    with pytest.raises(InputError, match=r"001-f\.gnt is encrypted.*password"):
        find_files([path], GNT)


def test_encryption_by_aes_is_refused_as_such(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"001-f.gnt": SOUND})
    patch(path, 8, 10, b"\x63")
    with pytest.raises(InputError, match=r"001-f\.gnt is encrypted.*password"):
        find_files([path], GNT)


def test_every_cut_of_a_zip_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"001-f.gnt": SOUND, "b/002-f.gnt": SOUND})
    whole = path.read_bytes()
    for kept in range(len(whole)):
        path.write_bytes(whole[:kept])
        with pytest.raises(InputError):
            find_files([path], GNT)


@pytest.mark.parametrize("name", ["a.gnt", "a.tar", "a"])
def test_a_zip_by_a_wrong_name_is_read_as_one(tmp_path: Path, name: str) -> None:
    path = make_zip(tmp_path / name, {"001-f.gnt": SOUND})
    assert [file.name for file in find_files([path], GNT)] == [f"{name}!001-f.gnt"]


def test_a_gnt_called_zip_is_named_as_no_zip(tmp_path: Path) -> None:
    path = tmp_path / "001-f.zip"
    path.write_bytes(SOUND)
    with pytest.raises(InputError, match=r"001-f\.zip: the zip is damaged \(File is not a zip"):
        find_files([path], GNT)


# ---- what the fuzz harness found; see benchmarks/results/fuzz-*


def test_a_directory_entry_with_an_empty_name_is_damage(tmp_path: Path) -> None:
    # zipfile looks at a name's last character: IndexError.
    path = make_zip(tmp_path / "a.zip", {"x": b"nameless", "001.gnt": SOUND})
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 46] = 0
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="the zip is damaged"):
        find_files([path], GNT)
