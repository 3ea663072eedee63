"""The folder of a store while it is written: locked, resumable, renamed at the end.

A store is written in PATH.partial, with a recipe.json from the beginning, and renamed to PATH when
it is complete.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import lmdb

from hwgen.errors import RecipeChangedError, StoreError
from hwgen.io import os_errors
from hwgen.io.lmdb_pages import check_pages
from hwgen.io.staging import Staging
from hwgen.schema import differences
from hwgen.store.layout import is_store

HEADER = "recipe.json"
"""Identifies an unfinished store."""


class StoreStaging:
    """The folder of a store that one process is writing.

    Args:
        path: the store's final path.
        header: plain JSON of everything that determines the store's bytes; only an unfinished
            store with the same header is continued.
        resumable: whether an unfinished store with this header is continued, and kept when the
            process stops. Otherwise it is deleted.
        overwrite: replace a finished store at `path` once the new one is complete, and discard an
            unfinished one with another header.

    Attributes:
        partial: the folder of the unfinished store.

    Raises:
        StoreError: a store or something else is already there, another process is writing it, or
            the disk cannot be written.
    """

    def __init__(
        self, path: Path, *, header: Mapping[str, Any], resumable: bool, overwrite: bool
    ) -> None:
        self.path, self._staging = path, Staging(path, HEADER)
        self.partial = self._staging.partial
        self._header, self._resumable, self._overwrite = header, resumable, overwrite
        self._began = False  # whether the unfinished store is this process's own
        self._lock = contextlib.ExitStack()
        self._check()
        with self.writing():
            self._lock.enter_context(
                self._staging.locked(
                    StoreError(
                        "another process is writing this store",
                        where=str(path),
                        remedy="Wait until it ends",
                    )
                )
            )

    def begin_or_continue(self) -> lmdb.Environment:
        """Open the unfinished store, which is created if it does not exist.

        Raises:
            RecipeChangedError: a resumable unfinished store with another header exists.
            StoreError: the unfinished store is damaged, or the disk cannot be written.
        """
        with self.writing():
            began = self._read_header()
            continues = self._resumable and began == self._header
            if began.get("resumable") and not continues and not self._overwrite:
                raise RecipeChangedError(
                    "an unfinished store with another recipe exists (its recipe -> yours):\n  "
                    + "\n  ".join(differences(began, self._header))
                    + "\n",
                    where=str(self.path),
                    remedy="Rerun with its options to resume it, or with --overwrite to discard it",
                )
            if continues:
                self._check_pages()
            else:
                self._began = True
                shutil.rmtree(self.partial, ignore_errors=True)
                self._staging.begin(self._header)
            return lmdb.open(
                os.fsencode(self.partial),  # lmdb would encode a str by the locale
                map_size=64 << 20,
                lock=False,
                sync=self._resumable,
                meminit=True,  # else gaps would hold old memory, such as real scans
            )

    def give_name(self) -> None:
        """Move the finished store to its final path, and remove one that it replaces."""
        self._staging.publish(replace=is_store(self.path), keep_header=False)

    def leave(self, *, finished: bool) -> None:
        """Release the lock, and delete an unfinished store that is not resumable."""
        if self._began and not finished and not self._resumable:
            shutil.rmtree(self.partial, ignore_errors=True)
        self._lock.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turn errors of writing into a StoreError that names the store."""
        try:
            yield
        except (lmdb.Error, OSError) as error:
            raise _unwritable(self.path, error) from None

    def not_continued(self, error: Exception) -> StoreError:
        """The error for an unfinished store that is damaged."""
        return StoreError(
            f"the unfinished store cannot be continued ({error})",
            where=str(self.partial / "data.mdb"),
            remedy=f"Remove {self.partial.name} to start over",
        )

    def _check(self) -> None:
        if not self.path.exists() and not self.path.is_symlink():
            return
        if is_store(self.path):
            if not self._overwrite:
                remove_leftovers(self.path)
                raise StoreError(
                    "a store is already there",
                    where=str(self.path),
                    remedy="Give another --out, or pass --overwrite to replace it",
                )
        elif not self.path.is_dir() or any(self.path.iterdir()):
            raise StoreError(
                "already exists and is not a store",
                where=str(self.path),
                remedy="Give another --out",
            )

    def _read_header(self) -> dict[str, Any]:
        """The header of the unfinished store; {} if it is missing or damaged."""
        if self._staging.header_file(self.partial).is_file():
            with contextlib.suppress(ValueError):
                return self._staging.read_header(self.partial)
        return {}

    def _check_pages(self) -> None:
        """Check data.mdb after a system crash or an incomplete copy, which would crash LMDB.

        Raises:
            StoreError: it is damaged.
        """
        data = self.partial / "data.mdb"
        try:
            if data.exists():
                check_pages(data)
        except ValueError as error:
            raise self.not_continued(error) from None


def remove_leftovers(path: Path) -> None:
    """Remove header and lock of a process that was killed after it had finished the store."""
    Staging(path, HEADER).remove_leftovers()


def _unwritable(path: Path, error: lmdb.Error | OSError) -> StoreError:
    # LMDB reports an incomplete write, on a full disk, as an input/output error.
    of_lmdb = isinstance(error, lmdb.Error)
    reason = str(error).rpartition(": ")[2] if of_lmdb else os_errors.reason(error)
    return StoreError(
        f"cannot be written ({reason})",
        where=str(path),
        remedy=os_errors.remedy(error, otherwise=os_errors.DISK_FULL if of_lmdb else ""),
    )
