"""Images of a text, each in one hand.

In: a generator and a text. Out: an array, or a PNG or JPEG file with several hands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hwgen.errors import CharsetError, InputError
from hwgen.generators.samplers import Sampler, check_hand
from hwgen.imaging.contact_sheets import MIN_CELL, check_grid, save_grid
from hwgen.io.files import repair_utf8
from hwgen.lines.composing import HEIGHTS, Layout
from hwgen.lines.corpus import SPACE, cut
from hwgen.lines.cropping import full_size_of
from hwgen.lines.images import Style, line_image
from hwgen.lines.marks import MARKS
from hwgen.lines.of_generator import GeneratedCharacters
from hwgen.lines.randomness import TEXT, generator
from hwgen.record import PAPER, Image
from hwgen.sources.strokes.data import OTHERS

MAX_LENGTH = 500
"""Largest number of characters of a text."""

MAX_HANDS = 500

_CUT = (20, 25)
"""Characters of the lines into which a longer line of the text is cut."""

_TO_HEIGHT = 1.25
"""Height of a line, in sizes of a sample, in which characters are about as large as in samples."""

_SHOWN = 40


@dataclass(frozen=True)
class WrittenText:
    """What `write_text` wrote.

    Attributes:
        lines: the text of each line.
        simulated_marks: punctuation and digits that the generator lacks, by simple strokes.
    """

    lines: tuple[str, ...]
    simulated_marks: str


def text_image(sampler: Sampler, text: str, *, hand: int = 0, seed: int = 0) -> Image:
    """An image of a text in one hand, composed as the lines of `hwgen lines`.

    Punctuation and digits that the generator lacks are simulated by simple strokes. Each line of
    the text is one of the image; those of more than 25 characters are cut.

    Args:
        sampler: a generator with labels and hands, such as load_generator("simulated").
        text: at most MAX_LENGTH characters.
        hand: see Sampler.sample.
        seed: see Sampler.sample; also of how characters stand.

    Returns:
        uint8 [h, w], 255 is paper.

    Raises:
        CharsetError: lists the characters that the generator cannot make.
        InputError: the text is empty or too long, or the generator has no labels or no hands, or
            is in colour.
    """
    return _Writer(sampler, text, seed).image(hand)


def write_text(
    sampler: Sampler, text: str, out: Path, *, hands: Sequence[int], seed: int = 0
) -> WrittenText:
    """Write a text in several hands to one file; a file that hwgen wrote is replaced.

    Args:
        sampler: see `text_image`.
        text: see `text_image`.
        out: a PNG or JPEG file.
        hands: numbers of the hands, which write below each other.
        seed: see `text_image`.

    Raises:
        CharsetError: see `text_image`.
        InputError: see `text_image`; or there are too few or too many hands, or writing the file
            fails.
    """
    if not 1 <= len(hands) <= MAX_HANDS:
        raise InputError(f"expected 1 to {MAX_HANDS} hands, found {len(hands)}")
    writer = _Writer(sampler, text, seed)
    check_grid(out)
    save_grid(_padded([writer.image(hand) for hand in hands]), out, columns=1)
    return WrittenText(tuple(writer.lines), writer.marks)


class _Writer:
    """A text and the generator that writes it; see `text_image` for the arguments and errors."""

    def __init__(self, sampler: Sampler, text: str, seed: int) -> None:
        # Stretched characters are shown as they are.
        framing = {**sampler.framing, "stretch": False}
        full_size = full_size_of(sampler.size, framing, sampler.provenance)
        self._characters, self._seed = GeneratedCharacters(sampler, full_size), seed
        check_hand(None, seed)
        self.lines = _lines(text, seed)
        used = dict.fromkeys(one for line in self.lines for one in line if one != SPACE)
        unknown = [one for one in used if one not in self._characters.known]
        self.marks = "".join(one for one in unknown if one in MARKS)
        _check_known([one for one in unknown if one not in MARKS], len(used), sampler.provenance)
        size = min(max(sampler.size, MIN_CELL), HEIGHTS[1])
        self._style = Style(Layout(min(round(_TO_HEIGHT * size), HEIGHTS[1])), looks=())

    def image(self, hand: int) -> Image:
        """All lines below each other in one hand, uint8 [h, w]."""
        check_hand(hand)
        (written,) = self._characters.write(["\n".join(self.lines)], hand, self._seed)
        images, start = [], 0
        for row, line in enumerate(self.lines):
            own = replace(written, glyphs=written.glyphs[start : start + len(line)])
            number = hand * MAX_LENGTH + row
            images.append(line_image(line, own, self._style, self._seed, number))
            start += len(line) + 1
        return np.concatenate(_padded(images))


def _lines(text: str, seed: int) -> list[str]:
    """The lines of an image; one space stands for all white space within a line.

    Raises:
        InputError: there are no characters, or too many.
    """
    stretches = [SPACE.join(line.split()) for line in repair_utf8(text).splitlines()]
    length = sum(len(stretch.replace(SPACE, "")) for stretch in stretches)
    if not 1 <= length <= MAX_LENGTH:
        raise InputError(
            f"expected a text of 1 to {MAX_LENGTH} characters, found {length:,}",
            remedy="Give other text; hwgen lines writes labelled lines of long texts",
        )
    rng = generator(seed, 0, TEXT)
    return [piece for stretch in stretches if stretch for piece in cut(stretch, *_CUT, rng)]


def _check_known(unknown: Sequence[str], different: int, where: str) -> None:
    if unknown:
        shown = "".join(unknown[:_SHOWN]) + ("…" if len(unknown) > _SHOWN else "")
        raise CharsetError(
            f"no images of {len(unknown)} of {different} different characters: {shown}",
            where=where,
            remedy=f"Leave them out, or use the simulator or a refiner with {OTHERS}",
        )


def _padded(images: Sequence[Image]) -> list[Image]:
    """Images of the same width, with paper on the right."""
    width = max(image.shape[1] for image in images)
    return [
        np.pad(image, ((0, 0), (0, width - image.shape[1])), constant_values=PAPER)
        for image in images
    ]
