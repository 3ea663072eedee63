"""Labelled images for export, one by one, and the base class of all exporters."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.record import Image
from hwgen.schema import check_numbers
from hwgen.store import Store

_READ_RECORDS, _READ_BYTES = 1024, 16 << 20


@dataclass(frozen=True)
class Shards:
    """Size of a shard: the amount that is written at a time, also by formats without shard files.

    It is also what an interruption can lose, and what is in memory.

    Attributes:
        records: most records per shard.
        bytes: most bytes of encoded images per shard; a single larger image is a shard of its own.

    Raises:
        InputError: one of them is below 1 or too large.
    """

    records: int = 10_000
    bytes: int = 256 << 20

    def __post_init__(self) -> None:
        check_numbers(self, "shards")
        if self.records < 1 or self.bytes < 1:
            raise InputError(
                f"a shard must hold at least 1 record and 1 byte, found {self.records} records and "
                f"{self.bytes} bytes"
            )


@dataclass(frozen=True)
class RecordInfo:
    """What is known about a record, besides its image.

    Attributes:
        record: its number in the store, or of the line of text.
        label: the character, the class name, or the text of a line.
        class_id: position of the label in the charset of the export; None for a line of text.
        writer: "" if not known.
        source: see hwgen.record.Record.
        position: see hwgen.record.Record.
    """

    record: int
    label: str
    class_id: int | None
    writer: str
    source: str
    position: int


class LabelledImages(ABC):
    """Labelled images in a certain order, as an exporter reads them.

    Args:
        charset: classes of the export, which include all labels; of lines of text, the characters.
        name: "train", "test" ..., or "" for a whole export.
        shards: how much an exporter writes at a time.
    """

    is_text: ClassVar[bool] = False
    """Whether labels are lines of text, and not classes."""

    def __init__(self, charset: Charset, *, name: str = "", shards: Shards | None = None) -> None:
        self.charset, self.name = charset, name
        self.shards = shards or Shards()

    @abstractmethod
    def __len__(self) -> int:
        """Number of images."""

    @abstractmethod
    def infos(self, start: int = 0, stop: int | None = None) -> Iterator[RecordInfo]:
        """What is known about the records at the positions from `start` to before `stop`."""

    @abstractmethod
    def images(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[RecordInfo, Image]]:
        """The records from position `start` to before `stop`, with their images, uint8."""

    def shard(self, start: int) -> Iterator[tuple[RecordInfo, bytes]]:
        """The records from position `start` on, with their PNG files, until the shard is full."""
        used = 0
        for info, image in self.images(start, start + self.shards.records):
            png = encode_png(image)
            if used and used + len(png) > self.shards.bytes:
                return
            used += len(png)
            yield info, png


class Subset(LabelledImages):
    """Some records of a store in a certain order: a whole export, or one subset of a split.

    Args:
        store: of the records.
        charset: classes of the export, which include all labels of the records.
        numbers: record numbers, int64 [n].
        name: "train", "test" ..., or "" for a whole export.
        shards: how much an exporter writes at a time.
        tick: called now and then with the position reached; an exception it raises ends the export.
    """

    def __init__(
        self,
        store: Store,
        charset: Charset,
        numbers: npt.NDArray[np.int64],
        *,
        name: str = "",
        shards: Shards | None = None,
        tick: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(charset, name=name, shards=shards)
        self.store, self.numbers = store, numbers
        self._tick = tick or (lambda position: None)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def columns(self) -> npt.NDArray[Any]:
        """The store's columns of these records, [n]."""
        return self.store.columns[self.numbers]

    @property
    def labels(self) -> list[str]:
        """The labels that occur, in class order."""
        table = self.store.manifest.tables["labels"]
        found = {table[i] for i in np.unique(self.columns["label"]).tolist()}
        return [label for label in self.charset if label in found]

    def in_order(self, order: npt.NDArray[np.intp]) -> Subset:
        """The same records in another order."""
        return Subset(
            self.store,
            self.charset,
            self.numbers[order],
            name=self.name,
            shards=self.shards,
            tick=self._tick,
        )

    def infos(self, start: int = 0, stop: int | None = None) -> Iterator[RecordInfo]:
        """See LabelledImages."""
        tables = self.store.manifest.tables
        labels, writers, sources = tables["labels"], tables["writers"], tables["sources"]
        numbers = self.numbers[start:stop]
        for first in range(0, len(numbers), _READ_RECORDS):
            block = numbers[first : first + _READ_RECORDS]
            columns = self.store.columns[block].tolist()
            for record, (label, writer, source, position) in zip(
                block.tolist(), columns, strict=True
            ):
                yield RecordInfo(
                    record=record,
                    label=labels[label],
                    class_id=self.charset.id(labels[label]),
                    writer=writers[writer],
                    source=sources[source],
                    position=position,
                )

    def images(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[RecordInfo, Image]]:
        """See LabelledImages."""
        stop = len(self) if stop is None else min(stop, len(self))
        step = max(1, min(_READ_RECORDS, _READ_BYTES // int(np.prod(self.store.image_shape))))
        for first in range(start, stop, step):
            self._tick(first)
            last = min(first + step, stop)
            images = self.store.images(self.numbers[first:last])
            yield from zip(self.infos(first, last), images, strict=True)
        self._tick(stop)


class Exporter(ABC):
    """Writes some labelled images into one folder, shard by shard.

    The constructor of a format checks that the format can hold the records; it touches no file.

    Attributes:
        files: names of the files, for the documentation.
        readers: software that reads them, likewise.
        own: regular expression of all paths that it writes in its folder.
        libraries: packages besides those of the store that determine the bytes of the files.
        holds_text: it can hold lines of text.

    Args:
        subset: the records; a Subset of a store unless `holds_text`.
        folder: exists before the first shard is written.
    """

    files: ClassVar[str]
    readers: ClassVar[str]
    own: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]] = ()
    holds_text: ClassVar[bool] = False

    def __init__(self, subset: LabelledImages, folder: Path) -> None:
        self._subset, self._folder = subset, folder

    @abstractmethod
    def write(self, start: int, shard: int) -> int:
        """Write a shard durably.

        Shards are written in order, each from the position that the last call returned. After a
        kill, the call is repeated with the same arguments, whatever the first one left behind.

        Args:
            start: position of the first record to write.
            shard: number of shards written before.

        Returns:
            The position after the last record written.
        """

    def finish(self) -> None:  # noqa: B027 - most formats have nothing to finish
        """Write the files about all records, after the last shard; may be called again."""


def encode_png(image: Image) -> bytes:
    """An image, uint8 [h, w] or [h, w, 3], as a PNG file; lossless."""
    file = io.BytesIO()
    PilImage.fromarray(image).save(file, format="PNG")
    return file.getvalue()
