"""Punctuation and digits by simple strokes, for sources without images of them.

Stroke data have Chinese characters only. A mark is written with a pen as wide and as dark as that
of the line, with some random variation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hwgen.imaging.ink import render_discs
from hwgen.lines.glyphs import Glyph, Pen
from hwgen.record import PAPER
from hwgen.sources.strokes.data import Points, resample

_EM = 64
"""Pixels in a full-size character, when a mark is rendered."""

_EDGE = 1.0  # width of a line's soft edge, px
_STEP = 0.7  # px between two positions of the pen
_SHEAR, _STRETCH, _SHAKE = 0.06, 0.08, 0.012  # standard deviations of the variation
_SHAKE_STEP = 0.3  # length of stroke between two independent shakes


def _arc(x: float, y: float, rx: float, ry: float, first: float, last: float) -> list[list[float]]:
    """Part of an ellipse; 0 degrees is to the right, 90 below."""
    angles = np.radians(np.linspace(first, last, 25))
    return np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], axis=1).tolist()


def _dot(x: float, y: float) -> list[list[float]]:
    return [[x, y], [x + 0.015, y + 0.02]]


_COMMA = [[0.10, 0.80], [0.15, 0.84], [0.13, 0.93], [0.06, 1.02]]
_LEFT, _RIGHT = _arc(0.30, 0.5, 0.22, 0.52, 250, 110), _arc(0.0, 0.5, 0.22, 0.52, -70, 70)
_BELOW = 0.93  # of a full stop

_STROKES: Mapping[str, Sequence[Sequence[Sequence[float]]]] = {
    "，": [_COMMA],
    "、": [[[0.06, 0.80], [0.20, 0.97]]],
    "。": [_arc(0.14, 0.88, 0.09, 0.09, -80, 290)],
    "．": [_dot(0.1, _BELOW)],
    "；": [_dot(0.12, 0.52), _COMMA],
    "：": [_dot(0.1, 0.45), _dot(0.1, 0.85)],
    "！": [[[0.12, 0.08], [0.10, 0.68]], _dot(0.09, _BELOW)],
    "？": [
        [*_arc(0.2, 0.27, 0.17, 0.19, 190, 400), [0.21, 0.52], [0.20, 0.70]],
        _dot(0.19, _BELOW),
    ],
    "·": [_dot(0.1, 0.5)],
    "…": [_dot(0.1, 0.55), _dot(0.42, 0.55), _dot(0.74, 0.55)],
    "—": [[[0.0, 0.52], [0.45, 0.505], [0.95, 0.50]]],
    "－": [[[0.0, 0.52], [0.32, 0.51]]],
    "～": [[*_arc(0.18, 0.52, 0.17, 0.09, 180, 360), *_arc(0.52, 0.52, 0.17, 0.09, 180, 0)]],
    "“": [[[0.11, 0.03], [0.04, 0.13], [0.08, 0.21]], [[0.27, 0.03], [0.20, 0.13], [0.24, 0.21]]],
    "”": [[[0.05, 0.02], [0.10, 0.09], [0.03, 0.20]], [[0.21, 0.02], [0.26, 0.09], [0.19, 0.20]]],
    "‘": [[[0.11, 0.03], [0.04, 0.13], [0.08, 0.21]]],
    "’": [[[0.05, 0.02], [0.10, 0.09], [0.03, 0.20]]],
    '"': [[[0.05, 0.03], [0.04, 0.2]], [[0.18, 0.03], [0.17, 0.2]]],
    "'": [[[0.05, 0.03], [0.04, 0.2]]],
    "（": [_LEFT],
    "）": [_RIGHT],
    "［": [[[0.24, 0.0], [0.06, 0.0], [0.06, 1.0], [0.24, 1.0]]],
    "］": [[[0.0, 0.0], [0.18, 0.0], [0.18, 1.0], [0.0, 1.0]]],
    "【": [[[0.26, 0.0], [0.06, 0.0], [0.06, 1.0], [0.26, 1.0], [0.14, 0.5], [0.26, 0.0]]],
    "】": [[[0.0, 0.0], [0.20, 0.0], [0.20, 1.0], [0.0, 1.0], [0.12, 0.5], [0.0, 0.0]]],
    "「": [[[0.30, 0.0], [0.08, 0.0], [0.08, 0.55]]],
    "」": [[[0.24, 0.45], [0.24, 1.0], [0.0, 1.0]]],
    "〈": [[[0.28, 0.05], [0.04, 0.5], [0.28, 0.95]]],
    "〉": [[[0.0, 0.05], [0.24, 0.5], [0.0, 0.95]]],
    "《": [[[0.28, 0.1], [0.04, 0.5], [0.28, 0.9]], [[0.44, 0.1], [0.20, 0.5], [0.44, 0.9]]],
    "》": [[[0.0, 0.1], [0.24, 0.5], [0.0, 0.9]], [[0.16, 0.1], [0.40, 0.5], [0.16, 0.9]]],
    "／": [[[0.34, 0.05], [0.0, 1.0]]],
    "＋": [[[0.0, 0.53], [0.36, 0.51]], [[0.19, 0.34], [0.18, 0.72]]],
    "＝": [[[0.0, 0.43], [0.36, 0.42]], [[0.0, 0.62], [0.36, 0.60]]],
    "×": [[[0.02, 0.36], [0.32, 0.70]], [[0.31, 0.35], [0.02, 0.71]]],
    "％": [
        _arc(0.10, 0.30, 0.09, 0.11, -80, 290),
        [[0.44, 0.16], [0.06, 0.90]],
        _arc(0.40, 0.76, 0.09, 0.11, -80, 290),
    ],
    "￥": [
        [[0.03, 0.12], [0.22, 0.44]],
        [[0.42, 0.10], [0.22, 0.44], [0.21, 0.92]],
        [[0.05, 0.52], [0.39, 0.50]],
        [[0.05, 0.68], [0.39, 0.66]],
    ],
    "〇": [_arc(0.40, 0.52, 0.34, 0.38, -80, 285)],
    "0": [_arc(0.19, 0.52, 0.17, 0.37, -80, 285)],
    "1": [[[0.10, 0.15], [0.09, 0.5], [0.07, 0.90]]],
    "2": [[*_arc(0.19, 0.33, 0.16, 0.18, 195, 385), [0.04, 0.88], [0.38, 0.87]]],
    "3": [[*_arc(0.17, 0.32, 0.15, 0.17, 210, 430), *_arc(0.17, 0.70, 0.18, 0.20, 285, 505)]],
    "4": [[[0.22, 0.14], [0.03, 0.62], [0.40, 0.60]], [[0.28, 0.40], [0.25, 0.92]]],
    "5": [[[0.12, 0.18], [0.08, 0.48], *_arc(0.17, 0.68, 0.18, 0.21, 240, 500)],
          [[0.12, 0.18], [0.36, 0.16]]],
    "6": [[[0.30, 0.13], [0.12, 0.40], *_arc(0.20, 0.69, 0.16, 0.21, 190, 545)]],
    "7": [[[0.03, 0.18], [0.37, 0.16], [0.22, 0.50], [0.15, 0.92]]],
    "8": [[*_arc(0.20, 0.33, 0.14, 0.18, -60, -270), *_arc(0.20, 0.70, 0.16, 0.19, 270, 630),
           *_arc(0.20, 0.33, 0.14, 0.18, 90, -60)]],
    "9": [[*_arc(0.19, 0.35, 0.16, 0.20, -20, -350), [0.34, 0.55], [0.27, 0.92]]],
}  # fmt: skip

_HALF_WIDTH = str.maketrans("，．；：！？－～（）［］／＋＝％￥", ",.;:!?-~()[]/+=%¥")


def _variants(mark: str) -> set[str]:
    """A mark in half and full width."""
    full_width = chr(ord(mark) + 0xFEE0) if mark.isdigit() else mark
    return {mark, mark.translate(_HALF_WIDTH), full_width}


MARKS: Mapping[str, tuple[Points, ...]] = {
    label: tuple(np.array(line) for line in lines)
    for mark, lines in _STROKES.items()
    for label in _variants(mark)
}
"""Mark -> its strokes, (x, y); y is 0 at the top of a full-size character, and 1 below it."""


CLOSING = "，、。；：！？”’）］】」〉》,.;:!?)]%％"
"""Marks that begin no line."""

_WIDE = frozenset("，、。；：！？")
_AFTER = 0.25  # behind these


def space_after(mark: str) -> float:
    """Paper behind a mark besides the gap of all characters."""
    return _AFTER if mark in _WIDE else 0.0


@dataclass(frozen=True)
class Extent:
    """Where the ink of a mark is, in units of a full-size character.

    Attributes:
        width: of the ink.
        height: of the ink.
        middle: of the ink's height; 0 is the middle of a full-size character, y points down.
    """

    width: float
    height: float
    middle: float


def extent(mark: str) -> Extent:
    """The extent of a mark, without the width of the pen."""
    points = np.concatenate(MARKS[mark])
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return Extent(float(right - left), float(bottom - top), float((top + bottom) / 2 - 0.5))


def _shaken(line: Points, rng: np.random.Generator) -> Points:
    """A stroke written by a hand that shakes slowly, so that bows stay smooth."""
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    knots = np.linspace(0, along[-1], max(2, int(np.ceil(along[-1] / _SHAKE_STEP)) + 1))
    shakes = rng.normal(0, _SHAKE, (2, len(knots)))
    return line + np.stack([np.interp(along, knots, shake) for shake in shakes], axis=1)


def simulated(mark: str, pen: Pen, rng: np.random.Generator) -> Glyph:
    """A mark as somebody with this pen writes it."""
    lines = [line - (0.0, 0.5) for line in MARKS[mark]]
    matrix = np.eye(2) + rng.normal(0, [[_STRETCH, _SHEAR], [_SHEAR / 4, _STRETCH]])
    lines = [_shaken(line, rng) @ matrix.T * _EM for line in lines]
    # Pens are measured at half of black, which the soft edge of a pale line reaches further inside.
    width = pen.width * _EM + _EDGE * (1 / max(pen.darkness, 0.5) - 1)
    radius = max(0.6, width / 2 * float(np.exp(rng.normal(0, 0.08))))
    path = np.concatenate([resample(line, _STEP) for line in lines])
    low = path.min(axis=0) - radius - _EDGE
    width, height = (np.ceil(path.max(axis=0) + radius + _EDGE - low) + 1).astype(int).tolist()
    one = np.ones(len(path), np.float32)
    ink = render_discs(
        (1, height, width),
        np.zeros(len(path), np.int64),
        (path - low).astype(np.float32),
        radius=radius * one,
        darkness=pen.darkness * one,
        edge=_EDGE * one,
        squeeze=np.stack([one, one], axis=1),
    )[0]
    image = (PAPER - np.rint(PAPER * np.minimum(ink, 1))).astype(np.uint8)
    middle = float(low[1] + height / 2) / _EM
    return Glyph(image, width / _EM, height / _EM, middle, is_mark=True, after=space_after(mark))
