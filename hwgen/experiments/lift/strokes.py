"""Stroke data of a lift's classes."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from hwgen.charset import Charset
from hwgen.sources.strokes.data import StrokeData, Strokes
from hwgen.sources.strokes.rounding import fingerprint, rounded


@dataclass(frozen=True)
class StrokeFile:
    """Stroke data of a lift's classes, and what identifies them.

    Attributes:
        data: the classes and their strokes, in memory, since every trial needs them.
        fingerprint: see hwgen.generators.refiner.stroke_file.fingerprint.
    """

    data: StrokeData
    fingerprint: str

    @classmethod
    def of(cls, data: StrokeData, charset: Charset) -> StrokeFile:
        """Stroke data that has all of these classes.

        Raises:
            InputError: the strokes cannot be read.
            CharsetError: lists every class that has no strokes.
        """
        strokes = data.load(charset)
        return cls(_Loaded(data, strokes), fingerprint(rounded(strokes), charset))


class _Loaded(StrokeData):
    """Some characters of other stroke data."""

    def __init__(self, data: StrokeData, strokes: Mapping[str, Strokes]) -> None:
        self.name, self.notice = data.name, data.notice  # type: ignore[misc]
        self._path, self._strokes = data.path, strokes

    @property
    def path(self) -> Path:
        return self._path

    def characters(self) -> Set[str]:
        return self._strokes.keys()

    def read(self, characters: Set[str]) -> dict[str, Strokes]:
        return {character: self._strokes[character] for character in characters}


def stroke_settings(strokes: StrokeFile | None) -> dict[str, str]:
    """What the settings of a generator say of strokes that it was given."""
    return {} if strokes is None else {"strokes": strokes.fingerprint}
