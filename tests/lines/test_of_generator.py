from typing import Any

import numpy as np
import pytest

from hwgen.charset import UNLABELLED, Charset
from hwgen.errors import InputError
from hwgen.generators.samplers import SamplerBase
from hwgen.lines.of_generator import GeneratedCharacters
from hwgen.record import Image


class Bars(SamplerBase):
    """A generator: bars as wide as the hand's number, as high as the class and the index say."""

    def __init__(self, blank: int = 0) -> None:
        self.charset = Charset(("一", "丨", "cat"))
        self.size, self.channels, self.preset, self.provenance = 16, 1, "bars", "run a"
        self.data = ()
        self.blank = blank  # number of indices without ink
        self.asked = 0

    def sample(
        self,
        labels: Any,
        indices: Any = None,
        *,
        hand: int | None = None,
        seed: int = 0,
        batch: int = 512,
    ) -> Image:
        assert hand is not None
        images = np.full((len(labels), 16, 16), 255, np.uint8)
        self.asked += len(images)
        for image, label, index in zip(images, labels, indices, strict=True):
            if index >> 20 >= self.blank:
                image[: 4 + self.charset.id(label) + index % 8, : hand + 1] = seed
        return images


def test_a_line_is_in_one_hand_of_its_own() -> None:
    sampler = Bars()
    characters = GeneratedCharacters(sampler, 14)
    assert characters.known == {"一", "丨"}
    first, second = characters.write(["一丨，一", "丨"], 3, 7)
    assert [first.writer, second.writer] == ["hand-0003-seed-7", "hand-0004-seed-7"]
    assert sampler.asked == 4
    a, b, mark, again = first.glyphs
    assert mark is None
    assert a is not None
    assert b is not None
    assert again is not None
    assert [one.image.shape for one in (a, b, again)] == [(4, 4), (5, 4), (5, 4)]
    assert second.glyphs[0] is not None
    assert second.glyphs[0].image.shape == (5, 5)
    assert characters.settings == {"provenance": "run a"}


def test_samples_without_ink_are_replaced_or_refused() -> None:
    (line,) = GeneratedCharacters(Bars(blank=3), 14).write(["一丨"], 0, 1)
    assert all(line.glyphs)
    with pytest.raises(InputError, match="samples of 一丨 have no ink"):
        GeneratedCharacters(Bars(blank=99), 14).write(["一丨"], 0, 1)


def test_texts_of_marks_need_no_samples() -> None:
    sampler = Bars()
    (line,) = GeneratedCharacters(sampler, 14).write(["12"], 0, 1)
    assert list(line.glyphs) == [None, None]
    assert sampler.asked == 0


def test_colour_is_refused() -> None:
    sampler = Bars()
    sampler.channels = 3
    with pytest.raises(InputError, match="expected 1 channel"):
        GeneratedCharacters(sampler, 14)


def test_a_generator_without_labels_is_refused() -> None:
    sampler = Bars()
    sampler.charset = UNLABELLED
    with pytest.raises(InputError, match="was trained without labels cannot write a text"):
        GeneratedCharacters(sampler, 14)
