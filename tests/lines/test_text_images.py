from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

import hwgen
from hwgen.charset import UNLABELLED
from hwgen.errors import HwgenError
from hwgen.generators.samplers import Sampler
from hwgen.lines.text_images import text_image, write_text
from hwgen.record import PAPER, Image
from tests.generators.refiner.toy import TOY_STROKES, ToyStrokes
from tests.lines.test_of_generator import Bars


@pytest.fixture
def sampler() -> Sampler:
    return hwgen.load_generator("simulated", strokes=ToyStrokes(TOY_STROKES), size=64)


def ink(image: Image) -> int:
    return int((image < 128).sum())


def pixels_of(file: Path) -> Image:
    with PilImage.open(file) as image:
        return np.asarray(image)


def test_each_row_is_in_one_hand(sampler: Sampler, tmp_path: Path) -> None:
    out = tmp_path / "new" / "text.png"
    written = write_text(sampler, " 口一\n口", out, hands=[3, 8], seed=5)
    assert (written.lines, written.simulated_marks) == (("口一", "口"), "")
    rows = [text_image(sampler, "口一\n口", hand=hand, seed=5) for hand in (3, 8)]
    assert rows[0].shape[0] == rows[1].shape[0] == 2 * 80
    pixels = pixels_of(out)
    assert pixels.shape == (2 * 162 + 2, max(row.shape[1] for row in rows) + 4)
    for top, row in zip((2, 164), rows, strict=True):
        np.testing.assert_array_equal(pixels[top : top + 160, 2 : row.shape[1] + 2], row)
    again, other = (text_image(sampler, "口一\n口", hand=3, seed=seed) for seed in (5, 1))
    np.testing.assert_array_equal(again, rows[0])
    assert not np.array_equal(other, again)


def test_punctuation_digits_and_spaces_are_as_in_lines(sampler: Sampler, tmp_path: Path) -> None:
    plain, with_marks, with_space = (
        text_image(sampler, text, hand=1) for text in ("口一", "口，一２6", "口　 一")
    )
    assert ink(with_marks) > ink(plain)
    assert with_marks.shape[1] > with_space.shape[1] > plain.shape[1]
    written = write_text(sampler, "2026，口\n\n！ 一", tmp_path / "t.png", hands=[0])
    assert (written.lines, written.simulated_marks) == (("2026，口", "！ 一"), "206，！")
    assert ink(text_image(sampler, "2026")) > 100  # marks alone


def test_marks_that_the_generator_has_are_its_own(sampler: Sampler, tmp_path: Path) -> None:
    strokes = ToyStrokes({**TOY_STROKES, "2": TOY_STROKES["口"]})
    own = hwgen.load_generator("simulated", strokes=strokes, size=64)
    assert write_text(own, "一23", tmp_path / "t.png", hands=[0]).simulated_marks == "3"
    image, other = text_image(own, "一2"), text_image(sampler, "一2")
    assert not np.array_equal(image, other)


def test_a_long_line_is_cut_alike_in_all_hands(sampler: Sampler, tmp_path: Path) -> None:
    written = write_text(sampler, "一，" * 30, tmp_path / "t.png", hands=[0, 1])
    assert "".join(written.lines) == "一，" * 30
    assert len(written.lines) == 3
    assert all(line.startswith("一") and len(line) <= 25 for line in written.lines)
    assert pixels_of(tmp_path / "t.png").shape[0] == 2 * (3 * 80 + 2) + 2


@pytest.mark.parametrize(("size", "height"), [(24, 80), (128, 160), (1000, 512)])
def test_lines_are_as_high_as_samples_need(size: int, height: int) -> None:
    simulator = hwgen.load_generator("simulated", strokes=ToyStrokes(TOY_STROKES), size=size)
    assert text_image(simulator, "一").shape[0] == height


def test_stretched_characters_are_shown_as_they_are() -> None:
    sampler = Bars()
    sampler.framing = {"stretch": True, "margin": 0}
    assert ink(text_image(sampler, "一丨")) > 0


@pytest.mark.parametrize(
    ("text", "hands", "name", "message"),
    [
        (" \n", 1, "t.png", "expected a text of 1 to 500 characters, found 0"),
        ("一 " * 501, 1, "t.png", "found 501. Give other text; hwgen lines"),
        ("一", 0, "t.png", "expected 1 to 500 hands, found 0"),
        (
            "一犇，口骉A",
            1,
            "t.png",
            "no images of 3 of 6 different characters: 犇骉A. Leave them out, or use the si",
        ),
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


@pytest.mark.parametrize(("hand", "seed"), [(-1, 0), (0, -1)])
def test_hands_and_seeds_count_from_0(sampler: Sampler, hand: int, seed: int) -> None:
    with pytest.raises(HwgenError, match="-1"):
        text_image(sampler, "一", hand=hand, seed=seed)


def test_a_generator_without_labels_writes_no_text(sampler: Sampler, tmp_path: Path) -> None:
    sampler.charset = UNLABELLED  # type: ignore[misc]
    with pytest.raises(HwgenError, match="was trained without labels"):
        write_text(sampler, "一", tmp_path / "text.png", hands=[0])


def test_paper_is_white(sampler: Sampler) -> None:
    image = text_image(sampler, "一，口")
    assert image.dtype == np.uint8
    assert (image[0] == PAPER).all()
