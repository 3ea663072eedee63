from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

import hwgen
from hwgen.charset import UNLABELLED
from hwgen.errors import HwgenError
from hwgen.generators.samplers import Sampler
from hwgen.synthesis.texts import write_text
from tests.generators.refiner.toy import TOY_STROKES, ToyStrokes


@pytest.fixture
def sampler() -> Sampler:
    return hwgen.load_generator("simulated", strokes=ToyStrokes(TOY_STROKES), size=64)


def test_each_row_is_in_one_hand(sampler: Sampler, tmp_path: Path) -> None:
    out = tmp_path / "new" / "text.png"
    assert write_text(sampler, " 口一\n口", out, hands=[3, 8], seed=5) == "口一口"
    with PilImage.open(out) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (2 * 66 + 2, 3 * 66 + 2)
    for row, hand in enumerate((3, 8)):
        for column, expected in enumerate(sampler.sample("口一口", hand=hand, seed=5)):
            top, left = 66 * row + 2, 66 * column + 2
            np.testing.assert_array_equal(pixels[top : top + 64, left : left + 64], expected)


def test_small_characters_are_enlarged(tmp_path: Path) -> None:
    small = hwgen.load_generator("simulated", strokes=ToyStrokes(TOY_STROKES), size=24)
    write_text(small, "一", tmp_path / "text.png", hands=[0])
    with PilImage.open(tmp_path / "text.png") as image:
        assert image.size == (72 + 4, 72 + 4)


@pytest.mark.parametrize(
    ("text", "hands", "name", "message"),
    [
        (" \n", 1, "t.png", "expected a text of 1 to 500 characters, found 0"),
        ("一" * 501, 1, "t.png", "found 501. Give other text; hwgen lines"),
        ("一", 0, "t.png", "expected 1 to 500 hands, found 0"),
        ("一犇口骉", 1, "t.png", "no strokes for 2 of 4 characters: 犇骉. Leave them out, or"),
        ("一", 1, "t.bmp", "must end in .png or .jpg"),
        ("一", 1, "mine.png", "mine.png"),
    ],
)
def test_mistakes_are_said_and_nothing_is_replaced(
    sampler: Sampler, tmp_path: Path, text: str, hands: int, name: str, message: str
) -> None:
    (tmp_path / "mine.png").write_bytes(b"not hwgen's")
    with pytest.raises(HwgenError, match=message):
        write_text(sampler, text, tmp_path / name, hands=range(hands))
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"not hwgen's"]


def test_a_generator_without_labels_writes_no_text(sampler: Sampler, tmp_path: Path) -> None:
    sampler.charset = UNLABELLED  # type: ignore[misc]
    with pytest.raises(HwgenError, match="was trained without labels"):
        write_text(sampler, "一", tmp_path / "text.png", hands=[0])
