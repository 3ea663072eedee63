import io
import os
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.imaging.framing import Framing
from hwgen.inspection.summaries import inspect_gnt
from hwgen.io import zips
from hwgen.prepare import PrepareOptions, prepare_gnt
from hwgen.sources.casia_files import GNT, find_files
from hwgen.sources.gnt import encode_record
from hwgen.sources.unread import Unread
from tests.io.zip_files import SOUND, Members, make_zip, read


def patch(path: Path, local: int, central: int, value: bytes) -> Path:
    """Other bytes at a place in the first member's header and in the directory's."""
    data = bytearray(path.read_bytes())
    for header, place in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        at = data.index(header) + place
        data[at : at + len(value)] = value
    path.write_bytes(bytes(data))
    return path


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
