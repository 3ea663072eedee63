"""Strokes of 9,574 characters as written in China, which come with hwgen.

`medians.bin` holds the medians of hanzi-writer-data 2.0.1 in the form of `packed`. They are under
the Arphic Public License, ARPHICPL.TXT; NOTICE.txt says how and when they were changed.
"""

from __future__ import annotations

from collections.abc import Set
from functools import cache
from pathlib import Path

from hwgen.errors import InputError
from hwgen.sources.strokes.data import OTHERS_THAN_HANZI, StrokeData, Strokes
from hwgen.sources.strokes.hanzi.packed import PackedMedians, unpack
from hwgen.sources.strokes.hanzi_writer import HanziWriter, strokes_of

MEDIANS = Path(__file__).with_name("medians.bin")


class Hanzi(StrokeData):
    """Strokes of Make Me a Hanzi, from the file that comes with hwgen.

    They are equal to those that HanziWriter reads from hanzi-writer-data 2.0.1.

    Args:
        path: a file that `packed.pack` made.
    """

    name = HanziWriter.name
    notice = HanziWriter.notice
    others = OTHERS_THAN_HANZI

    def __init__(self, path: Path = MEDIANS) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        """See StrokeData."""
        return self._path

    def characters(self) -> Set[str]:
        """See StrokeData."""
        return _medians(self._path).numbers.keys()

    def read(self, characters: Set[str]) -> dict[str, Strokes]:
        """See StrokeData."""
        medians = _medians(self._path)
        return {character: strokes_of(medians.of(character)) for character in characters}


@cache
def _medians(path: Path) -> PackedMedians:
    try:
        return unpack(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"reading the stroke data of hwgen failed ({error})",
            where=str(path),
            remedy=f"Install hwgen again, or give {OTHERS_THAN_HANZI}",
        ) from None
