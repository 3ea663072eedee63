"""Compact form of the medians of strokes: text that says what it is, then a zlib stream.

The stream has, all little-endian and without gaps:

    uint32 [4]           number of characters, strokes, points, and fractions
    uint32 [characters]  code point of each character, ascending
    uint8 [characters]   number of its strokes
    uint8 [strokes]      number of each stroke's points
    uint8 [2, 2, points] coordinates x and y, rounded down, as the difference d from the point
                         before, written 2 d, or -2 d - 1 for d < 0; low bytes, then high bytes
    uint32 [fractions]   which coordinates, counted in [2, points], are no integers
    float64 [fractions]  their values
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from hwgen.sources.strokes.data import Points

_MAGIC = b"hwgen stroke medians 1\n"
_END_OF_TEXT = b"\n\n"
_MAX_STREAM = 1 << 24  # bytes; that of 9,574 characters has 2.7 million


@dataclass(frozen=True)
class PackedMedians:
    """Medians of many characters in a few arrays.

    Attributes:
        numbers: character -> its number.
        stroke_ends: int64 [characters + 1], number of strokes before each character.
        point_ends: int64 [strokes + 1], number of points before each stroke.
        points: float64 [points, 2].
    """

    numbers: Mapping[str, int]
    stroke_ends: npt.NDArray[np.int64]
    point_ends: npt.NDArray[np.int64]
    points: Points

    def of(self, character: str) -> list[Points]:
        """The medians [n, 2] of a character."""
        first, last = self.stroke_ends[self.numbers[character] :][:2]
        ends = self.point_ends[first : last + 1]
        return [self.points[start:end] for start, end in pairwise(ends.tolist())]


def pack(medians: Mapping[str, list[Points]], text: str) -> bytes:
    """The compact form of medians.

    Args:
        medians: character -> the points [n, 2] of each stroke, at most 255 strokes of 255 points.
        text: what the file is and the terms of its use, without empty lines.
    """
    characters = sorted(medians)
    lines = [line for character in characters for line in medians[character]]
    exact = np.concatenate(lines).astype(np.float64).T  # [2, points]
    whole = np.floor(exact)
    fractions = np.flatnonzero(exact != whole)
    differences = np.diff(whole.astype(np.int64), axis=1, prepend=0)
    zigzag = np.where(differences < 0, -2 * differences - 1, 2 * differences).astype("<u2")
    parts: list[npt.NDArray[Any]] = [
        np.array([len(characters), len(lines), whole.shape[1], len(fractions)], "<u4"),
        np.array([ord(character) for character in characters], "<u4"),
        np.array([len(medians[character]) for character in characters], np.uint8),
        np.array([len(line) for line in lines], np.uint8),
        zigzag.astype(np.uint8),
        (zigzag >> 8).astype(np.uint8),
        fractions.astype("<u4"),
        exact.ravel()[fractions].astype("<f8"),
    ]
    stream = zlib.compress(b"".join(part.tobytes() for part in parts), 9)
    return _MAGIC + text.strip().encode() + _END_OF_TEXT + stream


def unpack(data: bytes) -> PackedMedians:
    """What `pack` packed.

    Raises:
        ValueError: the data are damaged, or of another form.
    """
    head, _, packed = data.partition(_END_OF_TEXT)
    if not head.startswith(_MAGIC):
        raise ValueError("not stroke medians")
    stream = _Stream(_unzipped(packed))
    characters, strokes, points, fractions = stream.take("<u4", 4).tolist()
    codes = stream.take("<u4", characters).tolist()
    stroke_ends = _ends(stream.take("u1", characters), strokes)
    point_ends = _ends(stream.take("u1", strokes), points)
    low, high = (stream.take("u1", 2 * points).astype(np.int64) for _ in range(2))
    places, values = stream.take("<u4", fractions), stream.take("<f8", fractions)
    stream.finish()
    zigzag = (low + (high << 8)).reshape(2, points)
    coordinates = np.cumsum((zigzag >> 1) ^ -(zigzag & 1), axis=1).astype(np.float64)
    if len(places) and places.max() >= coordinates.size:
        raise ValueError("a fraction has no place")
    coordinates.ravel()[places] = values
    numbers = {chr(code): number for number, code in enumerate(codes)}
    return PackedMedians(numbers, stroke_ends, point_ends, np.ascontiguousarray(coordinates.T))


def _unzipped(packed: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(packed, _MAX_STREAM)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not stream.eof:
        raise ValueError("incomplete, or too large")
    return data


class _Stream:
    """Arrays one after the other in bytes."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, dtype: str, count: int) -> npt.NDArray[Any]:
        size = count * np.dtype(dtype).itemsize
        if self._at + size > len(self._data):
            raise ValueError("cut off")
        array = np.frombuffer(self._data, dtype, count, self._at)
        self._at += size
        return array

    def finish(self) -> None:
        if self._at != len(self._data):
            raise ValueError("longer than it says")


def _ends(counts: npt.NDArray[np.uint8], total: int) -> npt.NDArray[np.int64]:
    ends = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    if ends[-1] != total:
        raise ValueError("counts do not add up")
    return ends
