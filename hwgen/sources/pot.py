r"""Reader of POT, the format of CASIA's pen trajectories (OLHWDB).

A record is, little-endian, `u16 size` in bytes, all included; a
4-byte tag, the GB code reversed (`\xa1\xb0` is 啊) and two zeros; `u16` number of strokes; then
points, pairs of `i16` (x, y). A stroke ends with (-1, 0), the character with (-1, -1).

Unlike in GNT, a record can be checked by itself: its size leads to its first (-1, -1), and its
number of strokes is that of the (-1, 0) in it. Overwritten coordinates and a tag changed to another
valid one cannot be detected.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from hwgen.imaging.ink import END_OF_STROKE, Trajectory
from hwgen.record import BadRecord
from hwgen.sources.gnt import decode_tag

HEADER_BYTES = 8
MAX_BYTES = 0xFFFF
"""Maximum size of a record."""

_HEADER = struct.Struct("<H4sH")
_POINT_BYTES = 4
_LEAST_BYTES = HEADER_BYTES + 3 * _POINT_BYTES  # one point, the stroke's end, the character's end
_READ_BYTES = 1 << 20
_SCAN_BYTES = (
    4 << 10
)  # searched per call: little work is repeated where many bytes look like headers
_STROKE_MARK = int.from_bytes(struct.pack("<hh", *END_OF_STROKE), "little")
_CHARACTER_MARK = 0xFFFFFFFF  # (-1, -1)


def read_pot(stream: BinaryIO, *, source: str, writer: str) -> Iterator[Trajectory | BadRecord]:
    """Characters of one POT file in their order, with a BadRecord in the place of each loss.

    Reads strictly forward and keeps a few MiB in memory, so it works for zip members and for files
    of any size. If the size of a damaged record still leads to its end, only this record is lost.
    Otherwise the next offset with a valid record is searched, and the bytes between are lost.

    Args:
        stream: the file's bytes, from the beginning; need not be seekable.
        source: the file's name for `Trajectory.source` and `BadRecord.source`.
        writer: id of the writer, "" if unknown.
    """
    data, start, here = b"", 0, 0  # bytes in memory, offset of the first, position in them
    exhausted = False
    lost: BadRecord | None = None  # grows until a valid record is found
    while True:
        if not exhausted and len(data) - here < 2 * MAX_BYTES:
            part = stream.read(_READ_BYTES)
            exhausted = not part
            data, start, here = data[here:] + part, start + here, 0
            continue
        at = start + here
        if here == len(data):
            break
        size = _framed(data, here)
        if size and (lost is None or not _fault(data, here, size)):
            if lost is not None:
                yield replace(lost, length=at - lost.offset)
                lost = None
            yield _take(data, here, size, source, writer, at)
            here += size
            continue
        if lost is None:
            lost = _unframed(data, here, source, at)
        here = _next_likely(data, here + 1, exhausted)
    if lost is not None:
        yield replace(lost, length=start + here - lost.offset)
    elif start + here == 0:
        yield BadRecord(source, 0, 0, "at least one record", "no bytes", "empty file")


def looks_like_pot(beginning: bytes) -> bool:
    """Whether these bytes contain a valid record."""
    here = 0
    while here < len(beginning):
        size = _framed(beginning, here)
        if size and not _fault(beginning, here, size):
            return True
        here = _next_likely(beginning, here + 1, exhausted=True)
    return False


def pot_tags(beginning: bytes) -> Iterator[bytes]:
    """The GB codes of the records that these bytes begin with, high byte first."""
    here = 0
    while size := _framed(beginning, here):
        yield beginning[here + 3 : here + 1 : -1]
        here += size


def encode_trajectory(label: str, strokes: list[list[tuple[int, int]]]) -> bytes:
    """One POT record of strokes, lists of (x, y) in pen units."""
    tag = label.encode("gb18030").rjust(2, b"\0")[::-1] + b"\0\0"
    points = [point for stroke in strokes for point in (*stroke, END_OF_STROKE)]
    body = np.array([*points, (-1, -1)], "<i2").tobytes()
    return _HEADER.pack(HEADER_BYTES + len(body), tag, len(strokes)) + body


def _marks(data: bytes, here: int, size: int) -> npt.NDArray[np.uint32]:
    """All points of a record, each as one number."""
    return np.frombuffer(data, "<u4", (size - HEADER_BYTES) // _POINT_BYTES, here + HEADER_BYTES)


def _framed(data: bytes, here: int) -> int:
    """Size of the record at `here` if that leads to its end, the first (-1, -1); otherwise 0."""
    if here + HEADER_BYTES > len(data):
        return 0
    size: int = _HEADER.unpack_from(data, here)[0]
    if size < _LEAST_BYTES or size % _POINT_BYTES or here + size > len(data):
        return 0
    marks = _marks(data, here, size)
    ends = marks == _CHARACTER_MARK
    return size if ends[-1] and np.count_nonzero(ends) == 1 else 0


def _fault(data: bytes, here: int, size: int) -> tuple[str, str, str] | None:
    """What is wrong with a framed record: expected, found, kind; None if it is valid."""
    _, tag, strokes = _HEADER.unpack_from(data, here)
    marks = _marks(data, here, size)
    ends = int(np.count_nonzero(marks == _STROKE_MARK))
    if ends != strokes or marks[-2] != _STROKE_MARK:
        found = f"{ends} ends of strokes" + ("" if ends != strokes else ", none of them last")
        return f"{strokes} strokes, each with its end", found, "wrong strokes"
    if len(marks) == strokes + 1:
        return "a point", f"{strokes} empty strokes", "wrong strokes"
    if tag[2:] != b"\0\0" or not decode_tag(tag[1::-1]):
        expected = "the GB code of one printable character, reversed, and two zeros"
        return expected, f"tag {tag.hex(' ')}", "unreadable tag"
    return None


def _take(
    data: bytes, here: int, size: int, source: str, writer: str, at: int
) -> Trajectory | BadRecord:
    """The framed record at `here`; a BadRecord if its content is wrong."""
    fault = _fault(data, here, size)
    if fault is not None:
        expected, found, kind = fault
        return BadRecord(source, at, size, expected, found, kind)
    label = decode_tag(data[here + 3 : here + 1 : -1])
    points = np.frombuffer(data, "<i2", (size - HEADER_BYTES) // 2 - 2, here + HEADER_BYTES)
    return Trajectory(points.reshape(-1, 2).astype(np.int16), label, writer, source, at)


def _unframed(data: bytes, here: int, source: str, at: int) -> BadRecord:
    """A loss that begins at `here`, with length 0 until its end is found."""
    if here + HEADER_BYTES > len(data):
        expected, found = f"a header of {HEADER_BYTES} bytes", f"{len(data) - here} bytes"
        return BadRecord(
            source, at, 0, expected, f"{found} before the end of the file", "cut short"
        )
    size: int = _HEADER.unpack_from(data, here)[0]
    if size < _LEAST_BYTES or size % _POINT_BYTES:
        expected = f"a size of {_LEAST_BYTES} or more that {_POINT_BYTES} divides"
        return BadRecord(source, at, 0, expected, f"size {size}", "damaged header")
    expected = f"a record of {size} bytes with (-1, -1) at its end and nowhere else"
    if here + size > len(data):
        found = f"{len(data) - here} bytes before the end of the file"
        return BadRecord(source, at, 0, expected, found, "cut short")
    marks = _marks(data, here, size)
    first = np.flatnonzero(marks == _CHARACTER_MARK)[:1]
    found = f"none in these {size} bytes"
    if len(first):
        found = f"(-1, -1) after {HEADER_BYTES + _POINT_BYTES * (int(first[0]) + 1)} bytes"
    return BadRecord(source, at, 0, expected, found, "no end in place")


def _next_likely(data: bytes, here: int, exhausted: bool) -> int:
    """The first position from `here` on that may be a header, or the end of the search.

    Before the stream is exhausted, the search leaves room for a whole record in memory.
    """
    stop = min(len(data) - (_LEAST_BYTES - 1 if exhausted else MAX_BYTES), here + _SCAN_BYTES)
    if stop <= here:
        return len(data) if exhausted else here
    count = stop - here
    look = np.frombuffer(data, np.uint8, count + HEADER_BYTES, here)
    size = look[:count].astype(np.int64) | look[1 : 1 + count].astype(np.int64) << 8
    likely = (size % _POINT_BYTES == 0) & (size >= _LEAST_BYTES)
    likely &= (look[4 : 4 + count] == 0) & (look[5 : 5 + count] == 0)
    at = np.flatnonzero(likely)
    at = at[here + at + size[at] <= len(data)]
    whole = np.frombuffer(data, np.uint8)
    end = here + at + size[at]
    sound = np.ones(len(at), bool)
    for back in range(1, _POINT_BYTES + 1):
        sound &= whole[end - back] == 0xFF
    found = at[sound]
    if len(found):
        return here + int(found[0])
    return stop
