"""Interface of stroke data: characters, and the pen's path through each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Set
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from hwgen.charset import gb2312_level1
from hwgen.errors import CharsetError

Points = npt.NDArray[np.float64]
Strokes = tuple[Points, ...]
"""One character: the points [n, 2], (x, y) in the box, of each stroke in writing order."""

BOX = 109.0
"""Size of a character's box; y points down."""

STEP = 3.0
"""Spacing of a stroke's points, in units of the box."""

MAX_STROKES, MAX_POINTS = 100, 1000
"""Largest number of strokes in a character, and of points in a stroke, of untrusted files."""

_FIRST_HAN, _LAST_HAN = "\u4e00", "\u9fa5"  # all of them have a two-byte code in GNT

_OPTION = "other --strokes (in Python strokes=...): "
_NOT_HANZI = "kanjivg (as written in Japan; also kana, letters, digits), or a file"
OTHERS = f"{_OPTION}hanzi (9,574 characters as written in China), {_NOT_HANZI}"
"""Stroke data to choose from, for messages about characters without strokes."""

OTHERS_THAN_HANZI = f"{_OPTION}{_NOT_HANZI}"
"""The same where those that come with hwgen are used already."""

COMMON = (
    "的一是不了在人有我他大中上和国地到以要出会可也生能而子那得下自之年去同天小多心本"
    "前主行所家事成方法学如都当面起看定分好部其但因只想日作用道理美公老三民等重相月点"
    "水口高正明文手木山火土女力十二四五六七八九百千万白田石目王工元光先走立米竹食房安"
)
"""Everyday characters, roughly by frequency, for small demonstrations."""


class StrokeData(ABC):
    """Characters and their strokes.

    Attributes:
        name: name in messages.
        notice: authors and licence, and the licence of what is made from them.
        others: what to use for characters that have none, for messages.
    """

    name: ClassVar[str]
    notice: ClassVar[str]
    others: ClassVar[str] = OTHERS

    @abstractmethod
    def characters(self) -> Set[str]:
        """All characters that have strokes.

        Raises:
            InputError: they cannot be read.
        """

    @property
    def path(self) -> Path:
        """The file or folder with the strokes.

        Raises:
            InputError: it cannot be found.
        """
        return Path(self.name)

    @abstractmethod
    def read(self, characters: Set[str]) -> dict[str, Strokes]:
        """The strokes of characters, which must exist.

        Raises:
            InputError: they cannot be read.
        """

    def load(self, characters: Iterable[str]) -> dict[str, Strokes]:
        """The strokes of characters.

        Raises:
            InputError: they cannot be read.
            CharsetError: lists every character that has no strokes.
        """
        wanted, known = list(characters), self.characters()
        unknown = [character for character in wanted if character not in known]
        if unknown:
            shown = "".join(unknown[:40]) + ("…" if len(unknown) > 40 else "")
            raise CharsetError(
                f"{self.name} has no strokes for {len(unknown)} of {len(wanted)} characters: "
                f"{shown}",
                remedy=f"Leave them out, or give {self.others}",
            )
        return self.read(set(wanted))


def common_first(characters: Iterable[str]) -> list[str]:
    """The characters, those of `COMMON` first; the others keep their order."""
    rank = {character: place for place, character in reversed(list(enumerate(COMMON)))}
    return sorted(characters, key=lambda character: rank.get(character, len(COMMON)))


def chinese(characters: Set[str]) -> tuple[str, ...]:
    """The Chinese characters among these: everyday ones, GB2312 level 1, then the others."""
    level1 = [character for character in gb2312_level1() if character in characters]
    others = sorted(c for c in characters - set(level1) if _FIRST_HAN <= c <= _LAST_HAN)
    return tuple(common_first([*level1, *others]))


def resample(line: Points, step: float) -> Points:
    """A polyline [n, 2] as at least two points, spaced equally by about `step`; both ends stay."""
    dx, dy = (line[1:] - line[:-1]).T
    along = np.zeros(len(line))
    np.hypot(dx, dy).cumsum(out=along[1:])
    length = along[-1]
    count = max(2, round(length / step) + 1)
    places = np.arange(count) * (length / (count - 1))  # np.linspace takes longer
    places[-1] = length
    points = np.empty((count, 2))
    for axis in (0, 1):
        points[:, axis] = np.interp(places, along, line[:, axis])
    return points
