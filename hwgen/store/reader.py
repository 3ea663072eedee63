"""In: a finished store. Out: its pictures, labels and Records."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.errors import StoreError
from hwgen.record import Image, Record
from hwgen.store.layout import COLUMNS, image_shape, key, read_manifest


class Store:
    """A finished store, read-only; opened lazily in each process, so it may be pickled or forked.

    Args:
        path: the store's directory.

    Raises:
        StoreError: no store there, an unfinished one, or one of a foreign format.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.manifest = read_manifest(self.path)
        self.charset = Charset(tuple(self.manifest.charset))
        self._handle: _Handle | None = None
        self._columns: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        return self.manifest.count

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None}

    @property
    def size(self) -> int:
        """Side of each picture, pixels."""
        return self.manifest.size

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return self.manifest.channels

    @property
    def is_synthetic(self) -> bool:
        """Whether a generator made these records."""
        return self.manifest.origin.get("kind") == "synthetic"

    @property
    def writers(self) -> set[str]:
        """Ids of the known writers."""
        return {writer for writer in self.manifest.writer_counts if writer}

    @property
    def columns(self) -> npt.NDArray[Any]:
        """All rows of COLUMNS, [count]."""
        if self._columns is None:
            with self._begin() as txn:
                self._columns = np.concatenate(
                    [self._block_columns(txn, block) for block in range(self._blocks)]
                    or [np.empty(0, COLUMNS)]
                )
        return self._columns

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class id of every record, int64 [count]."""
        table = np.array(self.charset.ids(self.manifest.tables["labels"]), dtype=np.int64)
        return table[self.columns["label"]] if len(table) else np.empty(0, np.int64)

    def images(self, indices: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Image:
        """Pictures by record number, uint8 [len(indices), size, size(, 3)]."""
        shape = image_shape(self.size, self.channels)
        out = np.empty((len(indices), *shape), np.uint8)
        flat = out.reshape(len(indices), self._record_bytes)
        with self._begin() as txn:
            for row, index in enumerate(indices):
                if not 0 <= index < len(self):
                    raise StoreError(f"no record {index} among {len(self)}", where=str(self.path))
                block, within = divmod(int(index), self.manifest.block_records)
                value = self._get(txn, "images", block)
                start = within * self._record_bytes
                flat[row] = np.frombuffer(value, np.uint8, self._record_bytes, start)
        return out

    def all_images(self) -> Image:
        """Every picture, uint8 [count, size, size(, 3)], in one array in memory."""
        out = np.empty((len(self), *image_shape(self.size, self.channels)), np.uint8)
        start = 0
        for images in self.image_blocks():
            out[start : start + len(images)] = images
            start += len(images)
        return out

    def image_blocks(self) -> Iterator[Image]:
        """Pictures block by block, each uint8 [n, size, size(, 3)]; valid until the next step."""
        with self._begin() as txn:
            for block in range(self._blocks):
                flat = np.frombuffer(self._get(txn, "images", block), np.uint8)
                yield flat.reshape(-1, *image_shape(self.size, self.channels))

    def record(self, index: int) -> Record:
        """One record, with its texts."""
        image = self.images([index])[0]
        row = self.columns[index]
        tables = self.manifest.tables
        return Record(
            image=image,
            label=tables["labels"][row["label"]],
            writer=tables["writers"][row["writer"]],
            source=tables["sources"][row["source"]],
            position=int(row["position"]),
        )

    def close(self) -> None:
        """Release the memory map; the next read opens it again."""
        self._handle = None

    @property
    def _blocks(self) -> int:
        return -(-self.manifest.count // self.manifest.block_records)

    @property
    def _record_bytes(self) -> int:
        return self.size * self.size * self.channels

    @contextlib.contextmanager
    def _begin(self) -> Iterator[lmdb.Transaction]:
        if self._handle is None or self._handle.pid != os.getpid():
            self._handle = _open_readonly(self.path)
        with self._handle.env.begin(buffers=True) as txn:
            yield txn

    def _get(self, txn: lmdb.Transaction, kind: str, block: int) -> Any:
        value = txn.get(key(kind, block))
        in_block = min(
            self.manifest.block_records, self.manifest.count - block * self.manifest.block_records
        )
        width = COLUMNS.itemsize if kind == "columns" else self._record_bytes
        if value is None or len(value) != in_block * width:
            found = "nothing" if value is None else f"{len(value)} bytes"
            raise StoreError(
                f"damaged: expected {in_block * width} bytes, found {found}",
                where=f"{self.path / 'data.mdb'}[{key(kind, block).decode()}]",
                remedy="Prepare the store again",
            )
        return value

    def _block_columns(self, txn: lmdb.Transaction, block: int) -> npt.NDArray[Any]:
        return np.frombuffer(bytes(self._get(txn, "columns", block)), COLUMNS)


class _Handle:
    """One environment, shared by all Stores on the same file in one process, never across a fork.

    LMDB refuses to open one file twice in a process; the last Store that lets go closes it. A
    store that was replaced meanwhile is another file, and whoever has the old one open keeps it.
    """

    def __init__(self, path: Path) -> None:
        self.pid = os.getpid()
        self.env = lmdb.open(
            str(path), readonly=True, lock=False, readahead=False, meminit=False, max_readers=1
        )

    def __del__(self) -> None:
        if hasattr(self, "env") and self.pid == os.getpid():
            self.env.close()


_handles: weakref.WeakValueDictionary[tuple[int, int], _Handle] = weakref.WeakValueDictionary()


def _forget_handles() -> None:
    """In a forked child: give up the parent's environments, so that it may open its own."""
    for handle in list(_handles.values()):
        handle.env.close()
    _handles.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_handles)


def _open_readonly(path: Path) -> _Handle:
    try:
        stat = (path / "data.mdb").stat()
        handle = _handles.get((stat.st_dev, stat.st_ino))
        if handle is None:
            handle = _handles[stat.st_dev, stat.st_ino] = _Handle(path)
    except (lmdb.Error, OSError) as error:
        raise StoreError(
            f"its data cannot be opened ({error})",
            where=str(path / "data.mdb"),
            remedy="Prepare the store again",
        ) from None
    return handle
