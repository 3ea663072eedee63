"""Read-only access to LMDB folders written by other programs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import lmdb

from hwgen.errors import InputError
from hwgen.io.lmdb_pages import check_pages
from hwgen.sources.images.decoding import MAX_BYTES

MAX_VALUE = 1 << 16
"""Maximum length of a value that is not an image, bytes."""


class Lmdb:
    """A database opened read-only, without a lock file.

    Args:
        path: the folder of `data.mdb`.

    Raises:
        InputError: not an LMDB, from a machine of another architecture, truncated, or damaged so
            that LMDB would read beyond its end.
    """

    def __init__(self, path: Path) -> None:
        try:
            check_pages(path / "data.mdb")
            self._env = lmdb.open(
                os.fsencode(path),
                readonly=True,
                lock=False,
                readahead=False,
                meminit=False,
                max_readers=1,
                create=False,
            )
            self._txn = self._env.begin(buffers=True)
        except (lmdb.Error, OSError, ValueError) as error:
            raise InputError(
                f"cannot be opened as LMDB ({error})",
                where=str(path / "data.mdb"),
                remedy="Check that the copy is complete and from a 64-bit little-endian machine",
            ) from None

    def __enter__(self) -> Lmdb:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._txn.abort()
        self._env.close()

    @property
    def count(self) -> int:
        """Number of keys."""
        return int(self._txn.stat()["entries"])

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None.

        Raises:
            InputError: it is longer than MAX_BYTES.
        """
        view = self._txn.get(key)
        return None if view is None else _copied(view)

    def keys(self, prefix: bytes) -> Iterator[bytes]:
        """The keys that begin with a prefix, in order."""
        with self._txn.cursor() as cursor:
            if cursor.set_range(prefix):
                for key in cursor.iternext(keys=True, values=False):
                    if not bytes(key).startswith(prefix):
                        return
                    yield bytes(key)

    def values(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The keys that begin with a prefix, with their values of at most MAX_VALUE bytes."""
        with self._txn.cursor() as cursor:
            if cursor.set_range(prefix):
                for key, value in cursor.iternext():
                    if not bytes(key).startswith(prefix):
                        return
                    if len(value) <= MAX_VALUE:
                        yield bytes(key), bytes(value)

    def entries(self) -> Iterator[tuple[bytes, Callable[[], bytes]]]:
        """The keys in order, each with a function that returns its value.

        The function is valid until the next key is requested. Values that are not requested are
        not read.
        """
        with self._txn.cursor() as cursor:
            for key in cursor.iternext(keys=True, values=False):
                yield bytes(key), lambda: _copied(cursor.value())


def _copied(view: memoryview) -> bytes:
    """A copy of a value in the memory map."""
    if len(view) > MAX_BYTES:
        raise InputError(f"{len(view):,} bytes")
    return bytes(view)
