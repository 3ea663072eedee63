"""The stroke data that a user named; importing this module imports no NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwgen.sources.strokes.data import StrokeData

HANZI, KANJIVG = "hanzi", "kanjivg"
"""Words for stroke data that need no file; see `stroke_data`."""


def stroke_data(strokes: StrokeData | Path | str | None = None) -> StrokeData:
    """The stroke data that `--strokes` in the command line or `strokes` in Python stands for.

    Args:
        strokes: None or HANZI for those that come with hwgen, 9,574 characters as written in China;
            KANJIVG for those of the extra `demo`, as written in Japan; the path of a file, see
            HanziWriter; or stroke data, which are returned as they are.
    """
    from hwgen.sources.strokes.data import StrokeData
    from hwgen.sources.strokes.hanzi import Hanzi
    from hwgen.sources.strokes.hanzi_writer import HanziWriter
    from hwgen.sources.strokes.kanjivg import KanjiVG

    if isinstance(strokes, StrokeData):
        return strokes
    word = None if strokes is None else str(strokes)
    if word in (None, HANZI):
        return Hanzi()
    return KanjiVG() if word == KANJIVG else HanziWriter(Path(word))
