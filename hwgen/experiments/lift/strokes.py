"""Stroke data of a lift's classes."""

from __future__ import annotations

from dataclasses import dataclass

from hwgen.charset import Charset
from hwgen.generators.refiner.stroke_file import fingerprint, rounded
from hwgen.sources.strokes.data import StrokeData


@dataclass(frozen=True)
class StrokeFile:
    """Stroke data, and what identifies the strokes of a lift's classes.

    Attributes:
        data: characters and their strokes.
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
        return cls(data, fingerprint(rounded(data.load(charset)), charset))


def stroke_settings(strokes: StrokeFile | None) -> dict[str, str]:
    """What the settings of a generator say of strokes that it was given."""
    return {} if strokes is None else {"strokes": strokes.fingerprint}
