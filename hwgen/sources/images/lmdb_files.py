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
