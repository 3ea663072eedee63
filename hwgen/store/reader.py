"""Reading a store: images, labels and Records."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.errors import InputError, StoreError
from hwgen.record import Image, Record
from hwgen.store.blocks import Blocks, foreign, unreadable
from hwgen.store.layout import COLUMNS, Manifest, image_shape, read_manifest, record_bytes
from hwgen.store.origin import data_kind, is_synthetic


class Store:
    """A finished store, read-only, as a sequence of Records: `store[0]`, `store[-5:]`.

    It can be pickled and forked: each process opens it by itself.

    Args:
        path: the store's directory.

    Raises:
        StoreError: no store, an unfinished or incomplete one, or one of another format.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.manifest = read_manifest(self.path)
        _check_size(self.path, self.manifest)
        self.charset = Charset(tuple(self.manifest.charset))
        self._open: Blocks | None = None
        self._columns: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        return self.manifest.count

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        """One record, or a list of those in a slice; negative numbers count from the end.

        Raises:
            IndexError: there is no such record.
        """
        if isinstance(index, slice):
            return self._records(np.arange(len(self))[index])
        return self.record(record_number(index, len(self)))

    def __iter__(self) -> Iterator[Record]:
        step = self.manifest.block_records
        for start in range(0, len(self), step):
            yield from self._records(np.arange(start, min(start + step, len(self))))

    def __repr__(self) -> str:
        colours = "grey" if self.channels == 1 else "colour"
        return (
            f"{type(self).__name__}({str(self.path)!r}: {len(self):,} {self.data_kind} images of "
            f"{len(self.charset):,} classes, {self.size}x{self.size} {colours})"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}

    @property
    def size(self) -> int:
        """Width and height of each image, pixels."""
        return self.manifest.size

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return self.manifest.channels

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image: (size, size), or (size, size, 3) in colour."""
        return image_shape(self.size, self.channels)

    @property
    def classes(self) -> list[str]:
        """The labels of the charset, in the order of the class ids."""
        return list(self.charset)

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Label -> class id."""
        return {label: number for number, label in enumerate(self.charset)}

    @property
    def targets(self) -> list[int]:
        """`labels` as a list."""
        return self.labels.tolist()

    @property
    def is_synthetic(self) -> bool:
        """Whether a generator made any of the records; rendered pen trajectories are real."""
        return is_synthetic(self.manifest.origin)

    @property
    def data_kind(self) -> str:
        """`synthetic`, `simulated` or `real`: see hwgen.store.origin."""
        return data_kind(self.manifest.origin)

    @property
    def writers(self) -> set[str]:
        """Ids of the known writers."""
        return {writer for writer in self.manifest.writer_counts if writer}

    @property
    def columns(self) -> npt.NDArray[Any]:
        """All rows of COLUMNS, [count]."""
        if self._columns is None:
            blocks = self._blocks()
            parts = [blocks.columns(block) for block in range(blocks.count)]
            self._columns = np.concatenate(parts or [np.empty(0, COLUMNS)])
            for name, table in self.manifest.tables.items():
                found = self._columns[name.removesuffix("s")].max(initial=0)
                if found >= max(1, len(table)):
                    raise foreign(
                        self.path, f"a record refers to entry {found} of {len(table)} {name}"
                    )
        return self._columns

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class id of every record, int64 [count]."""
        table = np.array(self.charset.ids(self.manifest.tables["labels"]), dtype=np.int64)
        return table[self.columns["label"]] if len(table) else np.empty(0, np.int64)

    def images(self, indices: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Image:
        """Images by record number, uint8 [len(indices), size, size(, 3)]."""
        numbers = np.asarray(indices, dtype=np.int64)
        outside = numbers[(numbers < 0) | (numbers >= len(self))]
        if len(outside):
            raise StoreError(
                f"record {outside[0]} does not exist; the store has {len(self)}",
                where=str(self.path),
            )
        blocks = self._blocks()
        out = np.empty((len(numbers), *self.image_shape), np.uint8)
        of_block, within = np.divmod(numbers, self.manifest.block_records)
        for row, (block, place) in enumerate(zip(of_block.tolist(), within.tolist(), strict=True)):
            out[row] = blocks.images(block)[place]
        return out

    def all_images(self) -> Image:
        """All images, uint8 [count, size, size(, 3)], in memory."""
        out = np.empty((len(self), *self.image_shape), np.uint8)
        self.read(0, into=out)
        return out

    def read(self, start: int, *, into: Image) -> None:
        """Copy the images of consecutive records from the file, without mapping its pages.

        For large reads this is several times as fast as through the memory map, which takes a page
        fault per page.

        Args:
            start: the first record.
            into: uint8 [n, size, size(, 3)], contiguous; n records are read.
        """
        stop = start + len(into)
        if not 0 <= start <= stop <= len(self):
            raise StoreError(
                f"records {start} to {stop} do not exist; the store has {len(self)}",
                where=str(self.path),
            )
        blocks = self._blocks()
        while start < stop:
            block, within = divmod(start, self.manifest.block_records)
            images = blocks.images(block)[within : within + stop - start]
            blocks.copy(images, into[len(into) - (stop - start) :][: len(images)])
            start += len(images)

    def image_blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Image]:
        """Images of the records from `start` to before `stop`, or to the end, block by block.

        Yields:
            A new array, uint8 [n, size, size(, 3)].
        """
        stop = len(self) if stop is None else min(stop, len(self))
        whole = self.manifest.block_records
        while start < stop:
            count = min(whole - start % whole, stop - start)
            images = np.empty((count, *self.image_shape), np.uint8)
            self.read(start, into=images)
            yield images
            start += count

    def record(self, index: int) -> Record:
        """One record."""
        return self._records(np.array([index]))[0]

    def close(self) -> None:
        """Release the memory map; the next read opens it again."""
        self._open = None

    def _records(self, numbers: npt.NDArray[np.int64]) -> list[Record]:
        images, rows, tables = self.images(numbers), self.columns[numbers], self.manifest.tables
        return [
            Record(
                image=image,
                label=tables["labels"][row["label"]],
                writer=tables["writers"][row["writer"]],
                source=tables["sources"][row["source"]],
                position=int(row["position"]),
            )
            for image, row in zip(images, rows, strict=True)
        ]

    def _blocks(self) -> Blocks:
        blocks = self._open
        if blocks is None or blocks.pid != os.getpid():
            blocks = self._open = Blocks(self.path, self.manifest)
        return blocks


def open_store(store: Store | Path | str) -> Store:
    """A store, opened if its path is given.

    Raises:
        StoreError: see Store.
        InputError: neither a store nor a path.
    """
    if isinstance(store, Store):
        return store
    if isinstance(store, str | Path):
        return Store(store)
    raise InputError(
        f"expected a store or its path, found {type(store).__name__}",
        remedy='Give a path, such as "train", or hwgen.Store("train")',
    )


def record_number(index: int, count: int) -> int:
    """The number of a record from 0, where negative ones count from the end.

    Raises:
        IndexError: there is no such record.
    """
    number = operator.index(index)
    if not -count <= number < count:
        raise IndexError(f"record {number} does not exist; the store has {count:,}")
    return number % count


def _check_size(path: Path, manifest: Manifest) -> None:
    """Refuse a manifest that needs more than data.mdb has, before memory is allocated.

    Raises:
        StoreError: data.mdb is too small or missing.
    """
    try:
        found = (path / "data.mdb").stat().st_size
    except OSError as error:
        raise unreadable(path, error) from None
    needed = manifest.count * record_bytes(manifest)
    if needed > found:
        raise StoreError(
            f"expected at least {needed:,} bytes by the manifest, found {found:,}",
            where=str(path / "data.mdb"),
            remedy="The copy may be incomplete; copy or prepare the store again",
        )
