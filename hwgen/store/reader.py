"""Reading a store: images, labels and Records."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.errors import StoreError
from hwgen.io import os_errors
from hwgen.io.lmdb_pages import check_pages
from hwgen.record import Image, Record
from hwgen.store.layout import (
    COLUMNS,
    Manifest,
    content_hash,
    image_shape,
    key,
    read_manifest,
    record_bytes,
)
from hwgen.store.origin import data_kind, is_synthetic


class Store:
    """A finished store, read-only. It can be pickled and forked: each process opens it by itself.

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
        self._open: _Blocks | None = None
        self._columns: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        return self.manifest.count

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
                    raise _foreign(
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
        self._open = None

    def _blocks(self) -> _Blocks:
        blocks = self._open
        if blocks is None or blocks.pid != os.getpid():
            blocks = self._open = _Blocks(self.path, self.manifest)
        return blocks


class _Blocks:
    """A store's blocks as views of the memory map, valid while this object exists.

    Views are looked up once, so that reading random records costs little more than the copies.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.pid = os.getpid()
        self._handle = _acquire(path)
        self._path, self._manifest = path, manifest
        self.count = -(-manifest.count // manifest.block_records)
        self._images: dict[int, Image] = {}
        weakref.finalize(self, _release, self._handle)
        self._check_content()

    def images(self, block: int) -> Image:
        """Images of one block, uint8 [n, size, size(, 3)]."""
        view = self._images.get(block)
        if view is None:
            shape = image_shape(self._manifest.size, self._manifest.channels)
            view = self._value("images", block, np.dtype((np.uint8, shape)))
            self._images[block] = view
        return view

    def columns(self, block: int) -> npt.NDArray[Any]:
        """Rows of COLUMNS of one block, [n]."""
        return self._value("columns", block, COLUMNS)

    def _check_content(self) -> None:
        """Compare the manifest's content hash with those of the blocks, without reading images.

        Raises:
            StoreError: the manifest belongs to other data.
        """
        hashes = [self._handle.get(key("sha256", block)) for block in range(self.count)]
        manifest = self._manifest
        # Blocks of old stores have no hashes.
        if not all(hashes):
            return
        found = content_hash(manifest.charset, manifest.tables, hashes)
        if found != manifest.content_sha256:
            raise _foreign(self._path, "their content hashes differ")

    def copy(self, view: Image, into: Image) -> None:
        """Copy a view of consecutive images by reading the file at the same offset."""
        offset = self._handle.offset(view)
        if offset is None or os.preadv(self._handle.descriptor, [into.data], offset) != into.nbytes:
            into[:] = view

    def _value(self, kind: str, block: int, row: np.dtype[Any]) -> npt.NDArray[Any]:
        value = self._handle.get(key(kind, block))
        whole = self._manifest.block_records
        expected = min(whole, self._manifest.count - block * whole) * row.itemsize
        if value is None or len(value) != expected:
            found = "nothing" if value is None else f"{len(value)} bytes"
            raise StoreError(
                f"damaged: expected {expected} bytes, found {found}",
                where=f"{self._path / 'data.mdb'}[{key(kind, block).decode()}]",
                remedy="Prepare the store again",
            )
        return np.frombuffer(value, row)


class _Handle:
    """One LMDB environment, shared by all Stores on the same file in one process, not across forks.

    LMDB refuses to open one file twice in a process; the last user closes it. If a store is
    replaced meanwhile, the old file stays open. A finished store is never written to, so one
    transaction is used throughout and values stay valid.
    """

    def __init__(self, path: Path, file: tuple[int, int]) -> None:
        self.pid, self.file, self.users = os.getpid(), file, 0
        self._path = path
        # With readahead: py-lmdb touches every page of a value, and without it each page that is
        # not in memory is read by itself (30 times as slow).
        self.env = lmdb.open(
            os.fsencode(path), readonly=True, lock=False, meminit=False, max_readers=1
        )
        self._txn = self.env.begin(buffers=True)
        self._one_at_a_time = threading.Lock()
        self._map = _mapping(file[1])
        self.descriptor = os.open(path / "data.mdb", os.O_RDONLY)

    def close(self) -> None:
        """Close the map and the file; views become invalid."""
        self.env.close()
        os.close(self.descriptor)

    def get(self, name: bytes) -> Any:
        """The value as a view of the map, or None.

        Raises:
            StoreError: LMDB cannot read the file.
        """
        try:
            with self._one_at_a_time:
                return self._txn.get(name)
        except lmdb.Error as error:
            raise _unreadable(self._path, error) from None

    def offset(self, view: npt.NDArray[Any]) -> int | None:
        """Offset of a view's bytes in the file; None if unknown."""
        address = view.__array_interface__["data"][0]
        return address - self._map.start if address in self._map else None


def _check_size(path: Path, manifest: Manifest) -> None:
    """Refuse a manifest that needs more than data.mdb has, before memory is allocated.

    Raises:
        StoreError: data.mdb is too small or missing.
    """
    try:
        found = (path / "data.mdb").stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from None
    needed = manifest.count * record_bytes(manifest)
    if needed > found:
        raise StoreError(
            f"expected at least {needed:,} bytes by the manifest, found {found:,}",
            where=str(path / "data.mdb"),
            remedy="The copy may be incomplete; copy or prepare the store again",
        )


def _foreign(path: Path, why: str) -> StoreError:
    return StoreError(
        f"manifest.json and data.mdb belong to different stores: {why}",
        where=str(path),
        remedy="Copy or prepare the store again",
    )


def _unreadable(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"cannot be opened ({os_errors.reason(error)})",
        where=str(path / "data.mdb"),
        remedy=os_errors.remedy(
            error, "The copy may be incomplete; copy or prepare the store again"
        ),
    )


def _mapping(inode: int) -> range:
    """Addresses of the memory map of a file from its beginning; empty if unknown.

    LMDB has no function for the offset of a value in its file.
    """
    try:
        with open("/proc/self/maps", "rb") as lines:  # binary: file names may have any encoding
            for line in lines:
                addresses, _, offset, _, number, *_ = line.split()
                if int(number) == inode and int(offset, 16) == 0:
                    first, last = (int(address, 16) for address in addresses.split(b"-"))
                    return range(first, last)
    except OSError:  # not Linux
        pass
    return range(0)


# The handles of this process by device and inode, guarded by a lock. It is reentrant, since the
# garbage collector may release a handle at any point.
_handles: dict[tuple[int, int], _Handle] = {}
_handles_lock = threading.RLock()


def _acquire(path: Path) -> _Handle:
    try:
        with _handles_lock:
            stat = (path / "data.mdb").stat()
            file = stat.st_dev, stat.st_ino
            handle = _handles.get(file)
            if handle is None:
                check_pages(path / "data.mdb")
                handle = _handles.setdefault(file, _Handle(path, file))
            handle.users += 1
            return handle
    except (lmdb.Error, OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def _release(handle: _Handle) -> None:
    with _handles_lock:
        handle.users -= 1
        if not handle.users and handle.pid == os.getpid():
            del _handles[handle.file]
            handle.close()


def _forget_handles() -> None:
    """In a forked child: close the parent's environments, so that it can open its own."""
    global _handles_lock
    _handles_lock = threading.RLock()
    for handle in _handles.values():
        handle.close()
    _handles.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_handles)
