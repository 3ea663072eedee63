"""A font of lines along strokes: browsers without a Chinese font show characters with it."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from hwgen.report.markup import Html
from hwgen.sources.strokes.data import BOX, Points, Strokes
from hwgen.sources.strokes.drawn_labels import PEN, strokes_of

FAMILY = "hwgen strokes"
"""Its name in style.css, where it is the first: as a last one, Chrome may not show it."""

_LOCAL = ("Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei", "SimHei")
"""Fonts that are used in its place where a system has one of them."""

NOTICE = (
    "Lines along the stroke medians of Make Me a Hanzi, which come from fonts that are copyright "
    "1999 Arphic Technology Co., Ltd.; this font is under the Arphic Public License"
)

MAX_GLYPHS = 500
"""Further characters are in the fonts of the system alone."""

_EM = 1000
_DESCENT = 140  # of the box, below the base line
_ROUND = np.linspace(np.pi / 2, 3 * np.pi / 2, 5)  # directions of half a circle, for a line's end
_TOLERANCE = 0.4  # of simplified lines, units of the box
_MARKUP = re.compile(r"<pre>.*?</pre>|<[^>]*>", re.DOTALL)  # and JSON, which may be long


def font_of_page(page: str) -> Html:
    """A @font-face rule with the Chinese characters that a page shows, but those of its JSON."""
    return font_face(_MARKUP.sub("", page))


def font_face(text: str) -> Html:
    """A @font-face rule with the Chinese characters of a text; "" if there are none."""
    strokes = drawn_strokes(text)
    if not strokes:
        return Html("")
    data = base64.b64encode(stroke_font(strokes, FAMILY)).decode()
    local = ", ".join(f'local("{name}")' for name in _LOCAL)
    codes = ", ".join(f"U+{ord(char):X}" for char in strokes)
    return Html(
        f"/* {NOTICE} */\n"
        f'@font-face {{ font-family: "{FAMILY}"; '
        f'src: {local}, url(data:font/ttf;base64,{data}) format("truetype"); '
        f"unicode-range: {codes}; }}\n"
    )


def drawn_strokes(text: str) -> dict[str, Strokes]:
    """Those of the first MAX_GLYPHS characters that have some."""
    found = strokes_of(char for char in text if char > "~")
    chars = [char for char in dict.fromkeys(text) if char in found]
    return {char: found[char] for char in chars[:MAX_GLYPHS]}


def stroke_font(strokes: Mapping[str, Strokes], family: str) -> bytes:
    """A TrueType font with a glyph for each character; the same arguments give the same bytes.

    Args:
        strokes: character -> strokes in a box of BOX units, y down.
        family: name of the font.
    """
    names = {char: f"u{ord(char):04X}" for char in strokes}
    glyphs = {".notdef": TTGlyphPen(None).glyph()}
    glyphs |= {names[char]: _glyph(lines) for char, lines in strokes.items()}
    font = FontBuilder(_EM, isTTF=True)
    font.setupGlyphOrder(list(glyphs))
    font.setupCharacterMap({ord(char): name for char, name in names.items()})
    font.setupGlyf(glyphs)
    left = {name: getattr(font.font["glyf"][name], "xMin", 0) for name in glyphs}
    font.setupHorizontalMetrics({name: (_EM, left[name]) for name in glyphs})
    font.setupHorizontalHeader(ascent=_EM - _DESCENT, descent=-_DESCENT)
    names_of_font = {"familyName": family, "styleName": "Regular", "copyright": NOTICE}
    font.setupNameTable(names_of_font)
    font.setupOS2(sTypoAscender=_EM - _DESCENT, sTypoDescender=-_DESCENT)
    font.setupPost()
    font.font["head"].created = font.font["head"].modified = 0
    font.font.recalcTimestamp = False
    buffer = io.BytesIO()
    font.save(buffer)
    return buffer.getvalue()


def _glyph(strokes: Strokes) -> object:
    pen = TTGlyphPen(None)
    for line in strokes:
        points = _simplified(line) * [_EM / BOX, -_EM / BOX] + [0, _EM - _DESCENT]
        for a, b in pairwise(points):
            _draw(pen, _capsule(a, b, PEN / 2 * _EM / BOX))
    return pen.glyph()


def _draw(pen: TTGlyphPen, contour: Points) -> None:
    first, *others = [(round(x), round(y)) for x, y in contour.tolist()]
    pen.moveTo(first)
    for point in others:
        pen.lineTo(point)
    pen.closePath()


def _capsule(a: Points, b: Points, radius: float) -> Points:
    """The outline of a line from a to b with round ends, counter-clockwise, [10, 2]."""
    along = np.arctan2(b[1] - a[1], b[0] - a[0])
    half = radius * np.stack([np.cos(_ROUND + along), np.sin(_ROUND + along)], axis=1)
    return np.concatenate([a + half, b - half])


def _simplified(line: Points) -> Points:
    """A polyline without points that are nearly on it (Douglas and Peucker)."""
    first, last = line[0], line[-1]
    way = last - first
    length = np.hypot(*way)
    offset = line - first
    apart = (
        np.abs(way[0] * offset[:, 1] - way[1] * offset[:, 0]) / length
        if length
        else np.hypot(offset[:, 0], offset[:, 1])
    )
    far = int(apart.argmax())
    if len(line) < 3 or apart[far] <= _TOLERANCE:
        return np.stack([first, last])
    return np.concatenate([_simplified(line[: far + 1])[:-1], _simplified(line[far:])])
