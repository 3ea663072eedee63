"""Reader of CIFAR-10's official batches, binary or Python version."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from hwgen.errors import InputError
from hwgen.io.encodings import name_text
from hwgen.record import BadRecord, Image, Record
from hwgen.requirements import install_extra
from hwgen.sources.images.collection import Collection

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
"""In the order of the batches' labels."""

SIDE = 32
_ROW_BYTES = 3 * SIDE * SIDE  # the red plane, the green, the blue
_RECORD_BYTES = 1 + _ROW_BYTES
_PYTHON_BATCHES = (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch")
_PYTHON_RECORDS = 10_000
_AT_ONCE = 1000
_LOOK_RECORDS = 10_000  # whose labels are checked to recognise a batch
_MOST = 0.9


@dataclass(frozen=True)
class CifarBinary(Collection):
    """A batch of the binary version: records of a label and 3,072 bytes of pixels."""

    format: ClassVar[str] = "cifar10"
    one_size: ClassVar[bool] = True

    def items(self) -> Iterator[Record | BadRecord]:
        """See Collection."""
        position = 0
        with open(self.path, "rb") as stream:
            while data := stream.read(_AT_ONCE * _RECORD_BYTES):
                for start in range(0, len(data), _RECORD_BYTES):
                    record = data[start : start + _RECORD_BYTES]
                    yield self._record(record, position)
                    position += 1

    def _record(self, record: bytes, position: int) -> Record | BadRecord:
        offset = position * _RECORD_BYTES
        if len(record) < _RECORD_BYTES:
            expected, found = f"a record of {_RECORD_BYTES:,} bytes", f"{len(record):,}"
            return BadRecord(self.name, offset, len(record), expected, found, "cut short")
        if record[0] >= len(CLASSES):
            expected, found = "a label from 0 to 9", str(record[0])
            return BadRecord(self.name, offset, len(record), expected, found, "unknown label")
        image = _upright(np.frombuffer(record, np.uint8, offset=1))
        return Record(image, CLASSES[record[0]], self.writer, self.name, position)


@dataclass(frozen=True)
class CifarPython(Collection):
    """A batch of the Python version, a pickle.

    Unpickling runs code from the file. torchvision unpickles only files with the provider's MD5.
    """

    format: ClassVar[str] = "cifar10"
    one_size: ClassVar[bool] = True

    def items(self) -> Iterator[Record]:
        """See Collection.

        Raises:
            InputError: torchvision is not installed, or the file or the `batches.meta` beside it
                is not the provider's.
        """
        images, labels = _unpickled(self.path)
        for position, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield Record(image, CLASSES[label], self.writer, self.name, position)


def is_cifar(path: Path) -> bool:
    """Whether a file is a batch of CIFAR-10, in either version."""
    return _is_python(path) or _is_binary(path)


def cifar_batch(path: Path) -> Collection:
    """The batch in a file, if `is_cifar` is true for it."""
    name, size = name_text(path.name), path.stat().st_size
    if path.name in _PYTHON_BATCHES:
        return CifarPython(name, path, size, _PYTHON_RECORDS)
    return CifarBinary(name, path, size, -(-size // _RECORD_BYTES))


def _is_python(path: Path) -> bool:
    """Whether the name is that of a batch, and the file may be a pickle."""
    if path.name not in _PYTHON_BATCHES:
        return False
    with open(path, "rb") as stream:
        return stream.read(1) == pickle.PROTO


def _is_binary(path: Path) -> bool:
    """Whether a file consists of records of the binary version.

    A file called as in the official archive may be damaged: most of its labels must be classes.
    Any other `.bin` must consist of whole records, all with a class, that are not all one value.
    """
    size = path.stat().st_size
    if path.suffix.lower() != ".bin" or size < _RECORD_BYTES:
        return False
    official = path.stem in _PYTHON_BATCHES
    if size % _RECORD_BYTES and not official:
        return False
    known = 0
    looked = min(size // _RECORD_BYTES, _LOOK_RECORDS)
    with open(path, "rb") as stream:
        first = stream.read(_RECORD_BYTES)
        for position in range(looked):
            stream.seek(position * _RECORD_BYTES)
            known += stream.read(1)[0] < len(CLASSES)
    return known >= _MOST * looked if official else known == looked and len(set(first)) > 1


def _upright(row: Image) -> Image:
    """uint8 [3072], plane by plane, as [32, 32, 3]."""
    return np.ascontiguousarray(row.reshape(3, SIDE, SIDE).transpose(1, 2, 0))


def _unpickled(path: Path) -> tuple[Image, list[int]]:
    """Images uint8 [n, 32, 32, 3] and labels of one batch, through torchvision."""
    try:
        from torchvision.datasets import CIFAR10
    except ImportError:
        raise InputError(
            "reading CIFAR-10's Python version needs torchvision, which is not installed",
            where=str(path),
            remedy=f"Use the binary version, *.bin, or: {install_extra('scenes')}",
        ) from None
    batches = [*CIFAR10.train_list, *CIFAR10.test_list]

    class OneBatch(CIFAR10):
        """Checks and reads one file, from a folder of any name."""

        base_folder = path.parent.name
        train_list = [batch for batch in batches if batch[0] == path.name]  # noqa: RUF012
        test_list: list[list[str]] = []  # noqa: RUF012

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy, about type names in the pickle
            batch = OneBatch(str(path.parent.parent))
    except RuntimeError:
        raise InputError(
            "the MD5 of the file, or of batches.meta beside it, is not the provider's",
            where=str(path),
            remedy="Unpack cifar-10-python.tar.gz again; hwgen does not unpickle other files",
        ) from None
    return batch.data, batch.targets
