import io
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hwgen.charset import gb2312_level1
from hwgen.errors import InputError
from hwgen.record import BadRecord, Record
from hwgen.sources.gnt import (
    MAX_PIXELS,
    decode_tag,
    encode_record,
    read_gnt,
    starts_like_gnt,
    write_gnt,
)

LABELS = "".join(gb2312_level1()) + "Aa0!，"


def random_image(seed: int, height: int = 9, width: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def raw(tag: bytes, seed: int = 0) -> bytes:
    image = random_image(seed)
    return struct.pack("<I2sHH", 10 + image.size, tag, 7, 9) + image.tobytes()


def read(data: bytes) -> list[Record | BadRecord]:
    return list(read_gnt(io.BytesIO(data), source="f.gnt", writer="w"))


def good(items: list[Record | BadRecord]) -> list[Record]:
    return [item for item in items if isinstance(item, Record)]


def bad(items: list[Record | BadRecord]) -> list[BadRecord]:
    return [item for item in items if isinstance(item, BadRecord)]


class Trickle(io.RawIOBase):
    """Gives a few bytes at a time, as a raw stream may."""

    def __init__(self, data: bytes, at_most: int) -> None:
        self._file, self._at_most = io.BytesIO(data), at_most

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, self._at_most))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(LABELS),
            hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)),
        ),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=60, deadline=None)
def test_what_is_encoded_is_read_back(pairs: list[tuple[str, np.ndarray]]) -> None:
    records = read(b"".join(encode_record(label, image) for label, image in pairs))
    assert len(records) == len(pairs)
    at = 0
    for record, (label, image) in zip(records, pairs, strict=True):
        assert isinstance(record, Record)
        assert (record.label, record.writer, record.source) == (label, "w", "f.gnt")
        assert record.position == at
        np.testing.assert_array_equal(record.image, image)
        at += 10 + image.size


def test_bytes_are_laid_out_as_casia_does() -> None:
    image = np.array([[255, 0, 1]], np.uint8)
    assert encode_record("啊", image) == bytes.fromhex("0d000000 b0a1 0300 0100 ff0001")
    assert encode_record("A", image)[4:6] == b"A\0"


@pytest.mark.parametrize("at_most", [1, 3, 11, 100])
def test_a_stream_that_gives_few_bytes_reads_the_same(at_most: int) -> None:
    data = b"".join(raw(b"\xb0\xa1", seed) for seed in range(5)) + b"rest"
    whole = read(data)
    items = list(read_gnt(Trickle(data, at_most), source="f.gnt", writer="w"))
    assert [type(item) for item in items] == [Record] * 5 + [BadRecord]
    assert items[5] == whole[5]
    for item, other in zip(good(items), good(whole), strict=True):
        np.testing.assert_array_equal(item.image, other.image)


def test_records_larger_than_the_window_are_read() -> None:
    image = random_image(1, 4000, 4000)
    records = good(read(encode_record("一", image) * 2 + raw(b"\xb0\xa1")))
    assert [record.label for record in records] == ["一", "一", "啊"]
    np.testing.assert_array_equal(records[1].image, image)


def test_images_are_writable_copies() -> None:
    (record,) = good(read(raw(b"\xb0\xa1")))
    record.image[0, 0] = 7


@pytest.mark.parametrize(
    ("tag", "label"),
    [
        (b"\xb0\xa1", "啊"),
        (b"A\0", "A"),
        (b"\0A", "A"),
        (b"\x81\x40", "丂"),  # in gbk and gb18030, not in gb2312
        (b"\xff\xff", ""),
        (b"\0\0", ""),
        (b"AB", ""),  # two characters
        (b"\x07\0", ""),  # not printable
        (b"\xb0\0", ""),  # half a code
    ],
)
def test_tags(tag: bytes, label: str) -> None:
    assert decode_tag(tag) == label


def test_an_unreadable_tag_costs_its_own_record_only() -> None:
    for place in range(3):
        tags = [b"\xff\xff" if row == place else b"\xb0\xa1" for row in range(3)]
        items = read(b"".join(raw(tag, row) for row, tag in enumerate(tags)))
        assert [type(item) for item in items].index(BadRecord) == place
        assert len(good(items)) == 2
        (lost,) = bad(items)
        assert (lost.offset, lost.length, lost.kind) == (73 * place, 73, "unreadable tag")
        assert lost.found == "tag ff ff"


def test_a_damaged_header_costs_its_own_record_only() -> None:
    for place in range(4):
        parts = [raw(b"\xb0\xa1", row) for row in range(4)]
        parts[place] = b"\x01\x02\x03\x04" + parts[place][4:]
        items = read(b"".join(parts))
        kept = [row for row in range(4) if row != place]
        assert [record.position // 73 for record in good(items)] == kept
        for record, row in zip(good(items), kept, strict=True):
            np.testing.assert_array_equal(record.image, random_image(row))
        (lost,) = bad(items)
        assert (lost.source, lost.offset, lost.length) == ("f.gnt", 73 * place, 73)
        assert lost.kind == "damaged header"
        assert lost.expected == "a header whose size is 10 + width * height"
        assert lost.found == "size 67305985, width 7, height 9"


def test_a_record_cut_short_within_the_file_costs_itself_only() -> None:
    data = raw(b"\xb0\xa1", 0) + raw(b"\xb0\xa1", 1)[:40] + raw(b"A\0", 2) + raw(b"B\0", 3)
    items = read(data)
    assert [record.label for record in good(items)] == ["啊", "A", "B"]
    assert bad(items) == [
        BadRecord(
            source="f.gnt",
            offset=73,
            length=40,
            expected="a record of 73 bytes",
            found="40 bytes before the next valid record",
            kind="cut short",
        )
    ]


def test_garbage_between_records_costs_nothing_else() -> None:
    garbage = bytes(range(200, 250))
    items = read(raw(b"A\0", 0) + garbage + raw(b"B\0", 1) + raw(b"C\0", 2))
    assert [record.label for record in good(items)] == ["A", "B", "C"]
    assert [(lost.offset, lost.length) for lost in bad(items)] == [(73, 50)]


def test_garbage_behind_a_record_with_an_unreadable_tag_gives_two_losses() -> None:
    items = read(raw(b"\xff\xff") + b"garbage" + raw(b"B\0") + raw(b"C\0"))
    assert [lost.kind for lost in bad(items)] == ["unreadable tag", "damaged header"]
    assert [record.label for record in good(items)] == ["B", "C"]


@pytest.mark.parametrize("left", range(1, 73))
def test_a_truncated_file_keeps_all_whole_records(left: int) -> None:
    items = read(raw(b"A\0", 0) + raw(b"B\0", 1)[:left])
    assert [record.label for record in good(items)] == ["A"]
    (lost,) = bad(items)
    assert (lost.offset, lost.length) == (73, left)
    if left < 10:
        assert lost.expected == "a header of 10 bytes"
        assert lost.found == f"{left} bytes before the end of the file"
    else:
        assert lost.expected == "a record of 73 bytes"
        assert lost.found == f"{left} bytes before the end of the file"


def test_a_cut_record_is_not_taken_for_whole_where_the_record_after_next_is_damaged() -> None:
    data = raw(b"A\0", 0)[:60] + raw(b"B\0", 1) + b"\xff" * 73 + raw(b"D\0", 3) + raw(b"E\0", 4)
    assert [record.label for record in good(read(data))] == ["D", "E"]


@pytest.mark.parametrize("left", [20, 60, 70])
@pytest.mark.parametrize("field", [slice(0, 4), slice(6, 8), slice(8, 10)])
def test_a_cut_record_is_not_taken_for_whole_where_the_next_header_is_damaged(
    left: int, field: slice
) -> None:
    second = bytearray(raw(b"B\0", 1))
    second[field] = b"\x77" * (field.stop - field.start)
    items = read(raw(b"A\0", 0)[:left] + bytes(second) + raw(b"C\0", 2) + raw(b"D\0", 3))
    assert [record.label for record in good(items)] == ["C", "D"]
    assert [(lost.offset, lost.length) for lost in bad(items)] == [(0, left + 73)]


def test_damage_wider_than_one_scan_is_passed_over() -> None:
    items = read(raw(b"A\0") + b"\xff" * 3_000_000 + raw(b"B\0") + raw(b"C\0"))
    assert [record.label for record in good(items)] == ["A", "B", "C"]
    assert [lost.length for lost in bad(items)] == [3_000_000]


@pytest.mark.parametrize("data", [b"x", b"not a GNT file at all", b"\0" * 5000, b"\xff" * 5000])
def test_what_is_no_gnt_is_one_loss(data: bytes) -> None:
    (lost,) = read(data)
    assert isinstance(lost, BadRecord)
    assert (lost.offset, lost.length) == (0, len(data))


def test_an_empty_file_is_named() -> None:
    assert read(b"") == [
        BadRecord("f.gnt", 0, 0, "at least one record", "no bytes", kind="empty file")
    ]


@given(st.binary(max_size=300), st.integers(0, 219), st.integers(0, 80))
@settings(max_examples=150, deadline=None)
def test_whatever_is_overwritten_every_byte_is_accounted_for(
    junk: bytes, at: int, cut: int
) -> None:
    data = b"".join(raw(b"\xb0\xa1", seed) for seed in range(3))
    data = data[:at] + junk + data[at + cut :]
    place = 0
    for item in read(data):
        begin, length = (
            (item.offset, item.length)
            if isinstance(item, BadRecord)
            else (item.position, 10 + item.image.size)
        )
        assert begin == place
        place += length
    assert place == len(data)


def test_memory_is_bounded_by_the_window() -> None:
    record = encode_record("一", np.full((1000, 1000), 255, np.uint8))

    class Endless(io.RawIOBase):
        left = 60

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return record if self.left >= 0 else b""

    tracemalloc.start()
    try:
        count = sum(1 for _ in read_gnt(Endless(), source="", writer=""))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 60
    assert peak < 20e6


@pytest.mark.parametrize("label", ["", "ab", "啊啊", "\n", "\U0002000b", "ü̈", "\ud800"])
def test_labels_without_a_two_byte_code_are_refused(label: str) -> None:
    with pytest.raises(InputError, match="no two-byte GB code"):
        encode_record(label, random_image(0))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((2, 2, 3), np.uint8),
        np.zeros((2, 2), np.float32),
        np.zeros((0, 4), np.uint8),
        np.zeros((1, 0x10000), np.uint8),
        np.zeros((1, 1), np.uint8).repeat(4097, 0).repeat(4097, 1),
    ],
)
def test_images_that_do_not_fit_are_refused(image: np.ndarray) -> None:
    with pytest.raises(InputError, match="image"):
        encode_record("一", image)


def test_the_largest_record_fits_and_a_larger_one_is_not_believed() -> None:
    assert starts_like_gnt(struct.pack("<I2sHH", 10 + MAX_PIXELS, b"A\0", 4096, 4096))
    assert not starts_like_gnt(struct.pack("<I2sHH", 10 + 4097 * 4096, b"A\0", 4097, 4096))
    assert not starts_like_gnt(struct.pack("<I2sHH", 10, b"A\0", 0, 9))
    assert not starts_like_gnt(b"short")


def test_a_written_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "001-f.gnt"
    assert write_gnt(path, [("啊", random_image(0)), ("A", random_image(1))]) == 2
    assert [record.label for record in good(read(path.read_bytes()))] == ["啊", "A"]
    before = path.read_bytes()
    with pytest.raises(InputError):
        write_gnt(path, [("啊", random_image(0)), ("\n", random_image(1))])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
