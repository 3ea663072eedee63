"""Reader of pairs of idx files, such as MNIST's."""

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
from hwgen.io.encodings import name_text
from hwgen.record import BadRecord, Record
from hwgen.sources.images.collection import Collection
from hwgen.sources.images.decoding import MAX_PIXELS

_GZIP = b"\x1f\x8b"
_IMAGES = b"\0\0\x08\x03"  # unsigned bytes in three dimensions
_LABELS = b"\0\0\x08\x01"
_MAX_LABELS = 1 << 28
_READ_BYTES = 1 << 20
_DAMAGE = (EOFError, OSError, zlib.error)


@dataclass(frozen=True)
class Idx(Collection):
    """Images of one file with labels from another; ink is 255, background 0.

    Attributes:
        labels: the file of labels.
    """

    labels: Path = Path()

    format: ClassVar[str] = "idx"
    grey: ClassVar[bool] = True
    one_size: ClassVar[bool] = True
    light_ink: ClassVar[bool] = True

    @property
    def is_transposed(self) -> bool:
        """See Collection."""
        return self.path.name.lower().startswith("emnist-")

    def items(self) -> Iterator[Record | BadRecord]:
        """See Collection; labels are decimal numbers.

        Raises:
            InputError: the files cannot be read, or do not belong together.
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
                if self.is_transposed:
                    image = np.ascontiguousarray(image.T)
                yield Record(image, str(label), self.writer, self.name, position)

    def _cut_short(self, position: int, pixels: int, held: int) -> BadRecord:
        missing = self.count - position
        return BadRecord(
            self.name,
            16 + position * pixels,
            held,
            f"{missing:,} more images of {pixels:,} bytes",
            f"the end of the file after {held:,} bytes",
            "cut short",
        )


def is_idx(head: bytes, path: Path) -> bool:
    """Whether a file with these first bytes is an idx file of images or labels."""
    if head.startswith(_GZIP):
        try:
            with gzip.open(path) as stream:
                head = stream.read(4)
        except _DAMAGE:
            return False
    return head.startswith((_IMAGES, _LABELS))


def idx_pair(path: Path) -> Idx:
    """The images and labels of a pair, given one of its two files.

    Where a file lies beside its `.gz`, the unpacked one is read. The images of EMNIST, by their
    official names `emnist-...`, are turned upright.

    Raises:
        InputError: one of the two is missing, or the images' header is damaged.
    """
    images = _unpacked(_sibling(path, "labels", "images"))
    labels = _unpacked(_sibling(path, "images", "labels"))
    name = name_text(images.name)
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


def _unpacked(path: Path) -> Path:
    """The file itself, or the one that it packs, if that lies beside it."""
    unpacked = path.with_name(path.name.removesuffix(".gz"))
    return unpacked if unpacked.is_file() else path


def _sibling(path: Path, here: str, there: str) -> Path:
    """The other file of a pair: `train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`."""
    dimensions = {"images": "idx3", "labels": "idx1"}
    if here not in path.name:
        if there in path.name:
            return path
        raise InputError(
            'expected "images" or "labels" in the name of an idx file',
            where=str(path),
            remedy="Name the pair like MNIST's: x-images-idx3-ubyte, x-labels-idx1-ubyte",
        )
    name = path.name.replace(here, there).replace(dimensions[here], dimensions[there])
    stem = name.removesuffix(".gz")
    for candidate in (name, stem, f"{stem}.gz"):
        if (path.parent / candidate).is_file():
            return path.parent / candidate
    raise InputError(
        f"the file of its {there} is missing: {name}",
        where=str(path),
        remedy="Put both files into one folder",
    )


def _read_labels(path: Path, count: int) -> list[int]:
    with _opened(path) as stream, zips.as_input_error(str(path)):
        magic, held = struct.unpack(">4sI", stream.read(8).ljust(8, b"\0"))
        data = bytearray()  # in parts, since the header may claim any number
        while len(data) < min(held, _MAX_LABELS) and (part := stream.read(_READ_BYTES)):
            data += part
    if magic != _LABELS or held != count or len(data) < held:
        found = f"{len(data):,} of {held:,}" if magic == _LABELS else magic.hex(" ")
        raise InputError(f"expected {count:,} labels, found {found}", where=str(path))
    return list(data[:held])


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with zips.as_input_error(str(path)), open(path, "rb") as file:
        packed = file.read(2) == _GZIP
    with gzip.open(path) if packed else open(path, "rb") as stream:
        yield cast(BinaryIO, stream)
