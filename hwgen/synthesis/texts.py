"""An image of a text in several hands.

In: a generator and a text. Out: a PNG or JPEG file with one row for each hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hwgen.charset import UNLABELLED
from hwgen.errors import InputError
from hwgen.generators.samplers import Sampler
from hwgen.imaging.contact_sheets import check_grid, enlarged, save_grid
from hwgen.io.files import repair_utf8

MAX_LENGTH = 500
"""Largest number of characters of a text."""

MAX_HANDS = 500


def write_text(
    sampler: Sampler, text: str, out: Path, *, hands: Sequence[int], seed: int = 0
) -> str:
    """Write a text in several hands to one image; an image that hwgen wrote is replaced.

    Small characters are enlarged, see hwgen.imaging.contact_sheets.enlarged.

    Args:
        sampler: a generator with labels and hands.
        text: white space in it is left out.
        out: a PNG or JPEG file.
        hands: number of the hand of each row, see Sampler.sample.
        seed: see Sampler.sample.

    Returns:
        The characters of a row.

    Raises:
        CharsetError: lists the characters that the generator cannot make.
        InputError: the text is empty or too long, there are too few or too many hands, the
            generator has no labels or no hands, or writing the file fails.
    """
    text = "".join(repair_utf8(text).split())
    if not 1 <= len(text) <= MAX_LENGTH:
        raise InputError(
            f"expected a text of 1 to {MAX_LENGTH} characters, found {len(text):,}",
            remedy="Give other text; hwgen lines writes labelled lines of long texts",
        )
    if not 1 <= len(hands) <= MAX_HANDS:
        raise InputError(f"expected 1 to {MAX_HANDS} hands, found {len(hands)}")
    if sampler.charset == UNLABELLED:
        raise InputError(
            "a generator that was trained without labels cannot write a text",
            remedy="Give a RUN that was trained with labels, or leave RUN out",
        )
    check_grid(out)
    rows = [sampler.sample(text, hand=hand, seed=seed) for hand in hands]
    save_grid(enlarged(np.concatenate(rows)), out, columns=len(text))
    return text
