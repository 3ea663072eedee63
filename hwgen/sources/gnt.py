r"""Reader and writer of GNT, the format of CASIA's scanned characters (HWDB).

A record is `u32 size, 2-byte tag, u16 width, u16 height, width * height grey bytes`, little-endian,
size = 10 + width * height; the tag is a GB code, high byte first (`\xb0\xa1` is 啊), and an ASCII
symbol is stored as `A\x00`. Grey values are those of a Record: 255 = paper, 0 = ink.

Resynchronisation: the format has no marker at the beginning of a record. A header is accepted if it
is consistent (its size is 10 + width * height) and, after damage, if it is also confirmed: the
header after its record is consistent too, or the file ends exactly there. The format has no
checksum: overwritten pixels, a tag changed to another valid one, and swapped width and height
cannot be detected.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Generator, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from hwgen.errors import InputError
from hwgen.io.files import atomic_write
from hwgen.record import BadRecord, Image, Record

HEADER_BYTES = 10
MAX_PIXELS = 1 << 24
"""Maximum pixels of a record (4096 x 4096), so that a damaged size cannot exhaust the memory."""

_HEADER = struct.Struct("<I2sHH")
_READ_BYTES = 4 << 20
_SCAN_BYTES = 1 << 20


def read_gnt(stream: BinaryIO, *, source: str, writer: str) -> Iterator[Record | BadRecord]:
    """Records of one GNT file in their order, with a BadRecord in the place of each loss.

    Reads strictly forward and keeps a few MiB in memory, so it works for zip members and for files
    of any size. A record is yielded once the header at its end is consistent or the file ends
    there. Otherwise, the next offset with a confirmed record is searched. The pending record then
    counts as cut short if a consistent header lies within its extent, or a header with one wrong
    field whose record would end exactly where the confirmed one begins; otherwise it is whole, and
    the bytes between it and the confirmed record are lost. A record that is cut short and followed
    by just as much garbage cannot be detected.

    Args:
        stream: the file's bytes, from the beginning; need not be seekable.
        source: the file's name for `Record.source` and `BadRecord.source`.
        writer: id of the writer, "" if unknown.
    """
    window = _Window(stream)
    at = 0
    if window.ends_at(0):
        yield BadRecord(source, 0, 0, "at least one record", "no bytes", "empty file")
    while not window.ends_at(at):
        window.keep_from(at)
        at = yield from _confirmed_in_memory(window, at, source, writer)
        window.keep_from(at)
        size = window.record_bytes(at)
        end = at + size
        if size and (window.record_bytes(end) or window.ends_at(end)):
            yield _take(window.view(at, size), at, source, writer)
            at = end
            continue
        # Damage. Copy the pending record before the search drops its bytes.
        pending, around = None, b""
        if size and window.reaches(end):
            around = window.view(at, size + HEADER_BYTES - 1)
            pending = _take(around, at, source, writer)
        head = window.view(at, HEADER_BYTES)
        behind = window.view(end, HEADER_BYTES)
        likely, confirmed = window.next_confirmed(at + 1)
        if pending is not None and end <= likely and not _hides_header(around, confirmed - at):
            yield pending
            yield _lost_header(source, end, confirmed - end, behind)
        elif size:
            place = "the end of the file" if window.ends_at(confirmed) else "the next valid record"
            found = f"{confirmed - at} bytes before {place}"
            expected = f"a record of {size} bytes"
            yield BadRecord(source, at, confirmed - at, expected, found, "cut short")
        else:
            yield _lost_header(source, at, confirmed - at, head)
        at = confirmed


@lru_cache(maxsize=1 << 16)
def decode_tag(tag: bytes) -> str:
    """The character of a 2-byte tag, or "" if it is not exactly one printable character."""
    try:
        text = tag.strip(b"\0").decode("gb18030")
    except UnicodeDecodeError:
        return ""
    return text if len(text) == 1 and text.isprintable() else ""


def starts_like_gnt(head: bytes) -> bool:
    """Whether a file that begins with these bytes begins with a consistent GNT header."""
    return len(head) >= HEADER_BYTES and _consistent_size(head, 0) > 0


def looks_like_gnt(beginning: bytes) -> bool:
    """Whether these bytes begin with a consistent header, or contain a confirmed one."""
    if starts_like_gnt(beginning):
        return True
    _, confirmed = _Window(io.BytesIO(beginning)).next_confirmed(0)
    return confirmed < len(beginning)


def gnt_tags(beginning: bytes) -> Iterator[bytes]:
    """The tags of the records that these bytes begin with, high byte first."""
    here = 0
    while here + HEADER_BYTES <= len(beginning) and (size := _consistent_size(beginning, here)):
        yield beginning[here + 4 : here + 6]
        here += size


def encode_record(label: str, image: Image) -> bytes:
    """One GNT record.

    Args:
        label: one character with a two-byte GB18030 code, or an ASCII symbol.
        image: uint8 [h, w], 255 = paper.

    Raises:
        InputError: the label has no such code, or the image does not fit the format.
    """
    try:
        tag = label.encode("gb18030").ljust(2, b"\0")
    except UnicodeEncodeError:
        tag = b""
    if not label or len(tag) != 2 or decode_tag(tag) != label:
        raise InputError(
            f"{label!r} has no two-byte GB code, which GNT requires",
            remedy="Leave it out, or export in another format",
        )
    if image.ndim != 2 or image.dtype != np.uint8:
        raise InputError(f"expected an image uint8 [h, w], found {image.dtype} {list(image.shape)}")
    height, width = image.shape
    if not (1 <= image.size <= MAX_PIXELS and max(height, width) <= 0xFFFF):
        raise InputError(
            f"an image of {width} x {height} pixels is too large for GNT",
            remedy=f"Width and height are 1 to 65535, and at most {MAX_PIXELS:,} pixels in total",
        )
    return _HEADER.pack(HEADER_BYTES + image.size, tag, width, height) + image.tobytes()


def write_gnt(path: Path, records: Iterable[tuple[str, Image]]) -> int:
    """Write (label, image) pairs as one GNT file, atomically.

    Returns:
        The number of records.

    Raises:
        InputError: see `encode_record`; `path` is then unchanged.
    """
    count = 0
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        for label, image in records:
            file.write(encode_record(label, image))
            count += 1
        file.flush()
    return count


def _consistent_size(data: bytes, at: int) -> int:
    """Size of the record whose consistent header is at `at`; 0 if there is none."""
    size, _, width, height = _HEADER.unpack_from(data, at)
    pixels = width * height
    if pixels and size == HEADER_BYTES + pixels and pixels <= MAX_PIXELS:
        return int(size)
    return 0


class _Window:
    """The part of a stream that is in memory; offsets count from the stream's beginning."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._data = b""
        self._start = 0
        self._end = 0
        self._keep = 0
        self._exhausted = False

    def keep_from(self, offset: int) -> None:
        """Allow bytes before `offset` to be dropped."""
        self._keep = offset

    def in_memory(self) -> tuple[bytes, int]:
        """The bytes in memory, and the offset of the first."""
        return self._data, self._start

    def reaches(self, end: int) -> bool:
        """Whether the stream has all bytes before `end`; reads as far as needed."""
        if end <= self._end:
            return True
        parts = [self._data[self._keep - self._start :]]
        self._start = self._keep
        while self._end < end and not self._exhausted:
            part = self._stream.read(_READ_BYTES)
            self._exhausted = not part
            self._end += len(part)
            parts.append(part)
        self._data = b"".join(parts)
        return end <= self._end

    def ends_at(self, offset: int) -> bool:
        """Whether the stream ends exactly at `offset`."""
        return not self.reaches(offset + 1) and self._end == offset

    def view(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`, fewer at the stream's end."""
        self.reaches(offset + length)
        first = offset - self._start
        return self._data[first : first + length]

    def record_bytes(self, offset: int) -> int:
        """Size of the record whose consistent header is at `offset`; 0 if there is none."""
        if not self.reaches(offset + HEADER_BYTES):
            return 0
        return _consistent_size(self._data, offset - self._start)

    def next_confirmed(self, at: int) -> tuple[int, int]:
        """The first offsets from `at` on with a consistent header, and with a confirmed one.

        Either is the stream's end if there is none.
        """
        likely: int | None = None
        while True:
            self.keep_from(at)
            self.reaches(at + _SCAN_BYTES + HEADER_BYTES)
            stop = min(at + _SCAN_BYTES, self._end - HEADER_BYTES + 1)
            if stop <= at:
                return (self._end if likely is None else likely), self._end
            for offset in self._consistent_offsets(at, stop):
                likely = offset if likely is None else likely
                end = offset + self.record_bytes(offset)
                if self.record_bytes(end) or self.ends_at(end):
                    return likely, offset
            at = stop

    def _consistent_offsets(self, first: int, stop: int) -> list[int]:
        """All offsets in [first, stop) with a consistent header."""
        begin = first - self._start
        count = stop - first
        data = np.frombuffer(self._data, np.uint8, count + HEADER_BYTES - 1, begin)
        # No size has more than 25 bits, which rules out most offsets in scans.
        at = np.flatnonzero(data[3 : 3 + count] <= (HEADER_BYTES + MAX_PIXELS) >> 24)

        by_field, by_area = _declared_sizes(data, at)
        sound = (by_field == by_area) & (by_area > HEADER_BYTES)
        sound &= by_area <= HEADER_BYTES + MAX_PIXELS
        return [first + int(offset) for offset in at[sound]]


def _confirmed_in_memory(
    window: _Window, at: int, source: str, writer: str
) -> Generator[Record | BadRecord, None, int]:
    """Records from `at` on while the header after each is in memory and consistent.

    This loop handles intact data without calls to the stream: it determines the reader's speed.

    Returns:
        The offset after the last of them.
    """
    data, start = window.in_memory()
    here, last = at - start, len(data) - HEADER_BYTES
    size = _consistent_size(data, here) if here <= last else 0
    while size and here + size <= last:
        next_size = _consistent_size(data, here + size)
        if not next_size:
            break
        yield _take(data, start + here, source, writer, here)
        here += size
        size = next_size
    return start + here


def _take(data: bytes, offset: int, source: str, writer: str, here: int = 0) -> Record | BadRecord:
    """The record in `data` at `here`; a BadRecord if its tag is wrong."""
    size, tag, width, height = _HEADER.unpack_from(data, here)
    label = decode_tag(tag)
    if not label:
        expected, found = "the GB code of one printable character", f"tag {tag.hex(' ')}"
        return BadRecord(source, offset, size, expected, found, "unreadable tag")
    view: Image = np.ndarray((height, width), np.uint8, data, here + HEADER_BYTES)
    return Record(view.copy(), label, writer, source, offset)


def _declared_sizes(
    data: npt.NDArray[np.uint8], at: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Sizes of the records at offsets `at`: from the size fields, and from width * height."""

    def u16(place: int) -> npt.NDArray[np.int64]:
        low, high = data[at + place], data[at + place + 1]
        return low.astype(np.int64) | high.astype(np.int64) << 8

    return u16(0) | u16(2) << 16, HEADER_BYTES + u16(6) * u16(8)


def _hides_header(around: bytes, confirmed: int) -> bool:
    """Whether a header with one wrong field lies within a record and gives an end at `confirmed`.

    Args:
        around: the record and the next HEADER_BYTES - 1 bytes, in case a header begins in it.
        confirmed: where the next confirmed record begins, relative to `around`.
    """
    data = np.frombuffer(around, np.uint8)
    # A record has at least one pixel.
    last = min(len(data), confirmed - 1) - HEADER_BYTES
    for begin in range(1, last + 1, _SCAN_BYTES):
        at = np.arange(begin, min(begin + _SCAN_BYTES, last + 1))
        by_field, by_area = _declared_sizes(data, at)
        if np.any((by_field == confirmed - at) | (by_area == confirmed - at)):
            return True
    return False


def _lost_header(source: str, offset: int, length: int, head: bytes) -> BadRecord:
    """The loss of `length` bytes, since `head`, the bytes at `offset`, is not a valid header."""
    if len(head) < HEADER_BYTES:
        expected, found = (
            f"a header of {HEADER_BYTES} bytes",
            f"{len(head)} bytes before the end of the file",
        )
    else:
        size, _, width, height = _HEADER.unpack(head)
        expected = f"a header whose size is {HEADER_BYTES} + width * height"
        found = f"size {size}, width {width}, height {height}"
    return BadRecord(source, offset, length, expected, found, "damaged header")
