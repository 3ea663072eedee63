"""Labels drawn from strokes, for images on machines that may have no Chinese font."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from hwgen.errors import HwgenError
from hwgen.record import Image
from hwgen.sources.strokes.data import BOX, Strokes
from hwgen.sources.strokes.hanzi import Hanzi

MAX_CHARACTERS = 8
"""Longer labels are cut."""

_SCALE = 4  # drawn larger, then averaged down
PEN = 6.0
"""Width of the lines, units of the box."""

_INK, _GROUND = 40, 160  # grey values; no sample has such paper
_TEXT = 0.6  # height of printed text, relative to the label's


def draw_labels(labels: Sequence[str], height: int) -> Image:
    """Labels as images of one size.

    Chinese characters are lines along their strokes; those without strokes are shown as their code,
    such as U+3400; ASCII is printed.

    Args:
        labels: texts of any length.
        height: of each image, pixels.

    Returns:
        uint8 [n, height, w], dark on grey, each label to the right.
    """
    return _drawn(tuple(labels), height)


@lru_cache(maxsize=8)
def _drawn(labels: tuple[str, ...], height: int) -> Image:
    strokes = strokes_of("".join(labels))
    drawn = [_label(label, height, strokes) for label in labels]
    width = max((image.shape[1] for image in drawn), default=1)
    out = np.full((len(drawn), height, width), _GROUND, np.uint8)
    for row, image in zip(out, drawn, strict=True):
        row[:, width - image.shape[1] :] = image
    return out


def strokes_of(text: Iterable[str]) -> Mapping[str, Strokes]:
    """Those that there are; a label is never worth an error."""
    try:
        data = Hanzi()
        return data.read(data.characters() & set(text))
    except HwgenError:
        return {}


def _label(label: str, height: int, strokes: Mapping[str, Strokes]) -> Image:
    if len(label) > MAX_CHARACTERS:
        label = f"{label[: MAX_CHARACTERS - 1]}…"
    parts = [np.full((height, 1), _GROUND, np.uint8)]
    for drawn, chars in groupby(label, key=strokes.__contains__):
        if drawn:
            parts += [_character(strokes[char], height) for char in chars]
        else:
            parts.append(_printed("".join(map(_plain, chars)), height))
    return np.concatenate(parts, axis=1)


def _plain(char: str) -> str:
    if char == "…":
        return "..."
    return char if " " <= char <= "~" else f"U+{ord(char):04X}"


def _character(strokes: Strokes, height: int) -> Image:
    size = _SCALE * height
    image = PilImage.new("L", (size, size), _GROUND)
    pen, unit = ImageDraw.Draw(image), size / BOX
    width = max(1, round(PEN * unit))
    for line in strokes:
        points = [(x, y) for x, y in (line * unit).tolist()]
        pen.line(points, fill=_INK, width=width, joint="curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=_INK)
    return np.asarray(image.reduce(_SCALE))


def _printed(text: str, height: int) -> Image:
    font = ImageFont.load_default(size=max(1.0, _TEXT * height))
    width = max(1, round(font.getlength(text)) + height // 8)
    image = PilImage.new("L", (width, height), _GROUND)
    ImageDraw.Draw(image).text((0, height / 2), text, fill=_INK, font=font, anchor="lm")
    return np.asarray(image)
