"""In: a finished store. Out: its images, labels and Records."""

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
from hwgen.store.origin import is_synthetic, provenance


class Store:
    """A finished store, read-only; opened lazily in each process, so it may be pickled or forked.

    Args:
        path: the store's directory.

    Raises:
        StoreError: no store there, an unfinished one, one of a foreign format, or half of one.
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
        """Side of each image, pixels."""
        return self.manifest.size

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return self.manifest.channels

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Of one image: (size, size), or (size, size, 3) in colour."""
        return image_shape(self.size, self.channels)

    @property
    def is_synthetic(self) -> bool:
        """Whether a generator made any of these records; drawn pen trajectories are real."""
        return is_synthetic(self.manifest.origin)

    @property
    def provenance(self) -> str:
        """`synthetic`, `simulated` or `real`: see hwgen.store.origin."""
        return provenance(self.manifest.origin)

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
                    raise _foreign(self.path, f"it names place {found} of {len(table)} {name}")
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
            raise StoreError(f"no record {outside[0]} among {len(self)}", where=str(self.path))
        blocks = self._blocks()
        out = np.empty((len(numbers), *self.image_shape), np.uint8)
        of_block, within = np.divmod(numbers, self.manifest.block_records)
        for row, (block, place) in enumerate(zip(of_block.tolist(), within.tolist(), strict=True)):
            out[row] = blocks.images(block)[place]
        return out

    def all_images(self) -> Image:
        """Every image, uint8 [count, size, size(, 3)], in one array in memory."""
        out = np.empty((len(self), *self.image_shape), np.uint8)
        self.read(0, into=out)
        return out

    def read(self, start: int, *, into: Image) -> None:
        """Copy the images of consecutive records from the file, without mapping its pages.

        The way to read much: what is in the page cache is copied some times as fast as it would be
        through the map, whose pages have to be entered one by one.

        Args:
            start: the first record.
            into: uint8 [n, size, size(, 3)], contiguous; n records are read.
        """
        stop = start + len(into)
        if not 0 <= start <= stop <= len(self):
            raise StoreError(
                f"no records {start} to {stop} among {len(self)}", where=str(self.path)
            )
        blocks = self._blocks()
        while start < stop:
            block, within = divmod(start, self.manifest.block_records)
            images = blocks.images(block)[within : within + stop - start]
            blocks.copy(images, into[len(into) - (stop - start) :][: len(images)])
            start += len(images)

    def image_blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Image]:
        """Images of the records from `start` to before `stop`, or to the end, block by block.

        Each is an array of its own, uint8 [n, size, size(, 3)].
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
        self._open = None

    def _blocks(self) -> _Blocks:
        blocks = self._open
        if blocks is None or blocks.pid != os.getpid():
            blocks = self._open = _Blocks(self.path, self.manifest)
        return blocks


class _Blocks:
    """A store's blocks as views of the file in memory, valid while this object lives.

    A view is looked up once: a pass over 64 random records is 64 short copies and nothing else.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.pid = os.getpid()
        self._handle = _take(path)
        self._path, self._manifest = path, manifest
        self.count = -(-manifest.count // manifest.block_records)
        self._images: dict[int, Image] = {}
        weakref.finalize(self, _let_go, self._handle)
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
        """Compare the manifest's content hash with the blocks' own; no image is read.

        Raises:
            StoreError: the manifest is of other data.
        """
        hashes = [self._handle.get(key("sha256", block)) for block in range(self.count)]
        manifest = self._manifest
        # The blocks of the first hwgens have none.
        if not all(hashes):
            return
        found = content_hash(manifest.charset, manifest.tables, hashes)
        if found != manifest.content_sha256:
            raise _foreign(self._path, "their content hashes differ")

    def copy(self, view: Image, into: Image) -> None:
        """Copy what a view of consecutive images shows, by reading the file where it lies."""
        place = self._handle.place(view)
        if place is None or os.preadv(self._handle.descriptor, [into.data], place) != into.nbytes:
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
    """One environment, shared by all Stores on the same file in one process, never across a fork.

    LMDB refuses to open one file twice in a process; the last user that lets go closes it. A
    store that was replaced meanwhile is another file, and whoever has the old one open keeps it.
    A finished store is never written to, so that one transaction serves for as long as it is open
    and all values that were read stay where they are.
    """

    def __init__(self, path: Path, file: tuple[int, int]) -> None:
        self.pid, self.file, self.users = os.getpid(), file, 0
        self._path = path
        # With readahead: py-lmdb touches every page of a value that it looks up, and without it
        # each page of a file that is not yet in memory is fetched by itself (30 times as slow).
        self.env = lmdb.open(
            os.fsencode(path), readonly=True, lock=False, meminit=False, max_readers=1
        )
        self._txn = self.env.begin(buffers=True)
        self._one_at_a_time = threading.Lock()
        self._map = _mapping(file[1])
        self.descriptor = os.open(path / "data.mdb", os.O_RDONLY)

    def close(self) -> None:
        """Give up the map and the file; views of them must not be used any more."""
        self.env.close()
        os.close(self.descriptor)

    def get(self, name: bytes) -> Any:
        """The value as a view of the file, or None.

        Raises:
            StoreError: LMDB finds fault with the file.
        """
        try:
            with self._one_at_a_time:
                return self._txn.get(name)
        except lmdb.Error as error:
            raise _unreadable(self._path, error) from None

    def place(self, view: npt.NDArray[Any]) -> int | None:
        """Where in the file a view's bytes begin; None where the system does not tell."""
        address = view.__array_interface__["data"][0]
        return address - self._map.start if address in self._map else None


def _check_size(path: Path, manifest: Manifest) -> None:
    """Refuse a manifest that tells of more than data.mdb can hold, before memory is taken for it.

    Raises:
        StoreError: it does, or data.mdb is missing.
    """
    try:
        found = (path / "data.mdb").stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from None
    wanted = manifest.count * record_bytes(manifest)
    if wanted > found:
        raise StoreError(
            f"holds {found:,} bytes, and the manifest tells of {wanted:,} at least",
            where=str(path / "data.mdb"),
            remedy="Was the store copied whole? Copy or prepare it again",
        )


def _foreign(path: Path, why: str) -> StoreError:
    return StoreError(
        f"manifest.json and data.mdb are not of one store: {why}",
        where=str(path),
        remedy="Copy or prepare the store again",
    )


def _unreadable(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"its data cannot be opened ({os_errors.reason(error)})",
        where=str(path / "data.mdb"),
        remedy=os_errors.remedy(error, "Was the store copied whole? Copy or prepare it again"),
    )


def _mapping(inode: int) -> range:
    """Addresses at which this process maps a file, from its beginning; empty if not known.

    LMDB does not tell where in its file a value lies.
    """
    try:
        with open("/proc/self/maps", "rb") as lines:  # names of files in any encoding
            for line in lines:
                addresses, _, offset, _, number, *_ = line.split()
                if int(number) == inode and int(offset, 16) == 0:
                    first, last = (int(address, 16) for address in addresses.split(b"-"))
                    return range(first, last)
    except OSError:  # not Linux
        pass
    return range(0)


# The handles of this process by device and inode; who takes or lets go of one holds the lock,
# which may happen within itself: the garbage collector runs anywhere.
_handles: dict[tuple[int, int], _Handle] = {}
_turn = threading.RLock()


def _take(path: Path) -> _Handle:
    try:
        with _turn:
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


def _let_go(handle: _Handle) -> None:
    with _turn:
        handle.users -= 1
        if not handle.users and handle.pid == os.getpid():
            del _handles[handle.file]
            handle.close()


def _forget_handles() -> None:
    """In a forked child: give up the parent's environments, so that it may open its own."""
    global _turn
    _turn = threading.RLock()
    for handle in _handles.values():
        handle.close()
    _handles.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_handles)
