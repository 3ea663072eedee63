from collections.abc import Iterator

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.sources.strokes import drawn_labels
from hwgen.sources.strokes.drawn_labels import draw_labels
from tests.generators.refiner.toy import TOY_STROKES, ToyStrokes


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    drawn_labels._drawn.cache_clear()
    monkeypatch.setattr(drawn_labels, "Hanzi", lambda: ToyStrokes(TOY_STROKES))
    yield
    drawn_labels._drawn.cache_clear()


def test_characters_are_lines_along_their_strokes() -> None:
    (image,) = draw_labels(["十"], 64)
    assert image.shape[0] == 64
    box = image[:, -64:] < 100
    places = ((12, 52), (97, 48), (54, 10), (54, 100))
    assert all(box[round(y * 64 / 109), round(x * 64 / 109)] for x, y in places)
    assert not box[:24, :24].any()


def test_labels_have_one_size_and_others_than_chinese_ones_are_printed() -> None:
    images = draw_labels(["十", "airplane", "犇", "一" * 20, ""], 32)
    assert images.dtype == np.uint8
    assert images.shape[:2] == (5, 32)
    ink = (images < 100).sum(axis=(1, 2))
    assert (ink[:4] > 20).all()
    assert ink[4] == 0
    (code,), (same,) = draw_labels(["犇"], 32), draw_labels(["U+7287"], 32)
    np.testing.assert_array_equal(code, same)


def test_without_stroke_data_every_label_is_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> ToyStrokes:
        raise InputError("not installed")

    monkeypatch.setattr(drawn_labels, "Hanzi", missing)
    assert (draw_labels(["十"], 32) < 100).any()


@pytest.mark.parametrize("height", [1, 4, 8])
def test_small_labels_are_drawn_too(height: int) -> None:
    assert draw_labels(["十", "a"], height).shape[:2] == (2, height)
