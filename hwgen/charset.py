"""In: characters as text, a file or a name. Out: an ordered class table with a fingerprint."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hwgen.errors import CharsetError, InputError
from hwgen.io.files import repair_utf8
from hwgen.io.paths import similar_paths, suggest_path
from hwgen.names import similar_names

MAX_CLASSES = 1 << 18
"""More than Unicode has characters."""

MAX_LABEL_LENGTH = 256
"""Characters of a label: the name of a class of images, at most."""

_FIRST, _CHARACTERS = "first:", "characters:"
"""Before a number of classes, and before characters: where a text may be either."""

_MOST_DIGITS = 18


@dataclass(frozen=True)
class Charset:
    """Ordered labels; the class id of a label is its place in the order.

    Attributes:
        labels: distinct, non-empty texts; mostly single characters.

    Raises:
        CharsetError: a label is empty or stands twice, is no text that UTF-8 can hold or longer
            than MAX_LABEL_LENGTH, or there are more than MAX_CLASSES.
    """

    labels: tuple[str, ...]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.labels) > MAX_CLASSES:
            raise CharsetError(f"{len(self.labels):,} classes are more than {MAX_CLASSES:,}")
        ids: dict[str, int] = {}
        for label in self.labels:
            _check_label(label)
            if label in ids:
                raise CharsetError(
                    f"{label!r} stands twice in the charset", remedy="Keep one of the two"
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

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change with any label or with the order."""
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
            CharsetError: names every label that is not in this charset.
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

    def _nearby(self) -> str:
        return f"Known classes begin with {''.join(self.labels[:12])}"


def _check_label(label: object) -> None:
    """Refuse what is no label; charsets come from files of strangers too."""
    if not label:
        raise CharsetError("a charset has an empty label")
    if not isinstance(label, str):
        raise CharsetError(f"a label is a text, found {label!r:.40}")
    if len(label) > MAX_LABEL_LENGTH:
        raise CharsetError(f"a label has {len(label)} characters, more than {MAX_LABEL_LENGTH}")
    if any("\ud800" <= char <= "\udfff" for char in label):
        raise CharsetError(f"{label!r} is no text: UTF-8 has no lone surrogates")


UNLABELLED = Charset(("*",))
"""The classes of images without labels, such as an unconditional generator's: one."""


def sorted_charset(labels: Iterable[str]) -> Charset:
    """The distinct labels in code point order: the charset "as found"."""
    return Charset(tuple(sorted(set(labels))))


def gb2312_level1() -> Charset:
    """The 3,755 characters of GB2312 level 1 (rows 0xB0-0xD7), in code order, from 啊 to 座."""
    codes = (bytes((high, low)) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF))
    # The last five cells of row 0xD7 are unassigned.
    decoded = (code.decode("gb2312", errors="ignore") for code in codes)
    return Charset(tuple(char for char in decoded if char))


def read_charset_file(path: Path) -> Charset:
    """Characters of a UTF-8 text file, in order; white space and line ends of any kind separate.

    Raises:
        CharsetError: the file is not UTF-8, empty, or holds a character twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CharsetError(
            f"is not UTF-8 at byte {error.start}",
            where=str(path),
            remedy="Convert it, for example with: iconv -f gb18030 -t utf-8",
        ) from None
    return _from_text(text, where=str(path))


def parse_charset(spec: str, *, words: Iterable[str] = (), known: Container[str] = ()) -> Charset:
    """A charset from what a user types: `gb2312-1`, a file's path, or the characters themselves.

    After `characters:` a text is characters, whatever else it may look like.

    Args:
        spec: what was typed.
        words: others that may have been meant where it is a word in ASCII.
        known: characters that are expected: a text of these is no misspelt word.

    Raises:
        CharsetError: nothing usable, a missing file, what looks like the name of something near,
            or a character twice.
    """
    if spec.startswith(_CHARACTERS):
        return _from_text(repair_utf8(spec.removeprefix(_CHARACTERS)), where="")
    if spec == "gb2312-1":
        return gb2312_level1()
    # os.path: many characters are too long for a path, which is no error.
    if os.path.isfile(spec):
        return read_charset_file(Path(spec))
    if "/" in spec or spec.endswith(".txt"):
        remedy = suggest_path(Path(spec), "Give gb2312-1, a file, or the characters")
        raise CharsetError("no such charset file", where=spec, remedy=remedy)
    a_word = spec.isascii() and not all(char in known for char in "".join(spec.split()))
    near = _near(spec, ["gb2312-1", *words]) if a_word else []
    if near:
        raise CharsetError(
            f"no charset {spec!r}",
            remedy=f"Did you mean {' or '.join(near)}? As characters: {_CHARACTERS}{spec}",
        )
    try:
        return _from_text(repair_utf8(spec), where="")
    except CharsetError as error:
        if not a_word:
            raise
        raise CharsetError(
            f"nothing here is called {spec!r}, and as characters {error.what}",
            remedy="Give the name of a charset, a path, or each character once",
        ) from None


def select_classes(spec: str, charset: Charset) -> list[int]:
    """Class ids from what a user types: a number (the first so many), characters, or a file.

    Digits are a number where they are not all labels; where they are, `first:10` says that they
    are, and `characters:10` that they are not.

    Raises:
        InputError: more classes than there are, characters that are none of them, or digits that
            may be either.
    """
    count = parse_count(spec)
    if count is None:
        return charset.ids(parse_charset(spec, known=charset).labels)
    if spec.isdecimal() and all(digit in charset for digit in spec):
        raise InputError(
            f"{spec} may be a number of classes, or the characters {' '.join(spec)}, which are "
            "classes here",
            remedy=f"Say {_FIRST}{count} or {_CHARACTERS}{spec}",
        )
    if not 1 <= count <= len(charset):
        raise InputError(
            f"{count} classes were asked for, and there are {len(charset)}",
            remedy=f"Ask for at most {len(charset)}",
        )
    return list(range(count))


def parse_count(spec: str) -> int | None:
    """The number in `10` or `first:10`; None where what a user typed is none."""
    number = spec.removeprefix(_FIRST)
    return int(number) if number.isdecimal() and len(number) <= _MOST_DIGITS else None


def _near(spec: str, words: Iterable[str]) -> list[str]:
    """Words, and names of files and folders, that a word is like."""
    near = similar_names(spec, words, cutoff=0.7)
    return [*near, *map(str, similar_paths(Path(spec)))]


def _from_text(text: str, where: str) -> Charset:
    characters = tuple(char for char in text if not char.isspace())
    if not characters:
        raise CharsetError("no characters found", where=where)
    try:
        return Charset(characters)
    except CharsetError as error:
        raise CharsetError(error.what, where=where, remedy=error.remedy) from None
