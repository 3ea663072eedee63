import io
import struct
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.charset import gb2312_level1
from hwgen.imaging.ink import Trajectory
from hwgen.record import BadRecord
from hwgen.sources.casia_files import POT, find_files
from hwgen.sources.gnt import encode_record
from hwgen.sources.pot import encode_trajectory, looks_like_pot, read_pot

Strokes = list[list[tuple[int, int]]]

CROSS: Strokes = [[(10, 50), (50, 52), (90, 50)], [(50, 10), (50, 90)]]
LABELS = "".join(gb2312_level1()) + "A！"
COORDINATE = st.integers(0, 10_000)


def read(data: bytes) -> list[Trajectory | BadRecord]:
    return list(read_pot(io.BytesIO(data), source="f.pot", writer="w"))


def labels(items: list[Trajectory | BadRecord]) -> str:
    """Labels of the sound ones, and a dot for each loss."""
    return "".join("." if isinstance(item, BadRecord) else item.label for item in items)


def only_bad(items: list[Trajectory | BadRecord]) -> BadRecord:
    (bad,) = (item for item in items if isinstance(item, BadRecord))
    return bad


def three(second: bytes) -> bytes:
    """A record, this one, a record."""
    return encode_trajectory("一", CROSS) + second + encode_trajectory("丁", CROSS)


ONE = len(encode_trajectory("一", CROSS))


def test_bytes_are_laid_out_as_casia_does() -> None:
    # The first character of a writer's file begins so: 1001-c.pot.
    assert encode_trajectory("啊", [[(1, 2)]]) == bytes.fromhex(
        "1400 a1b00000 0100 0100 0200 ffff 0000 ffff ffff"
    )


@given(
    st.lists(
        st.tuples(
            st.sampled_from(LABELS),
            st.lists(
                st.lists(st.tuples(COORDINATE, COORDINATE), min_size=1, max_size=6),
                min_size=1,
                max_size=4,
            ),
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=60, deadline=None)
def test_what_is_encoded_is_read_back(pairs: list[tuple[str, Strokes]]) -> None:
    items = read(b"".join(encode_trajectory(label, strokes) for label, strokes in pairs))
    at = 0
    for item, (label, strokes) in zip(items, pairs, strict=True):
        assert isinstance(item, Trajectory)
        assert (item.label, item.writer, item.source) == (label, "w", "f.pot")
        assert item.position == at
        expected = [point for stroke in strokes for point in (*stroke, (-1, 0))]
        np.testing.assert_array_equal(item.points, expected)
        assert item.points.dtype == np.int16
        at += 8 + 4 * (len(expected) + 1)


@pytest.mark.parametrize("at_most", [1, 7, 100])
def test_a_stream_that_gives_few_bytes_reads_the_same(at_most: int) -> None:
    data = three(b"what is this") + b"rest"

    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(at_most)

    items = list(read_pot(Trickle(data), source="f.pot", writer="w"))
    assert labels(items) == "一.丁."
    assert [item for item in items if isinstance(item, BadRecord)] == [
        item for item in read(data) if isinstance(item, BadRecord)
    ]


def patched(place: int, value: bytes) -> bytes:
    """A sound record with other bytes at a place."""
    data = bytearray(encode_trajectory("七", CROSS))
    data[place : place + len(value)] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("second", "kind", "expected", "found"),
    [
        (patched(0, b"\x0e"), "damaged header", "a size of 20 or more that 4 divides", "size 14"),
        (patched(0, b"\x16"), "damaged header", "a size of 20 or more that 4 divides", "size 22"),
        (
            patched(0, b"\x20"),
            "no end in place",
            "a record of 32 bytes with (-1, -1) at its end and nowhere else",
            "none in these 32 bytes",
        ),
        (
            patched(0, struct.pack("<H", ONE + 8)),
            "no end in place",
            "a record of 48 bytes with (-1, -1) at its end and nowhere else",
            "(-1, -1) after 40 bytes",
        ),
        (patched(0, b"\xfc\xff"), "cut short", "a record of 65532 bytes", "80 bytes before"),
        (
            patched(6, b"\x03"),
            "wrong strokes",
            "3 strokes, each with its end",
            "2 ends of strokes",
        ),
        (
            patched(ONE - 8, b"\1\0\1\0").replace(b"\x32\0\x0a\0", b"\xff\xff\0\0"),
            "wrong strokes",
            "2 strokes, each with its end",
            "2 ends of strokes, none of them last",
        ),
        (encode_trajectory("七", [[], []]), "wrong strokes", "a point", "2 empty strokes"),
        (patched(2, b"\xff\xff"), "unreadable tag", "the GB code of one", "tag ff ff 00 00"),
        (patched(4, b"\x01"), "unreadable tag", "the GB code of one", "tag df c6 01 00"),
        (b"\x07" * 33, "damaged header", "a size of 20 or more", "size 1799"),
    ],
)
def test_a_damaged_record_is_named_and_passed_over(
    second: bytes, kind: str, expected: str, found: str
) -> None:
    items = read(three(second))
    assert labels(items) == "一.丁"
    bad = only_bad(items)
    assert (bad.source, bad.offset, bad.length, bad.kind) == ("f.pot", ONE, len(second), kind)
    assert expected in bad.expected
    assert found in bad.found


@pytest.mark.parametrize("kept", range(1, ONE))
def test_a_file_cut_anywhere_loses_its_last_record_only(kept: int) -> None:
    items = read(three(b"")[: ONE + kept])
    assert labels(items) == "一."
    bad = only_bad(items)
    assert (bad.offset, bad.length, bad.kind) == (ONE, kept, "cut short")


def test_neighbours_that_are_lost_together_are_one_stretch() -> None:
    items = read(three(patched(0, b"\x0e") * 2))
    assert labels(items) == "一.丁"
    assert only_bad(items).length == 2 * ONE


def test_an_empty_file_is_named() -> None:
    assert read(b"") == [BadRecord("f.pot", 0, 0, "at least one record", "no bytes", "empty file")]


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_bytes_of_any_kind_are_accounted_for(data: bytes) -> None:
    items = read(data)
    whole = encode_trajectory("一", CROSS)
    sizes = [
        item.length if isinstance(item, BadRecord) else 12 + 4 * len(item.points) for item in items
    ]
    assert sum(sizes) == len(data)
    assert labels(read(data + whole)).endswith("一") or not labels(read(whole + data)).endswith(
        "一"
    )


@given(st.integers(0, 5 * ONE - 1), st.integers(1, 255), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_a_wrong_byte_costs_two_records_at_most(at: int, change: int, cut: int) -> None:
    data = bytearray(b"".join(encode_trajectory(label, CROSS) for label in "一丁七万三"))
    data[at] ^= change
    del data[at + 1 : at + 1 + cut]
    found = [item for item in labels(read(bytes(data))) if item in "一丁七万三"]
    assert len(found) >= 3


@pytest.mark.parametrize(
    "garbage",
    [
        bytes(3 << 20),
        b"\xff" * (3 << 20),
        # What looks like a header at every twelfth byte.
        bytes.fromhex("1400 a1b0 0000 0100 ffffffff") * 30_000,
    ],
    ids=["zeros", "ones", "headers"],
)
def test_garbage_neither_hangs_nor_fills_the_memory(garbage: bytes) -> None:
    class Stream(io.BytesIO):
        def __init__(self, *parts: bytes) -> None:
            super().__init__()
            self._parts = list(parts)

        def read(self, size: int | None = -1) -> bytes:
            if not self._parts:
                return b""
            part, self._parts[0] = self._parts[0][:size], self._parts[0][size:]
            if not self._parts[0]:
                self._parts.pop(0)
            return part

    tracemalloc.start()
    try:
        items = list(read_pot(Stream(three(garbage)), source="", writer=""))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert labels(items) == "一.丁"
    assert only_bad(items).length == len(garbage)
    assert peak < 2 * len(garbage) + (8 << 20)


def test_pot_is_told_from_other_files() -> None:
    assert looks_like_pot(three(b""))
    assert looks_like_pot(b"some dirt in front" + three(b""))
    assert not looks_like_pot(b"")
    assert not looks_like_pot(patched(6, b"\x03"))
    rng = np.random.default_rng(0)
    scans = [encode_record("一", rng.integers(0, 256, (60, 60), np.uint8)) for _ in range(20)]
    assert not looks_like_pot(b"".join(scans))


def test_real_files_are_sound(shared_data: Path) -> None:
    files = find_files([shared_data / "olhwdb"], POT)
    assert [file.writer for file in files] == [str(1001 + n) for n in range(60)]
    assert files[0].name == "olhwdb/OLHWDB1.1trn_pot_1001-1060.zip!1001-c.pot"
    with files[0].open() as stream:
        data = stream.read(1 << 30)
    items = read(data)
    found = [item for item in items if isinstance(item, Trajectory)]
    assert (len(items), len(found)) == (3750, 3750)
    assert set(labels(items)) <= set(gb2312_level1())
    assert Counter(labels(items)).most_common(1)[0][1] == 2
    # Again, by a loop that knows nothing of this reader.
    at = 0
    for item in found:
        size, low, high, _, strokes = struct.unpack_from("<HBBHH", data, at)
        assert (item.position, bytes([high, low]).decode("gb2312")) == (at, item.label)
        assert (item.points == (-1, 0)).all(axis=1).sum() == strokes
        at += size
    assert at == len(data)
