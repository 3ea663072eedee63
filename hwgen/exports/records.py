"""In: a store and which of its records. Out: these one by one, also as PNG, for an exporter."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.record import Image
from hwgen.store import Store

_READ_RECORDS, _READ_BYTES = 1024, 16 << 20


@dataclass(frozen=True)
class Shards:
    """How much is written at a time: a shard of the formats that have shards.

    It is also what an interruption can cost, and what an export holds in memory.

    Attributes:
        records: at most so many.
        bytes: at most so many of pictures, as encoded; a single larger one is a shard of its own.

    Raises:
        InputError: one of them is below 1.
    """

    records: int = 10_000
    bytes: int = 256 << 20

    def __post_init__(self) -> None:
        if self.records < 1 or self.bytes < 1:
            raise InputError(f"a shard of {self.records} records and {self.bytes} bytes is empty")


@dataclass(frozen=True)
class RecordInfo:
    """What is known of one record, besides its picture.

    Attributes:
        record: its number in the store.
        label: the character, or class name.
        class_id: its place in the charset of the export.
        writer: "" where not known.
        source: see Record.
        position: see Record.
    """

    record: int
    label: str
    class_id: int
    writer: str
    source: str
    position: int


class Subset:
    """Some records of a store in an order: a whole export, or one side of a split.

    Args:
        store: where they are.
        charset: the classes of the export, which has all their labels.
        numbers: record numbers, int64 [n].
        name: "train", "test" ..., or "" for a whole export.
        shards: how much an exporter shall write at a time.
        tick: called now and then with the place reached; what it raises ends the export.
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
        self.store, self.charset, self.numbers, self.name = store, charset, numbers, name
        self.shards = shards or Shards()
        self._tick = tick or (lambda place: None)

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
        found = {table[place] for place in np.unique(self.columns["label"]).tolist()}
        return [label for label in self.charset if label in found]

    def in_order(self, order: npt.NDArray[np.intp]) -> Subset:
        """The same records in another order."""
        numbers = self.numbers[order]
        return Subset(
            self.store,
            self.charset,
            numbers,
            name=self.name,
            shards=self.shards,
            tick=self._tick,
        )

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[RecordInfo]:
        """What is known of the records at the places from `start` to before `stop`."""
        tables = self.store.manifest.tables
        labels, writers, sources = tables["labels"], tables["writers"], tables["sources"]
        numbers = self.numbers[start:stop]
        for first in range(0, len(numbers), _READ_RECORDS):
            some = numbers[first : first + _READ_RECORDS]
            columns = self.store.columns[some].tolist()
            for record, (label, writer, source, position) in zip(
                some.tolist(), columns, strict=True
            ):
                text = labels[label]
                yield RecordInfo(
                    record,
                    text,
                    self.charset.id(text),
                    writers[writer],
                    sources[source],
                    position,
                )

    def pictures(
        self, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[RecordInfo, Image]]:
        """The records from place `start` to before `stop`, and their pictures, uint8."""
        stop = len(self) if stop is None else min(stop, len(self))
        step = max(1, min(_READ_RECORDS, _READ_BYTES // int(np.prod(self.store.image_shape))))
        for first in range(start, stop, step):
            self._tick(first)
            last = min(first + step, stop)
            images = self.store.images(self.numbers[first:last])
            yield from zip(self.rows(first, last), images, strict=True)
        self._tick(stop)

    def shard(self, start: int) -> Iterator[tuple[RecordInfo, bytes]]:
        """The records from place `start` on, and their PNG files, until the shard is full."""
        used = 0
        for row, image in self.pictures(start, start + self.shards.records):
            png = encode_png(image)
            if used and used + len(png) > self.shards.bytes:
                return
            used += len(png)
            yield row, png


class Exporter(Protocol):
    """Writes one part into one folder, shard by shard.

    Made with `(part, folder)`; making it checks that the format can hold these records and touches
    no file.
    """

    def __init__(self, part: Subset, folder: Path) -> None: ...

    def write(self, start: int, shard: int) -> int:
        """Write a shard, durably.

        Called in order, from 0 on, with what it returned last; after a kill once more with the
        same arguments, whatever the first call left behind.

        Args:
            start: place of the first record to write.
            shard: shards that were written before.

        Returns:
            The place after the last record written.
        """

    def finish(self) -> None:
        """Write what needs no picture, when all shards are written; may be called again."""


def encode_png(image: Image) -> bytes:
    """A picture, uint8 [h, w] or [h, w, 3], as a PNG file; lossless."""
    file = io.BytesIO()
    PilImage.fromarray(image).save(file, format="PNG")
    return file.getvalue()
