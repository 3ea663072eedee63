"""Two characters of a few strokes, for tests that need no KanjiVG."""

from collections.abc import Set

import numpy as np

from hwgen.sources.strokes.data import StrokeData, Strokes

CROSS = (
    np.array([[15.0, 50.0], [55.0, 48.0], [95.0, 47.0]]),
    np.array([[54.0, 12.0], [55.0, 60.0], [54.0, 96.0]]),
)
HOOK = (np.array([[20.0, 20.0], [80.0, 18.0], [78.0, 90.0], [66.0, 84.0]]),)
STROKES = {"十": CROSS, "刁": HOOK}


class Drawn(StrokeData):
    """The characters of STROKES."""

    name = "a test"
    notice = "Drawn for a test"

    def characters(self) -> Set[str]:
        return STROKES.keys()

    def read(self, characters: Set[str]) -> dict[str, Strokes]:
        return {character: STROKES[character] for character in characters}
