"""In: a text file, and the characters that there are images of. Out: the texts of lines.

A character without images ends a line, so that a label never has neighbours that are none in the
corpus. A stretch between two of them, or a line of the corpus, that is longer than allowed is cut
at random places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import digits
from typing import Literal

import numpy as np
import numpy.typing as npt

from hwgen.charset import sorted_charset
from hwgen.errors import InputError
from hwgen.io.streams import refuse_stream
from hwgen.lines.marks import CLOSING
from hwgen.lines.randomness import TEXT, generator

Sampling = Literal["natural", "balanced"]

SPACE = " "
"""Stands for all white space within a line; it needs no image."""

MAX_LENGTH = 256
"""Longest line, characters; a label of a charset has at most as many."""

_MAX_BYTES = 1 << 30
_SHOWN = 40
_NOT_FIRST = SPACE + CLOSING
_OF_NUMBERS = digits + ".,:"


@dataclass(frozen=True)
class TextOptions:
    """Which texts are made of a corpus.

    Attributes:
        min_length: of a line, characters.
        max_length: of a line, characters; 25 is the most that PARSeq and PaddleOCR read.
        sampling: "natural" takes stretches of the corpus, each as often as any other; "balanced"
            composes characters of the corpus at random, each as often as any other.

    Raises:
        InputError: a length is out of range.
    """

    min_length: int = 1
    max_length: int = 25
    sampling: Sampling = "natural"

    def __post_init__(self) -> None:
        if not 1 <= self.min_length <= self.max_length <= MAX_LENGTH:
            raise InputError(
                f"expected lengths with 1 <= shortest <= longest <= {MAX_LENGTH}, found "
                f"{self.min_length} and {self.max_length}",
                remedy="Give other --min-length and --max-length",
            )


def read_corpus(path: Path) -> list[str]:
    """The lines of a UTF-8 text file; white space within a line becomes one space.

    Raises:
        InputError: it is not a text file in UTF-8, is too large, or has no text.
    """
    refuse_stream(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(
                f"expected at most {_MAX_BYTES:,} bytes", where=str(path), remedy="Split the file"
            )
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"invalid UTF-8 at byte {error.start}",
            where=str(path),
            remedy="Convert the file, for example with: iconv -f gb18030 -t utf-8",
        ) from None
    lines = [joined for line in text.splitlines() if (joined := SPACE.join(line.split()))]
    if not lines:
        raise InputError("the corpus has no text", where=str(path), remedy="Give another --corpus")
    return lines


class Texts:
    """The texts of lines, by their number; a function of its arguments alone.

    Args:
        corpus: lines of text, see `read_corpus`.
        known: characters that there are images of.
        required: a line has at least one of these characters; the others are punctuation.
        options: see TextOptions.
        seed: of cuts, order and composed texts.

    Attributes:
        charset: the characters of the texts, without the space, in code point order.
        missing: character -> number in the corpus, of those without images; most frequent first.
        left_out: number of characters with images that are in no text, because the stretch around
            them is too short, or has no required character.

    Raises:
        InputError: no text remains.
    """

    def __init__(
        self,
        corpus: Sequence[str],
        known: Set[str],
        required: Set[str],
        options: TextOptions,
        *,
        seed: int,
    ) -> None:
        counts = Counter(character for line in corpus for character in line)
        del counts[SPACE]
        self._options, self._seed = options, seed
        self.missing = {one: n for one, n in counts.most_common() if one not in known}
        usable = sorted(counts.keys() & known)
        if options.sampling == "balanced":
            self._pieces: list[str] = []
            self.left_out = 0
            mean = (options.min_length + options.max_length) / 2
            total = sum(counts[one] for one in usable)
            self._count = max(1, round(total / mean)) if set(usable) & required else 0
        else:
            self._pieces = list(self._natural(corpus, required))
            self._count = len(self._pieces)
            used = Counter(character for piece in self._pieces for character in piece)
            usable = sorted(used.keys() - {SPACE})
            self.left_out = sum(counts[one] for one in counts.keys() & known) - sum(
                used[one] for one in usable
            )
        if not self._count:
            raise InputError(
                f"no line of {options.min_length} to {options.max_length} characters remains: "
                f"{len(self.missing):,} of {len(counts):,} characters of the corpus have no "
                f"images: {_shown(self.missing)}",
                remedy="Give a source with more characters, or another --corpus, or a lower "
                "--min-length, or --sampling balanced",
            )
        self.charset = sorted_charset(usable)

    def __len__(self) -> int:
        """Texts after which they are taken again, or about as many as the corpus gives."""
        return self._count

    def __getitem__(self, number: int) -> str:
        """Text `number`, from 0 on, without end."""
        if self._options.sampling == "balanced":
            return self._composed(number)
        again, place = divmod(number, self._count)
        return self._pieces[_order(self._seed, again, self._count)[place]]

    def _composed(self, number: int) -> str:
        rng = generator(self._seed, number, TEXT)
        length = rng.integers(self._options.min_length, self._options.max_length, endpoint=True)
        chosen = rng.integers(len(self.charset), size=length).tolist()
        return "".join(self.charset[one] for one in chosen)

    def _natural(self, corpus: Sequence[str], required: Set[str]) -> Iterator[str]:
        shortest, longest = self._options.min_length, self._options.max_length
        rng = generator(self._seed, 0, TEXT)
        ends = dict.fromkeys(map(ord, self.missing), "\n")
        for line in corpus:
            for stretch in line.translate(ends).split("\n"):
                for piece in cut(stretch.strip().lstrip(_NOT_FIRST), shortest, longest, rng):
                    if len(piece) >= shortest and not required.isdisjoint(piece):
                        yield piece


def _shown(characters: Mapping[str, int]) -> str:
    """The first of many characters, to print."""
    found = list(characters)
    return "".join(found[:_SHOWN]) + ("…" if len(found) > _SHOWN else "")


def cut(stretch: str, shortest: int, longest: int, rng: np.random.Generator) -> Iterator[str]:
    """A stretch of text as pieces of random lengths, without spaces at their ends.

    As in writing, none begins with a closing mark or within a number, if lengths allow.
    """
    while len(stretch) > longest:
        length = int(rng.integers(shortest, longest, endpoint=True))
        while length < longest and _belongs(stretch[length - 1], stretch[length]):
            length += 1
        while length > shortest and _belongs(stretch[length - 1], stretch[length]):
            length -= 1
        yield stretch[:length].strip()
        stretch = stretch[length:].lstrip()
    yield stretch


def _belongs(before: str, one: str) -> bool:
    """Whether a character stands on the same line as the one before it."""
    return one in CLOSING or (one in digits and before in _OF_NUMBERS)


@lru_cache(maxsize=2)
def _order(seed: int, again: int, count: int) -> npt.NDArray[np.int64]:
    """The order of the texts when they are taken for the first time (0), the second ..."""
    return np.random.default_rng((seed, again)).permutation(count)
