from pathlib import Path

import pytest

from hwgen.sources.strokes.choice import stroke_data
from hwgen.sources.strokes.hanzi import Hanzi
from hwgen.sources.strokes.hanzi_writer import HanziWriter
from hwgen.sources.strokes.kanjivg import KanjiVG
from tests.strokes import Drawn


@pytest.mark.parametrize(
    ("named", "kind"),
    [
        (None, Hanzi),
        ("hanzi", Hanzi),
        (Path("hanzi"), Hanzi),
        ("kanjivg", KanjiVG),
        (Path("kanjivg"), KanjiVG),
        ("graphics.txt", HanziWriter),
        (Path("some") / "kanjivg", HanziWriter),
    ],
)
def test_words_and_paths_name_stroke_data(named: Path | str | None, kind: type) -> None:
    assert type(stroke_data(named)) is kind


def test_a_file_is_read_from_its_path() -> None:
    assert stroke_data("some/graphics.txt").path == Path("some/graphics.txt")


def test_stroke_data_are_left_as_they_are() -> None:
    drawn = Drawn()
    assert stroke_data(drawn) is drawn
