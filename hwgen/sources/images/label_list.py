"""Reader of lists of image files and labels, PaddleOCR's format."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO, ClassVar

from hwgen.errors import InputError
from hwgen.io import zips
from hwgen.io.encodings import name_text
from hwgen.record import BadRecord
from hwgen.sources.images.collection import MAX_LABEL_LENGTH, Collection, EncodedImage
from hwgen.sources.images.decoding import MAX_BYTES, SUFFIXES

LIST_FILE = "label.txt"
"""Name of the list by which a folder is recognised; other lists are given by their path."""

_MAX_LINE = 1 << 16  # bytes; longer than paths on any system
_LOOK_LINES = 16
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class LabelList(Collection):
    r"""Lines `path<TAB>label` in UTF-8: PaddleOCR's SimpleDataSet.

    Paths are relative to the list's folder and must stay within it. The whole label is the class.
    Text after a second tab, blank lines and carriage returns are ignored.
    """

    format: ClassVar[str] = "paddle"

    def items(self) -> Iterator[EncodedImage | BadRecord]:
        """See Collection."""
        with open(self.path, "rb") as stream:
            for position, (number, line) in enumerate(_lines(stream, self.path)):
                yield self._item(line, number, position)

    def _item(self, line: bytes, number: int, position: int) -> EncodedImage | BadRecord:
        file, label = _split(line)
        if not 0 < len(label) <= MAX_LABEL_LENGTH:
            expected = f"a path, a tab and a label of 1 to {MAX_LABEL_LENGTH} characters"
            found = name_text(line.decode(errors="replace"))[:MAX_LABEL_LENGTH]
            return BadRecord(f"{self.name}:{number}", 0, 0, expected, found, "unknown label")
        name = f"{PurePosixPath(self.name).parent}/{name_text(file)}"
        return EncodedImage(label, self.name, position, name, _reader(self.path.parent, file))


def label_list(path: Path) -> LabelList:
    """The collection of a list for which `is_label_list` is true; its size is that of the images.

    Raises:
        InputError: a line is longer than any path.
    """
    size = count = 0
    with open(path, "rb") as stream:
        for _, line in _lines(stream, path):
            count += 1
            image = _within(path.parent, _split(line)[0])
            size += image.stat().st_size if image else 0
    top = path.parent.name or path.parent.resolve().name
    return LabelList(name_text(f"{top}/{path.name}"), path, size, count)


def is_label_list(stream: BinaryIO) -> bool:
    """Whether one of the first lines is the path of an image file, a tab and a label."""
    try:
        pairs = (_split(line) for _, line in islice(_lines(stream, Path()), _LOOK_LINES))
        return any(label and file.lower().endswith(SUFFIXES) for file, label in pairs)
    except InputError:
        return False


def _lines(stream: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    """Each line that is not blank, with its number from 1."""
    number = 0
    while line := stream.readline(_MAX_LINE + 1):
        number += 1
        if len(line) > _MAX_LINE:
            raise InputError(f"line {number:,} is longer than {_MAX_LINE:,} bytes", where=str(path))
        line = line.removeprefix(_BOM if number == 1 else b"").rstrip(b"\r\n")
        if line:
            yield number, line


def _split(line: bytes) -> tuple[str, str]:
    """Path and label; "" if missing, or if the line is not UTF-8."""
    try:
        file, _, rest = line.decode().partition("\t")
    except UnicodeDecodeError:
        return "", ""
    return file, rest.partition("\t")[0]


def _within(folder: Path, file: str) -> Path | None:
    """The image file at a path of the list; None if it is missing or outside the folder."""
    inner = PurePosixPath(file)
    if inner.is_absolute() or ".." in inner.parts:
        return None
    image = folder / inner
    return image if os.path.isfile(image) else None  # False too for invalid names


def _reader(folder: Path, file: str) -> Callable[[], bytes]:
    def read() -> bytes:
        image = _within(folder, file)
        if image is None:
            raise InputError("no such file in the folder of the list")
        with zips.as_input_error(file):
            size = image.stat().st_size
            if size > MAX_BYTES:
                raise InputError(f"{size:,} bytes")
            return image.read_bytes()

    return read
