"""Fonts of matplotlib for Chinese names in plots, on machines that may have none."""

from __future__ import annotations

from hwgen.report import matplotlib_settings  # noqa: F401  before matplotlib

# isort: split
import atexit
import shutil
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from matplotlib import font_manager

from hwgen.report.stroke_font import FAMILY, drawn_strokes, stroke_font
from hwgen.sources.strokes.rounding import fingerprint


def fonts_of_plot(names: Iterable[str]) -> dict[str, list[str]]:
    """Settings of matplotlib with a font of the Chinese characters in names; {} if there are none.

    The font is a temporary file until the process ends, because matplotlib reads it when it draws.
    """
    strokes = drawn_strokes("".join(names))
    if not strokes:
        return {}
    family = f"{FAMILY} {fingerprint(strokes, sorted(strokes))}"
    file = _folder() / f"{family}.ttf"
    if not file.exists():
        file.write_bytes(stroke_font(strokes, family))
        font_manager.fontManager.addfont(str(file))
    return {"font.family": ["DejaVu Sans", family]}


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hwgen-fonts-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
