"""Charsets: ordered class tables, from text, files or names."""

from __future__ import annotations

import hashlib
import io
import os
import re
import unicodedata
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hwgen.errors import CharsetError, InputError
from hwgen.io.files import repair_utf8
from hwgen.io.paths import similar_paths, suggest_path
from hwgen.io.streams import refuse_stream
from hwgen.suggestions import did_you_mean, similar_names

MAX_CLASSES = 1 << 18
"""Maximum number of classes; Unicode has fewer characters."""

MAX_LABEL_LENGTH = 256
"""Maximum number of characters in a label, such as the name of a class of images."""

_FIRST, _CHARACTERS = "first:", "characters:"
"""Prefixes that mark a number of classes, and characters, where text could be either."""

_MAX_DIGITS = 18
_SHOWN = 12  # labels in a repr

# Fillers, variation selectors, noncharacters, and what stands for what was lost.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc\ufffd"
    "\ufdd0-\ufdef\U000e0100-\U000e01ef]"
)


@dataclass(frozen=True)
class Charset:
    """Ordered labels; the class id of a label is its index.

    Attributes:
        labels: distinct, non-empty texts; mostly single characters.

    Raises:
        CharsetError: a label is empty, repeated, not valid UTF-8 or longer than MAX_LABEL_LENGTH,
            or there are more than MAX_CLASSES.
    """

    labels: tuple[str, ...]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.labels) > MAX_CLASSES:
            raise CharsetError(
                f"expected at most {MAX_CLASSES:,} classes, found {len(self.labels):,}"
            )
        ids: dict[str, int] = {}
        for label in self.labels:
            _check_label(label)
            if label in ids:
                raise CharsetError(
                    f"{label!r} occurs twice in the charset", remedy="Remove one of them"
                )
            ids[label] = len(ids)
        object.__setattr__(self, "_ids", ids)

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[str]:
        return iter(self.labels)

    def __contains__(self, label: object) -> bool:
        return label in self._ids

    def __getitem__(self, class_id: int) -> str:
        return self.labels[class_id]

    def __repr__(self) -> str:
        more = f", … {len(self):,} in total" if len(self) > _SHOWN else ""
        return f"Charset({', '.join(map(repr, self.labels[:_SHOWN]))}{more})"

    @property
    def fingerprint(self) -> str:
        """16 hex digits, different for different labels or another order."""
        return hashlib.sha256("\0".join(self.labels).encode()).hexdigest()[:16]

    def id(self, label: str) -> int:
        """The class id of a label.

        Raises:
            CharsetError: the label is not in this charset.
        """
        try:
            return self._ids[label]
        except KeyError:
            raise CharsetError(
                f"{label!r} is not one of the {len(self)} classes", remedy=self._nearby()
            ) from None

    def ids(self, labels: Sequence[str]) -> list[int]:
        """Class ids of many labels.

        Raises:
            CharsetError: lists every label that is not in this charset.
        """
        unknown = [label for label in labels if label not in self._ids]
        if unknown:
            shown = "".join(unknown[:40]) + ("…" if len(unknown) > 40 else "")
            raise CharsetError(
                f"{len(unknown)} of {len(labels)} characters are not among the {len(self)} "
                f"classes: {shown}",
                remedy=self._nearby(),
            )
        return [self._ids[label] for label in labels]

    def subset(self, class_ids: Iterable[int]) -> Charset:
        """The labels of some class ids, in their order."""
        return Charset(tuple(self.labels[number] for number in class_ids))

    def _nearby(self) -> str:
        return f"The classes are {''.join(self.labels[:12])}{'…' if len(self) > 12 else ''}"


def _check_label(label: object) -> None:
    """Refuse invalid labels; a charset may come from untrusted input."""
    if not label:
        raise CharsetError("a charset has an empty label")
    if not isinstance(label, str):
        raise CharsetError(f"expected text as a label, found {label!r:.40}")
    if len(label) > MAX_LABEL_LENGTH:
        raise CharsetError(
            f"expected labels of at most {MAX_LABEL_LENGTH} characters, found one of {len(label)}"
        )
    if any("\ud800" <= char <= "\udfff" for char in label):
        raise CharsetError(f"{label!r} is not valid text: it has a lone surrogate")


UNLABELLED = Charset(("*",))
"""The one class of images without labels, such as those of an unconditional generator."""


def sorted_charset(labels: Iterable[str]) -> Charset:
    """The distinct labels in code point order."""
    return Charset(tuple(sorted(set(labels))))


def gb2312_level1() -> Charset:
    """The 3,755 characters of GB2312 level 1 (rows 0xB0-0xD7), in code order, from 啊 to 座."""
    codes = (bytes((high, low)) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF))
    # The last five cells of row 0xD7 are unassigned.
    decoded = (code.decode("gb2312", errors="ignore") for code in codes)
    return Charset(tuple(char for char in decoded if char))


def read_charset_file(path: Path) -> Charset:
    """The characters of a UTF-8 text file, in order, without white space.

    Raises:
        CharsetError: the file is not UTF-8, is empty, or has a character twice, an invisible one,
            or one in two parts.
    """
    data = path.read_bytes()
    try:
        text = io.StringIO(data.decode("utf-8-sig"), newline=None).read()
    except UnicodeDecodeError as error:
        codec = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "gb18030"
        raise CharsetError(
            f"invalid UTF-8 at byte {error.start}",
            where=str(path),
            remedy=f"Convert the file, for example with: iconv -f {codec} -t utf-8",
        ) from None
    return _from_text(text, where=str(path))


def parse_charset(spec: str, *, words: Iterable[str] = (), known: Container[str] = ()) -> Charset:
    """A charset from an option: `gb2312-1`, the path of a file, or the characters themselves.

    After the prefix `characters:`, text is always taken as characters.

    Args:
        spec: the option's value.
        words: other valid values, to suggest where an ASCII word is misspelt.
        known: characters that are expected; text of these is not a misspelt word.

    Raises:
        CharsetError: a missing or empty file, a misspelt name, or a repeated or invisible
            character.
    """
    if spec.startswith(_CHARACTERS):
        return _from_text(repair_utf8(spec.removeprefix(_CHARACTERS)), where="")
    if spec == "gb2312-1":
        return gb2312_level1()
    # os.path, since Path would raise for a long list of characters.
    if os.path.isfile(spec):
        return read_charset_file(Path(spec))
    if os.path.isdir(spec):
        raise CharsetError(
            f"{spec!r} is a folder, where a number, characters or a text file are expected",
            remedy=f"Give a text file of the characters. To use it as characters: "
            f"{_CHARACTERS}{spec}",
        )
    if spec != "-":
        refuse_stream(Path(spec))
    if "/" in spec or spec.endswith(".txt"):
        remedy = suggest_path(Path(spec), "Give gb2312-1, a file, or the characters")
        raise CharsetError("charset file not found", where=spec, remedy=remedy)
    a_word = spec.isascii() and not all(char in known for char in "".join(spec.split()))
    near = _near(spec, ["gb2312-1", *words]) if a_word else []
    if near:
        raise CharsetError(
            f"unknown charset {spec!r}",
            remedy=f"{did_you_mean(near)} To use it as characters: {_CHARACTERS}{spec}",
        )
    try:
        return _from_text(repair_utf8(spec), where="")
    except CharsetError as error:
        if not a_word:
            raise
        raise CharsetError(
            f"no file or charset is called {spec!r}, and as characters, {error.what}",
            remedy="Give the name of a charset, a file, or each character once",
        ) from None


def select_classes(spec: str, charset: Charset) -> list[int]:
    """Class ids from an option: a number (of the first classes), characters, or a file.

    If all digits of a number are labels too, it must be written as `first:10` or `characters:10`.

    Raises:
        InputError: more classes than exist, characters that are not classes, or an ambiguous
            number.
    """
    count = parse_count(spec)
    if count is None:
        return charset.ids(parse_charset(spec, known=charset).labels)
    if spec.isdecimal() and all(digit in charset for digit in spec):
        raise InputError(
            f"{spec} is ambiguous: a number of classes, or the classes {' '.join(spec)}",
            remedy=f"Give {_FIRST}{count} or {_CHARACTERS}{spec}",
        )
    if not 1 <= count <= len(charset):
        raise InputError(
            f"expected 1 to {len(charset)} classes, found {count}",
            remedy=f"Give a number from 1 to {len(charset)}",
        )
    return list(range(count))


def parse_count(spec: str) -> int | None:
    """The number in `10` or `first:10`; None for any other text."""
    number = spec.removeprefix(_FIRST)
    return int(number) if number.isdecimal() and len(number) <= _MAX_DIGITS else None


def _near(spec: str, words: Iterable[str]) -> list[str]:
    """Words, and paths of files and folders, similar to a word."""
    near = similar_names(spec, words, cutoff=0.7)
    return [*near, *map(str, similar_paths(Path(spec)))]


def _check_visible(text: str, where: str) -> None:
    """Refuse characters that nobody can see or write; private-use ones are somebody's characters.

    Raises:
        CharsetError: a control or format character, a variation selector, a filler, a
            noncharacter or U+FFFD; or a mark that is a part of the character before it.
    """
    for number, line in enumerate(text.split("\n"), 1):
        for column, char in enumerate(line, 1):
            if char.isascii() and char.isprintable():
                continue
            if unicodedata.combining(char) and _is_composed(line[column - 2 : column]):
                raise CharsetError(
                    f"U+{ord(char):04X} ({unicodedata.name(char)}) at line {number}, column "
                    f"{column} is a part of the character before it",
                    where=where,
                    remedy="Convert the text to Unicode's normal form NFC, for example with: "
                    "uconv -x nfc",
                )
            if not (char.isspace() or _is_visible(char)):
                other = "a control character" if char < "\xa0" else "a noncharacter"
                name = unicodedata.name(char, other)
                raise CharsetError(
                    f"U+{ord(char):04X} ({name}) at line {number}, column {column} is not a "
                    "character that can be written by hand",
                    where=where,
                    remedy="Remove it; copied text and joined files often contain some",
                )


def _is_composed(pair: str) -> bool:
    """Whether a character and a mark are one character, as macOS writes `が` in two."""
    return len(pair) == 2 and len(unicodedata.normalize("NFC", pair)) == 1


def _is_visible(char: str) -> bool:
    return not (
        unicodedata.category(char) in ("Cc", "Cf", "Cs")
        or _INVISIBLE.fullmatch(char)
        or ord(char) & 0xFFFE == 0xFFFE
    )


def _from_text(text: str, where: str) -> Charset:
    _check_visible(text, where)
    characters = tuple(char for char in text if not char.isspace())
    if not characters:
        raise CharsetError("no characters found", where=where, remedy="Give at least one")
    try:
        return Charset(characters)
    except CharsetError as error:
        raise CharsetError(error.what, where=where, remedy=error.remedy) from None
