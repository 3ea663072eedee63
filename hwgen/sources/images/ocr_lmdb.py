"""Reader of the LMDB format of OCR trainers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hwgen.errors import InputError
from hwgen.io.encodings import decide_labels
from hwgen.io.json_files import parse_json
from hwgen.record import BadRecord
from hwgen.sources.images.collection import MAX_LABEL_LENGTH, Collection, EncodedImage
from hwgen.sources.images.lmdb_files import Lmdb

_COUNT = b"num-samples"
_IMAGE, _LABEL, _META = b"image-", b"label-", b"meta-"
_DIGITS, _SHOWN = 18, 40
_NUMBER = re.compile(rb"\d{1,18}")


@dataclass(frozen=True)
class OcrLmdb(Collection):
    """`image-%09d` and `label-%09d` from 1 to `num-samples`: clovaai's schema, and PARSeq's.

    The whole label is the class, also if it is a word. hwgen's own exports have the writer in
    `meta-%09d`. Sets that count from 0 are read too. One without `num-samples`, as an interrupted
    program leaves it, or with one that is no number, is read as far as it goes.

    Attributes:
        first: number of the first image.
        incomplete: what is wrong with the set as a whole, in words; "" if nothing is.
    """

    first: int = 1
    incomplete: str = ""

    format: ClassVar[str] = "ocr-lmdb"

    def items(self) -> Iterator[EncodedImage | BadRecord]:
        """See Collection."""
        if self.incomplete:
            expected = "num-samples images"
            yield BadRecord(self.name, 0, 0, expected, self.incomplete, "incomplete set")
        with Lmdb(self.path) as database:
            for position in range(self.count):
                yield self._item(database, position)

    def _item(self, database: Lmdb, position: int) -> EncodedImage | BadRecord:
        number = position + self.first
        name = f"{self.name}[{number:09d}]"
        value = database.get(_LABEL + b"%09d" % number)
        label = _text(value, self.encoding)
        if not 0 < len(label) <= MAX_LABEL_LENGTH:
            expected = f"a label of 1 to {MAX_LABEL_LENGTH} characters in {self.encoding}"
            found = "none" if value is None else f"{len(value):,} bytes"
            return BadRecord(name, 0, 0, expected, found, "unknown label")
        writer = _writer(_text(database.get(_META + b"%09d" % number)))
        read = _reader(database, _IMAGE + b"%09d" % number)
        return EncodedImage(label, self.name, position, name, read, writer)


def is_ocr_lmdb(database: Lmdb) -> bool:
    """Whether an LMDB has this schema, be it incomplete."""
    return database.get(_COUNT) is not None or any(_numbers(database, _IMAGE))


def ocr_lmdb(name: str, path: Path, database: Lmdb, encoding: str | None = None) -> OcrLmdb:
    """The collection of an LMDB folder for which `is_ocr_lmdb` is true.

    Raises:
        InputError: `num-samples` is larger than the number of keys, or there are no images and it
            is not a number; or the encoding of the labels is unknown.
    """
    images = list(_numbers(database, _IMAGE))
    first = 0 if images[:1] == [0] else 1
    value = database.get(_COUNT)
    text = _text(value).strip(" \t\r\n\0")
    count = int(text) if text.isdecimal() and len(text) <= _DIGITS else -1
    incomplete = ""
    if images and not text.lstrip("-").isdecimal():
        labels = list(_numbers(database, _LABEL))
        count = max(images[-1:] + labels[-1:]) - first + 1
        known = "no num-samples" if value is None else f"num-samples {value[:_SHOWN]!r}"
        incomplete = f"{known}, and {len(images):,} images"
    elif not 0 <= count < max(database.count, 1):
        raise InputError(
            f"num-samples is {text[:_SHOWN]!r}, but there are only {database.count:,} keys",
            where=str(path),
            remedy="The set may be incomplete; write it again",
        )
    elif first == 0 and images[-1] == count:
        first = 1  # one image before the first
    beyond = sum(not first <= number < first + count for number in images)
    if beyond:
        incomplete = f"num-samples {count:,}, and {beyond:,} images that it does not count"
    if count > 2 * database.count:  # numbers with gaps, as no program writes them
        raise InputError(
            f"has {len(images):,} images with numbers up to {count:,}",
            where=str(path),
            remedy="The set may be incomplete; write it again",
        )
    labels_found = (value for _, value in database.values(_LABEL))
    codec = decide_labels(_distinct(labels_found), where=str(path), encoding=encoding)
    return OcrLmdb(
        name,
        path,
        (path / "data.mdb").stat().st_size,
        count,
        encoding=codec,
        first=first,
        incomplete=incomplete,
    )


def _distinct(labels: Iterable[bytes]) -> set[bytes]:
    """Labels that are not ASCII, without those that are too long to be one."""
    return {label for label in labels if not label.isascii() and len(label) <= 4 * MAX_LABEL_LENGTH}


def _numbers(database: Lmdb, prefix: bytes) -> Iterator[int]:
    """Numbers of the keys with a prefix, in order."""
    for key in database.keys(prefix):
        rest = key.removeprefix(prefix)
        if _NUMBER.fullmatch(rest):
            yield int(rest)


def _reader(database: Lmdb, key: bytes) -> Callable[[], bytes]:
    def read() -> bytes:
        value = database.get(key)
        if value is None:
            raise InputError(f"no {key.decode()}")
        return value

    return read


def _text(value: bytes | None, encoding: str = "utf-8") -> str:
    """Text of a value; "" if it is missing or not valid."""
    try:
        return (value or b"").decode(encoding)
    except UnicodeDecodeError:
        return ""


def _writer(meta: str) -> str:
    try:
        writer = parse_json(meta)["writer"]
    except (ValueError, LookupError, TypeError):
        return ""
    return writer if isinstance(writer, str) and len(writer) <= MAX_LABEL_LENGTH else ""
