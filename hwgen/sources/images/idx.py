"""In: an idx file of images, and one of labels beside it, as MNIST's. Out: Records."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, ClassVar, cast

import numpy as np

from hwgen.errors import InputError
from hwgen.io import zips
from hwgen.record import BadRecord, Record
from hwgen.sources.images.collection import Collection
from hwgen.sources.images.decoding import MAX_PIXELS

_GZIP = b"\x1f\x8b"
_IMAGES = b"\0\0\x08\x03"  # unsigned bytes in three dimensions
_LABELS = b"\0\0\x08\x01"
_MOST_LABELS = 1 << 28
_DAMAGE = (EOFError, OSError, zlib.error)


@dataclass(frozen=True)
class Idx(Collection):
    """Images of one file, labelled by the numbers of another; ink is 255 on 0.

    Attributes:
        labels: the file of labels.
    """

    labels: Path = Path()

    format: ClassVar[str] = "idx"
    grey: ClassVar[bool] = True
    light_ink: ClassVar[bool] = True

    def items(self) -> Iterator[Record | BadRecord]:
        """See Collection; a label is the number's digits.

        Raises:
            InputError: the two files cannot be read, or do not belong together.
        """
        labels = _read_labels(self.labels, self.count)
        with _opened(self.path) as stream:
            head = stream.read(16)
            _, _, height, width = struct.unpack(">IIII", head)
            pixels = height * width
            for position, label in enumerate(labels):
                try:
                    data = stream.read(pixels)
                except _DAMAGE:
                    data = b""
                if len(data) < pixels:
                    yield self._cut_short(position, pixels, len(data))
                    return
                image = np.frombuffer(data, np.uint8).reshape(height, width)
                yield Record(image, str(label), self.writer, self.name, position)

    def _cut_short(self, position: int, pixels: int, held: int) -> BadRecord:
        missing = self.count - position
        return BadRecord(
            self.name,
            16 + position * pixels,
            held,
            f"{missing:,} more images of {pixels:,} bytes",
            f"the end after {held:,} bytes",
            "cut short",
        )


def is_idx(head: bytes, path: Path) -> bool:
    """Whether a file that begins with these bytes is an idx file of images or of labels."""
    if head.startswith(_GZIP):
        try:
            with gzip.open(path) as stream:
                head = stream.read(4)
        except _DAMAGE:
            return False
    return head.startswith((_IMAGES, _LABELS))


def idx_pair(path: Path) -> Idx:
    """The images, and their labels, that one of the two files names.

    Raises:
        InputError: one of the two is missing, or the images' header is damaged.
    """
    images = _sibling(path, "labels", "images")
    labels = _sibling(path, "images", "labels")
    name = zips.printable(images.name)
    with _opened(images) as stream:
        with zips.as_input_error(name):
            head = stream.read(16)
        magic, count, height, width = struct.unpack(">4sIII", head.ljust(16, b"\0"))
    if magic != _IMAGES or not 0 < height * width <= MAX_PIXELS:
        raise InputError(
            "expected the header of an idx file of images, found "
            + (f"{count:,} of {width} x {height}" if magic == _IMAGES else magic.hex(" ")),
            where=str(images),
        )
    found = Idx(name, images, images.stat().st_size, count)
    return replace(found, labels=labels)


def _sibling(path: Path, here: str, there: str) -> Path:
    """The other file of a pair: `train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`."""
    dimensions = {"images": "idx3", "labels": "idx1"}
    if here not in path.name:
        if there in path.name:
            return path
        raise InputError(
            'an idx file whose name says neither "images" nor "labels"',
            where=str(path),
            remedy="Name the pair as MNIST's are: x-images-idx3-ubyte, x-labels-idx1-ubyte",
        )
    name = path.name.replace(here, there).replace(dimensions[here], dimensions[there])
    stem = name.removesuffix(".gz")
    for candidate in (name, stem, f"{stem}.gz"):
        if (path.parent / candidate).is_file():
            return path.parent / candidate
    raise InputError(
        f"its {there} are missing: {name}",
        where=str(path),
        remedy="Put the two files into one folder",
    )


def _read_labels(path: Path, count: int) -> list[int]:
    with _opened(path) as stream, zips.as_input_error(str(path)):
        magic, held = struct.unpack(">4sI", stream.read(8).ljust(8, b"\0"))
        data = stream.read(min(held, _MOST_LABELS))
    if magic != _LABELS or held != count or len(data) != held:
        found = f"{len(data):,} of {held:,}" if magic == _LABELS else magic.hex(" ")
        raise InputError(f"expected {count:,} labels, found {found}", where=str(path))
    return list(data)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with zips.as_input_error(str(path)), open(path, "rb") as file:
        packed = file.read(2) == _GZIP
    with gzip.open(path) if packed else open(path, "rb") as stream:
        yield cast(BinaryIO, stream)
