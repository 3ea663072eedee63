"""The strokes that come with hwgen."""

import hashlib
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks import pack_strokes
from hwgen.charset import gb2312_level1
from hwgen.errors import CharsetError, InputError
from hwgen.sources.strokes.data import COMMON
from hwgen.sources.strokes.hanzi import MEDIANS, Hanzi
from hwgen.sources.strokes.hanzi.packed import pack, unpack
from hwgen.sources.strokes.hanzi_writer import HanziWriter
from tests.sources.strokes.test_hanzi_writer import as_tar

SHA256 = "1b299cf6570c66cb6f079a87133a96a593fa877c7b33ce4a30db77063f5e625a"
TEXT = "of tests\nunder their terms"
SMALL = {
    "十": [np.array([[0.0, 388], [1024, 388.5]]), np.array([[512.0, 900], [512, -124], [0, 0.25]])],
    "一": [np.array([[-3.0, 388], [1023.75, -20]])],
}


def test_they_have_the_characters_of_gb2312_and_the_strokes_that_people_write() -> None:
    data = Hanzi()
    assert len(data.characters()) == 9574
    assert {*gb2312_level1(), *COMMON} <= data.characters()
    # Of both levels of GB2312 none is missing.
    codes = (bytes([row, cell]) for row in range(0xB0, 0xF8) for cell in range(0xA1, 0xFF))
    assert {code.decode("gb2312", "ignore") for code in codes} - {""} <= data.characters()
    counts = {"一": 1, "乙": 1, "人": 2, "口": 3, "永": 5, "我": 7, "国": 8, "國": 11, "龍": 16}
    assert {character: len(lines) for character, lines in data.load(counts).items()} == counts
    across, down = data.load("十")["十"]
    assert across[-1, 0] - across[0, 0] > 50
    assert down[-1, 1] - down[0, 1] > 50  # y points down


def test_their_medians_are_those_of_hanzi_writer_data_2_0_1() -> None:
    found, digest = unpack(MEDIANS.read_bytes()), hashlib.sha256()
    for character in sorted(found.numbers):
        lines = found.of(character)
        digest.update(json.dumps([character, [line.tolist() for line in lines]]).encode())
    assert digest.hexdigest() == SHA256


def test_they_are_equal_to_those_of_the_tar(hanzi_writer_data: Path) -> None:
    source, found = HanziWriter(hanzi_writer_data), unpack(MEDIANS.read_bytes())
    medians = dict(source.medians(source.characters()))
    assert found.numbers.keys() == medians.keys()
    for character, lines in medians.items():
        for one, other in zip(lines, found.of(character), strict=True):
            assert one.dtype == other.dtype
            assert one.shape == other.shape
            assert one.tobytes() == other.tobytes(), character
    some = [*sorted(medians)[::500], "巍", "斃"]  # the last two have fractions
    expected, loaded = source.load(some), Hanzi().load(some)
    for character in some:
        for one, other in zip(expected[character], loaded[character], strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.fixture
def hanzi_writer_data(shared_data: Path) -> Path:
    """The tar of `npm pack hanzi-writer-data@2.0.1`."""
    name = "hanzi-writer-data-2.0.1.tgz"
    path = Path(os.environ.get("HWGEN_TEST_STROKES", shared_data / name))
    if not path.is_file():
        pytest.skip(f"{name} is neither in the shared data nor HWGEN_TEST_STROKES")
    return path


def test_the_file_says_how_and_when_it_was_changed_and_the_licence_is_beside_it() -> None:
    notice = MEDIANS.with_name("NOTICE.txt").read_text("utf-8").strip()
    text = MEDIANS.read_bytes().split(b"\n\n")[0].decode()
    assert text.splitlines()[1:] == notice.splitlines()
    assert "Changed by hwgen on 2026-11-28" in text
    licence = MEDIANS.with_name("ARPHICPL.TXT").read_bytes()
    assert hashlib.md5(licence).hexdigest() == "dd5b82399acd8f5db3d31432d218552c"  # as it was


def test_missing_characters_are_listed_with_other_strokes_to_use() -> None:
    with pytest.raises(CharsetError, match=r"2 of 3 characters: あA\. .*kanjivg.*kana.*a file"):
        Hanzi().load("あ永A")


def test_what_is_packed_is_unpacked() -> None:
    data = pack(SMALL, TEXT)
    assert data == pack(dict(reversed(SMALL.items())), TEXT)
    assert data.startswith(b"hwgen stroke medians 1\nof tests\nunder their terms\n\n")
    found = unpack(data)
    assert found.numbers.keys() == SMALL.keys()
    for character, lines in SMALL.items():
        for one, other in zip(lines, found.of(character), strict=True):
            assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: b"", "not stroke medians"),
        (lambda data: b"hwgen stroke medians 2" + data[22:], "not stroke medians"),
        (lambda data: data[:-9], "incomplete"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "incorrect data check"),
        (lambda data: data.partition(b"\n\n")[0], "incomplete"),
    ],
)
def test_damaged_files_are_named(
    damage: Callable[[bytes], bytes], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "medians.bin"
    path.write_bytes(damage(pack(SMALL, TEXT)))
    with pytest.raises(InputError, match=rf"medians\.bin: .*{reason}.*Install hwgen again"):
        Hanzi(path).load("一")


def test_a_file_may_not_unpack_to_more_than_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pack(SMALL, TEXT)
    monkeypatch.setattr("hwgen.sources.strokes.hanzi.packed._MAX_STREAM", 20)
    with pytest.raises(ValueError, match="incomplete, or too large"):
        unpack(data)


def changed(data: bytes, at: int, value: int) -> bytes:
    """The same with another byte in the stream."""
    head, end, packed = data.partition(b"\n\n")
    stream = bytearray(zlib.decompress(packed))
    stream[at] = value
    return head + end + zlib.compress(stream)


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (0, 200, "cut off"),
        (4, 4, "counts do not add up"),
        (8, 6, "counts do not add up"),
        (12, 1, "longer than it says"),
        (-36, 255, "a fraction has no place"),  # of the first of three places
    ],
)
def test_counts_that_do_not_fit_are_refused(at: int, value: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        unpack(changed(pack(SMALL, TEXT), at, value))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Install hwgen again"):
        Hanzi(tmp_path / "no.bin").characters()


def test_the_script_packs_the_medians_of_a_tar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tar = as_tar(tmp_path)
    (tmp_path / "NOTICE.txt").write_text(TEXT + "\n", "utf-8")
    pack_strokes.main([str(tar), str(tmp_path)])
    assert "2 characters" in capsys.readouterr().out
    expected, loaded = HanziWriter(tar).load("一十"), Hanzi(tmp_path / "medians.bin").load("一十")
    assert all(map(np.array_equal, expected["十"], loaded["十"]))
    assert (tmp_path / "ARPHICPL.TXT").read_bytes() == b"terms"
