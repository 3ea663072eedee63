"""The encoding of names and labels that do not say it, decided once over all of them.

Zips of Chinese Windows, label lists and OCR LMDBs hold bytes without a declared encoding. Decoded
one by one, GBK's 一 is a valid UTF-8 letter of Bashkir. So each encoding that can decode all of
them is a candidate, and the one under which they take the fewest bits is chosen, as in minimum
description length: a character costs few bits if many such names have it. If another encoding
takes nearly as few, nothing is guessed.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf

from hwgen.errors import InputError

MIN_GAP = 12.0
"""Bits by which the shortest reading must be shorter than the next. A wrong label is worse than a
question: at 8.2 bits, one error in 300 by the model, 5 % of sets of 1 to 3 rare names in Big5 were
mistaken for GBK; at 12 bits, 1 % (benchmarks/encodings.py)."""

_MOSTLY = 0.9
"""Fraction of the labels of a set that must be valid UTF-8 for the others to be damage."""

_CHUNK = 1 << 16
"""Number of names that are decoded at once."""

_MAX_SHOWN = 24
"""Maximum length of a name shown in an error, characters."""

_ESCAPE = "backslashreplace"

_BETWEEN_WORDS = re.compile(r"[ \t\r\n/.0-9]+")
"""Numbers too, so that a thousand files `一_0001.png` are no more evidence than one."""

Bits = tuple[float, float, float]
"""Bits of one character in ordinary words, in a set of the usual characters, and in one of all that
the encoding has.

Usual characters take 12 bits in every encoding, although their numbers differ: the first 200
characters of GB 2312 are the first 200 of KS X 1001 too, and neither is the more probable.
"""

_ODD = 30.0
"""Bits of a character that names rarely have: controls, unassigned and most private ones."""

_SET = 4.0
"""Bits that it costs to assume a set of characters instead of words."""


@dataclass(frozen=True)
class _Candidate:
    """An encoding, and how probable its characters are in names.

    Attributes:
        codec: Python's name for it.
        prior: bits that it costs to assume it.
        bits: of one word.
    """

    codec: str
    prior: float
    bits: Callable[[str], Bits]


def _in_rows(char: str, codec: str, first: int, last: int) -> bool:
    """Whether a character's first byte in a two-byte encoding is in a range."""
    try:
        code = char.encode(codec)
    except UnicodeEncodeError:
        return False
    return len(code) == 2 and first <= code[0] <= last


def _is_han(char: str) -> bool:
    return "\u4e00" <= char <= "\u9fff" or "\u3400" <= char <= "\u4dbf" or char >= "\U00020000"


def _gb18030(char: str) -> Bits:
    if _in_rows(char, "gb2312", 0xB0, 0xD7):
        return 12, 12.7, 14.4
    if _in_rows(char, "gb2312", 0xD8, 0xF7):
        return 15, 12.7, 14.4
    return (19, 19, 14.4) if _is_han(char) else _other(char)


def _big5(char: str) -> Bits:
    if _is_han(char):
        return (12.5 if _in_rows(char, "cp950", 0xA4, 0xC6) else 17), 13.7, 13.7
    return _other(char)


def _shift_jis(char: str) -> Bits:
    if "\u3041" <= char <= "\u30fe":
        return 8, 12.7, 12.7
    if _is_han(char):
        return (12 if _in_rows(char, "cp932", 0x88, 0x97) else 16), 12.7, 12.7
    return _other(char)


def _korean(char: str) -> Bits:
    if "\uac00" <= char <= "\ud7a3":
        return (12 if _in_rows(char, "euc_kr", 0xB0, 0xC8) else 18), 13.1, 14
    return (18, 18, 14) if _is_han(char) else _other(char)


def _unicode(char: str) -> Bits:
    if _is_han(char):
        usual = (
            _in_rows(char, "gb2312", 0xB0, 0xD7)
            or _in_rows(char, "cp950", 0xA4, 0xC6)
            or _in_rows(char, "cp932", 0x88, 0x97)
        )
        return (13 if usual else 17), 15, 15
    if "\u3041" <= char <= "\u30fe":
        return 9, 15, 15
    return (13, 15, 15) if "\uac00" <= char <= "\ud7a3" else _other(char, odd=18)


_ACCENTED = frozenset("ÄÖÜäöüßÇçÉéÈèÊêËëÀàÂâÁáÎîÏïÍíÌìÔôÓóÒòÛûÙùÚúÑñÅåÆæØøÃãÕõÝýÿ")
_CYRILLIC = frozenset("АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюяЁё")


def _other(char: str, odd: float = _ODD) -> Bits:
    """Bits of a character that is neither Chinese nor of the encoding's main script."""
    if not (char.isprintable() or char == "\u3000" or char >= "\ue000"):
        bits = odd
    elif char in _CYRILLIC or "Α" <= char <= "ω" or char in _ACCENTED:
        bits = 12.0
    elif "\uff01" <= char <= "\uff5e" or char in "\u3000、。《》·—…“”‘’～・ー々〇":
        bits = 13.0
    elif "\ue000" <= char <= "\uf8ff" or char >= "\U000f0000":
        bits = odd
    else:
        bits = 16.0 if char.isalpha() else 18.0
    return bits, bits, bits


def _by_char(bits: Callable[[str], Bits]) -> Callable[[str], Bits]:
    cached = cache(bits)

    def of_word(word: str) -> Bits:
        words, usual, all_of_it = zip(
            *(cached(char) for char in word if char > "\x7f"), strict=True
        )
        return sum(words), sum(usual), sum(all_of_it)

    return of_word


def _latin(word: str) -> Bits:
    """Accented letters stand alone among other letters, and short words are rarely all."""
    letters = [char for char in word if char > "\x7f"]
    if not _ACCENTED.issuperset(letters):
        return inf, inf, inf
    alone = sum(char.isalpha() for char in word) >= 3 * len(letters)
    bits = (7.0 if alone else 14.0) * len(letters)
    return bits, bits, bits


def _cyrillic(word: str) -> Bits:
    """Letters of one word are not mixed with ASCII, and most are small."""
    letters = [char for char in word if char > "\x7f"]
    if not _CYRILLIC.issuperset(letters):
        return inf, inf, inf
    mixed = 12 if len(letters) < len(word) else 0
    capitals = len(letters) if len(letters) == 1 else sum(map(str.isupper, letters))
    bits = mixed + 6.0 * len(letters) + 3 * capitals
    return bits, bits, bits


_CANDIDATES = (
    _Candidate("utf-8", 0, _by_char(_unicode)),
    _Candidate("gb18030", 0, _by_char(_gb18030)),
    _Candidate("cp950", 3, _by_char(_big5)),
    _Candidate("cp932", 6, _by_char(_shift_jis)),
    _Candidate("cp949", 3, _by_char(_korean)),
    _Candidate("cp437", 6, _latin),
    _Candidate("cp1252", 8, _latin),
    _Candidate("cp866", 9, _cyrillic),
    _Candidate("cp1251", 9, _cyrillic),
)


def decide(names: Iterable[bytes], *, what: str, where: str, encoding: str | None = None) -> str:
    """The encoding of all names, as Python's name of a codec; "ascii" if that is enough.

    Args:
        names: as stored; duplicates do not count.
        what: what they are in an error: "names", "labels".
        where: the archive, list or folder.
        encoding: the codec to use instead of deciding; None to decide.

    Raises:
        InputError: several encodings fit the names, or none does; or they are not valid in the
            given one.
    """
    found = sorted({name for name in names if not name.isascii()})
    if encoding is not None:
        _check(found, encoding, what, where)
        return encoding
    if not found:
        return "ascii"
    fitting = _fitting(found)
    if not fitting:
        raise InputError(
            f"the encoding of its {what} is unknown: {_shown(found[0].decode('ascii', _ESCAPE))}",
            where=where,
            remedy="Give their encoding, such as --encoding gb18030",
        )
    codec, *others = fitting
    if others:
        sample = next(name for name in found if name.decode(codec) != name.decode(others[0]))
        read = " or ".join(f"{_shown(sample.decode(one))} ({one})" for one in (codec, *others))
        raise InputError(
            f"its {what} do not say their encoding, and several fit: {read}",
            where=where,
            remedy=f"Give the right one, such as --encoding {codec}",
        )
    return codec


@dataclass(frozen=True)
class Guess:
    """The encoding of names that is the most plausible.

    Attributes:
        codec: Python's name of it; "ascii" if that is enough.
        sure: whether `decide` would take it too.
    """

    codec: str
    sure: bool


def most_plausible(names: Iterable[bytes]) -> Guess:
    """The encoding of names that no label comes from, so that nothing needs to be refused.

    Where none fits, as with names by several programs, it is CP437, the one of zips, in which all
    bytes are characters: names stay distinct.
    """
    found = sorted({name for name in names if not name.isascii()})
    if not found:
        return Guess("ascii", sure=True)
    fitting = _fitting(found)
    return Guess(fitting[0], len(fitting) == 1) if fitting else Guess("cp437", sure=False)


def decide_labels(labels: Iterable[bytes], *, where: str, encoding: str | None = None) -> str:
    """The encoding of labels, of which single ones may be damaged.

    Args:
        labels: see `decide`.
        where: see `decide`.
        encoding: the codec to use instead of deciding; labels that are not valid in it are damage.

    Raises:
        InputError: several encodings fit, or none does.
    """
    if encoding is not None:
        return encoding
    found = {label for label in labels if not label.isascii()}
    valid = sum(map(is_utf8, found))
    if valid >= _MOSTLY * len(found) and valid < len(found):
        return "utf-8"
    codec = decide(found, what="labels", where=where)
    return "utf-8" if codec == "ascii" else codec


def check_codec(encoding: str) -> str:
    """Python's name of an encoding.

    Raises:
        InputError: there is no such encoding of text.
    """
    try:
        "".encode(encoding)
        b"".decode(encoding)
        return codecs.lookup(encoding).name
    except (LookupError, ValueError, UnicodeError):
        raise InputError(
            f"no encoding is called {encoding!r}",
            remedy="Give utf-8, gb18030 (also for GBK), big5, shift_jis or another of Python's",
        ) from None


def decide_on_disk(names: Iterable[str], *, where: str, encoding: str | None = None) -> str:
    """The encoding of names of files and folders, as Python's name of a codec.

    Names on a disk are UTF-8 if all of them are valid in it; others are decided as in `decide`.

    Args:
        names: as Python gives them; those that are not valid in the locale have lone surrogates.
        where: see `decide`.
        encoding: see `decide`.

    Raises:
        InputError: see `decide`.
    """
    raw = {name_bytes(name) for name in names if not name.isascii()}
    if encoding is None and all(map(is_utf8, raw)):
        return "utf-8"
    return decide(raw, what="names", where=where, encoding=encoding)


def name_bytes(name: str) -> bytes:
    """The bytes of a name on the disk."""
    try:
        return os.fsencode(name)
    except UnicodeEncodeError:  # text that the locale does not have, from an option
        return name.encode("utf-8", "surrogateescape")


def name_text(name: str, encoding: str = "utf-8") -> str:
    r"""The exact text of a name on the disk; bytes that are not in the encoding become `\xff`."""
    return name if name.isascii() else name_bytes(name).decode(encoding, _ESCAPE)


def is_utf8(name: bytes) -> bool:
    """Whether bytes are valid UTF-8."""
    try:
        name.decode()
        return True
    except UnicodeDecodeError:
        return False


def _fitting(names: Sequence[bytes]) -> list[str]:
    """The encoding of fewest bits, and those that take nearly as few and read another text."""
    fitting = sorted((bits, codec) for codec, bits in readings(names).items())
    if not fitting or _is_damaged_utf8(names):
        return []
    best, codec = fitting[0]
    others = [other for bits, other in fitting[1:] if bits - best < MIN_GAP]
    if others and all(name.decode(codec) == name.decode(others[0]) for name in names):
        others = []
    return [codec, *others]


def readings(names: Sequence[bytes]) -> dict[str, float]:
    """Bits that the names take under each encoding in which all of them are valid."""
    read = {}
    for candidate in _CANDIDATES:
        words: set[str] = set()
        try:
            for first in range(0, len(names), _CHUNK):
                # No byte of a character is a line break, in any of the candidates.
                text = b"\n".join(names[first : first + _CHUNK]).decode(candidate.codec)
                words.update(one for one in _BETWEEN_WORDS.split(text) if not one.isascii())
        except UnicodeDecodeError:
            continue
        bits = [candidate.bits(word) for word in words]
        ordinary, *sets = (sum(column) for column in zip(*bits, strict=True))
        if ordinary < inf:
            read[candidate.codec] = candidate.prior + min(ordinary, min(sets) + _SET)
    return read


def _is_damaged_utf8(names: Sequence[bytes]) -> bool:
    """Whether names are UTF-8 but for lone surrogates, as some Java programs write emoji."""
    try:
        text = b"\n".join(names).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return any("\ud800" <= char <= "\udfff" for char in text)


def _check(names: Iterable[bytes], encoding: str, what: str, where: str) -> None:
    for name in names:
        try:
            name.decode(encoding)
        except UnicodeDecodeError:
            raise InputError(
                f"its {what} are not all valid in {encoding}: "
                f"{_shown(name.decode('ascii', _ESCAPE))}",
                where=where,
                remedy="Give another --encoding, or leave it out to have it recognised",
            ) from None


def _shown(name: str) -> str:
    return name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}…"
