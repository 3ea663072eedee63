import bz2
import gzip
import io
import lzma
import tarfile
from pathlib import Path

import pytest

from hwgen.errors import InputError
from hwgen.io.archives import how_to_unpack, is_packed, packed_kind, refuse_volume


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("001-f.gnt.gz", ".gz"),
        ("HWDB1.1trn_gnt.alz", ".alz"),
        ("HWDB.TAR", ".tar"),
        ("HWDB.tar.gz", ".gz"),
        ("HWDB.tgz", ".tgz"),
        ("HWDB.tar.xz", ".xz"),
        ("HWDB.7z", ".7z"),
        ("HWDB.7z.001", ".7z.001"),
        ("HWDB.zip.002", ".zip.002"),
        ("HWDB.z01", ".z01"),
        ("HWDB.part1.rar", ".rar"),
        ("HWDB.r00", ".r00"),
        ("HWDB.zst", ".zst"),
        ("HWDB.zip", ""),
        ("001-f.gnt", ""),
        ("merged.001", ""),
        ("1.0train-gb1", ""),
    ],
)
def test_archives_are_known_by_their_names(name: str, kind: str) -> None:
    assert packed_kind(name, b"") == kind
    assert is_packed(name) == bool(kind or name == "HWDB.zip")


def test_archives_are_known_by_their_first_bytes() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("001-f.gnt"))
    for head, kind in (
        (gzip.compress(b"x"), ".gz"),
        (bz2.compress(b"x"), ".bz2"),
        (lzma.compress(b"x"), ".xz"),
        (b"7z\xbc\xaf\x27\x1c\0\4", ".7z"),
        (b"Rar!\x1a\x07\1\0", ".rar"),
        (file.getvalue(), ".tar"),
        (b"PK\x03\x04", ""),
        (b"plain", ""),
    ):
        assert packed_kind("download", head) == kind


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("a.gnt.gz", "gunzip -k a.gnt.gz"),
        ("a.tar.gz", "tar xf a.tar.gz"),
        ("a.rar", "unrar x a.rar"),
        ("a.alz", "unalz a.alz"),
        ("a.zip.001", "7z x a.zip.001` (all volumes must"),
    ],
)
def test_the_remedy_names_a_tool(name: str, tool: str) -> None:
    assert tool in how_to_unpack(packed_kind(name, b""), name)


def test_a_zip_by_another_name_is_a_zip_and_a_volume_is_not() -> None:
    assert packed_kind("a.tar", b"PK\x03\x04") == ""
    assert packed_kind("a.zip.001", b"PK\x03\x04") == ".zip.001"


def test_a_volume_of_a_zip_is_refused_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x01\x02 the directory")
    refuse_volume(path)
    (tmp_path / "a.z01").write_bytes(b"PK\x07\x08")
    with pytest.raises(
        InputError, match=r"one volume .* a\.z01\. Join them first.*zip -s 0 a\.zip"
    ):
        refuse_volume(path)
