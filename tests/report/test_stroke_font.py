import base64
import io
import re

import numpy as np
import pytest
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from hwgen.report.stroke_font import MAX_GLYPHS, font_face, font_of_page, stroke_font
from hwgen.sources.strokes.data import Strokes
from tests.generators.refiner.toy import TOY_STROKES


@pytest.fixture(autouse=True)
def _strokes(monkeypatch: pytest.MonkeyPatch) -> None:
    def known(text: str) -> dict[str, Strokes]:
        return {char: TOY_STROKES[char] for char in text if char in TOY_STROKES}

    monkeypatch.setattr("hwgen.report.stroke_font.strokes_of", known)


def test_glyphs_are_lines_along_the_strokes() -> None:
    font = ImageFont.truetype(io.BytesIO(stroke_font({"十": TOY_STROKES["十"]}, "toy")), 100)
    image = PilImage.new("L", (100, 100), 255)
    ImageDraw.Draw(image).text((0, 0), "十", font=font, fill=0)
    ink = np.asarray(image) < 128
    # The ends of the strokes and their crossing, 1 unit of the box being 100 / 109 pixels.
    assert all(ink[round(y / 1.09), round(x / 1.09)] for x, y in ((12, 52), (97, 48), (54, 10)))
    assert not ink[:40, :40].any()
    assert 0.05 < ink.mean() < 0.2


def test_the_same_strokes_give_the_same_bytes() -> None:
    assert stroke_font(TOY_STROKES, "toy") == stroke_font(TOY_STROKES, "toy")


def test_a_page_has_the_characters_that_it_shows() -> None:
    face = font_of_page('<p title="丨">十 口</p>犇<pre>{"一"}</pre>')
    assert re.findall(r"unicode-range: ([^;]*);", face) == ["U+5341, U+53E3"]
    (data,) = re.findall(r"url\(data:font/ttf;base64,([^)]*)\)", face)
    assert base64.b64decode(data)[:4] == b"\0\1\0\0"
    assert face.index('local("Noto Sans CJK SC")') < face.index("url(")
    assert face.startswith("/* Lines along the stroke medians of Make Me a Hanzi")
    assert b"A\0r\0p\0h\0i\0c" in base64.b64decode(data)
    assert font_of_page("<p>ABC 犇</p>") == font_face("") == ""


def test_a_font_has_at_most_so_many_glyphs(monkeypatch: pytest.MonkeyPatch) -> None:
    line = TOY_STROKES["一"]
    monkeypatch.setattr(
        "hwgen.report.stroke_font.strokes_of", lambda text: dict.fromkeys(text, line)
    )
    face = font_face("".join(map(chr, range(0x4E00, 0x4E00 + MAX_GLYPHS + 9))))
    assert face.count("U+") == MAX_GLYPHS
