"""The blocks of a store as views of its memory map, which all Stores of a process share."""

from __future__ import annotations

import os
import threading
import weakref
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import numpy.typing as npt

from hwgen.errors import StoreError
from hwgen.io import os_errors
from hwgen.io.lmdb_pages import check_pages
from hwgen.record import Image
from hwgen.store.layout import COLUMNS, Manifest, content_hash, image_shape, key


class Blocks:
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
            raise foreign(self._path, "their content hashes differ")

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
            raise unreadable(self._path, error) from None

    def offset(self, view: npt.NDArray[Any]) -> int | None:
        """Offset of a view's bytes in the file; None if unknown."""
        address = view.__array_interface__["data"][0]
        return address - self._map.start if address in self._map else None


def foreign(path: Path, why: str) -> StoreError:
    """The error for a manifest of another store."""
    return StoreError(
        f"manifest.json and data.mdb belong to different stores: {why}",
        where=str(path),
        remedy="Copy or prepare the store again",
    )


def unreadable(path: Path, error: Exception) -> StoreError:
    """The error for a data.mdb that cannot be opened or read."""
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
        raise unreadable(path, error) from None


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
