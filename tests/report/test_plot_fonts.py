import warnings
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from hwgen.report.matplotlib_settings import plot_settings
from hwgen.report.plot_fonts import fonts_of_plot
from hwgen.report.plots import plain
from hwgen.sources.strokes.data import Strokes
from tests.generators.refiner.toy import TOY_STROKES


@pytest.fixture(autouse=True)
def _strokes(monkeypatch: pytest.MonkeyPatch) -> None:
    def known(text: str) -> dict[str, Strokes]:
        return {char: TOY_STROKES[char] for char in text if char in TOY_STROKES}

    for module in ("stroke_font", "plots"):
        monkeypatch.setattr(f"hwgen.report.{module}.strokes_of", known)


def test_characters_of_names_are_drawn_and_others_are_codes(tmp_path: Path) -> None:
    assert plain("real+十口") == "real+十口"
    assert plain("犇A\n") == "U+7287AU+000A"
    assert fonts_of_plot(["real", "犇"]) == {}
    settings = fonts_of_plot(["real", "十口"])
    assert settings == fonts_of_plot(["十口"])
    with warnings.catch_warnings(), plot_settings(settings):
        warnings.simplefilter("error")  # matplotlib warns of missing fonts and glyphs
        figure = Figure(figsize=(2, 1))
        figure.text(0.1, 0.4, "real+十口")
        figure.savefig(tmp_path / "plot.png")
