"""Reader of the LMDB format of OCR trainers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hwgen.errors import InputError
from hwgen.io.json_files import parse_json
from hwgen.record import BadRecord
from hwgen.sources.images.collection import MAX_LABEL_LENGTH, Collection, EncodedImage
from hwgen.sources.images.lmdb_files import Lmdb

_COUNT = b"num-samples"


@dataclass(frozen=True)
class OcrLmdb(Collection):
    """`image-%09d` and `label-%09d` from 1 to `num-samples`: clovaai's schema, and PARSeq's.

    The whole label is the class, also if it is a word. hwgen's own exports have the writer in
    `meta-%09d`.
    """

    format: ClassVar[str] = "ocr-lmdb"

    def items(self) -> Iterator[EncodedImage | BadRecord]:
        """See Collection."""
        with Lmdb(self.path) as database:
            for position in range(self.count):
                number = position + 1
                name = f"{self.name}[{number:09d}]"
                label = _text(database.get(b"label-%09d" % number))
                image = b"image-%09d" % number
                if not 0 < len(label) <= MAX_LABEL_LENGTH:
                    expected, found = (
                        f"a label of 1 to {MAX_LABEL_LENGTH} characters",
                        f"{len(label)}",
                    )
                    yield BadRecord(name, 0, 0, expected, found, "unknown label")
                    continue
                writer = _writer(_text(database.get(b"meta-%09d" % number)))
                read = _reader(database, image)
                yield EncodedImage(label, self.name, position, name, read, writer)


def is_ocr_lmdb(database: Lmdb) -> bool:
    """Whether an LMDB has this schema."""
    return database.get(_COUNT) is not None


def ocr_lmdb(name: str, path: Path, database: Lmdb) -> OcrLmdb:
    """The collection of an LMDB folder for which `is_ocr_lmdb` is true.

    Raises:
        InputError: `num-samples` is not a number, or larger than the number of keys.
    """
    text = _text(database.get(_COUNT))
    count = int(text) if text.isdecimal() and len(text) <= 18 else -1
    if not 0 <= count < database.count:
        raise InputError(
            f"num-samples is {text[:40]!r}, but there are only {database.count:,} keys",
            where=str(path),
            remedy="The set may be incomplete; write it again",
        )
    return OcrLmdb(name, path, (path / "data.mdb").stat().st_size, count)


def _reader(database: Lmdb, key: bytes) -> Callable[[], bytes]:
    def read() -> bytes:
        value = database.get(key)
        if value is None:
            raise InputError(f"no {key.decode()}")
        return value

    return read


def _text(value: bytes | None) -> str:
    """Text of a value; "" if it is missing or not UTF-8."""
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        return ""


def _writer(meta: str) -> str:
    try:
        writer = parse_json(meta)["writer"]
    except (ValueError, LookupError, TypeError):
        return ""
    return writer if isinstance(writer, str) and len(writer) <= MAX_LABEL_LENGTH else ""
