"""In: where a store shall be. Out: that place, locked, with an unfinished store that gets its name.

A store is written in PATH.partial and renamed at the end: PATH is either absent, what it was
before, or whole. recipe.json lies in it from the beginning until then.
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
"""By which an unfinished store is recognised."""


class StoreStaging:
    """Where one process is writing a store.

    Args:
        path: where the store shall be.
        header: plain JSON of all that decides the store's bytes; an unfinished store is known
            again by it.
        resumable: whether an unfinished store of this header is continued, and kept when it is
            left. One that is not resumable is thrown away.
        overwrite: replace a finished store at `path`, when the new one gets its name, and discard
            an unfinished one of another header.

    Attributes:
        partial: folder of the unfinished store.

    Raises:
        StoreError: a store or something else is already there, another process writes to it, or
            it cannot be written.
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
                        remedy="Wait for it",
                    )
                )
            )

    def begin_or_continue(self) -> lmdb.Environment:
        """Open the unfinished store: a new one, or the one that is there.

        Raises:
            RecipeChangedError: an unfinished, resumable store of another header is there.
            StoreError: the one that is there is damaged, or none can be written.
        """
        with self.writing():
            began = self._read_header()
            continues = self._resumable and began == self._header
            if began.get("resumable") and not continues and not self._overwrite:
                raise RecipeChangedError(
                    "an unfinished store of another recipe is there (began -> now):\n  "
                    + "\n  ".join(differences(began, self._header))
                    + "\n",
                    where=str(self.path),
                    remedy="Go on with the options it began with, or pass --overwrite to discard "
                    "it",
                )
            if continues:
                self._check_pages()
            else:
                self._began = True
                shutil.rmtree(self.partial, ignore_errors=True)
                self._staging.begin(self._header)
            return lmdb.open(
                os.fsencode(self.partial),  # of a text, lmdb makes bytes by the locale
                map_size=64 << 20,
                lock=False,
                sync=self._resumable,
                meminit=True,  # else what this process held before, real scans maybe, fills gaps
            )

    def give_name(self) -> None:
        """Put the finished store in its place; another one that was there is gone then."""
        self._staging.publish(replace=is_store(self.path), keep_header=False)

    def leave(self, *, finished: bool) -> None:
        """Let go of the place, and of an unfinished store that nobody can continue."""
        if self._began and not finished and not self._resumable:
            shutil.rmtree(self.partial, ignore_errors=True)
        self._lock.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Within, a disk that is full or read-only is a StoreError that names the store."""
        try:
            yield
        except (lmdb.Error, OSError) as error:
            raise _unwritable(self.path, error) from None

    def not_continued(self, error: Exception) -> StoreError:
        """What to say of an unfinished store that is damaged."""
        return StoreError(
            f"the unfinished store cannot be continued ({error})",
            where=str(self.partial / "data.mdb"),
            remedy=f"Remove {self.partial.name} to begin anew",
        )

    def _check(self) -> None:
        if not self.path.exists() and not self.path.is_symlink():
            return
        if is_store(self.path):
            if not self._overwrite:
                sweep(self.path)
                raise StoreError(
                    "a store is already there",
                    where=str(self.path),
                    remedy="Choose another place, or pass --overwrite to replace it",
                )
        elif not self.path.is_dir() or any(self.path.iterdir()):
            raise StoreError(
                "something that is not a store is already there",
                where=str(self.path),
                remedy="Choose another place",
            )

    def _read_header(self) -> dict[str, Any]:
        """Of the unfinished store that is there; empty where there is none that can be read."""
        if self._staging.header_file(self.partial).is_file():
            with contextlib.suppress(ValueError):
                return self._staging.read_header(self.partial)
        return {}

    def _check_pages(self) -> None:
        """Refuse what a crash of the system, or half a copy, left: LMDB would end the process.

        Raises:
            StoreError: it cannot be continued.
        """
        data = self.partial / "data.mdb"
        try:
            if data.exists():
                check_pages(data)
        except ValueError as error:
            raise self.not_continued(error) from None


def sweep(path: Path) -> None:
    """Remove what a writer left that was killed when its store had its name already."""
    Staging(path, HEADER).sweep()


def _unwritable(path: Path, error: lmdb.Error | OSError) -> StoreError:
    # LMDB calls a write that found room for a part an input/output error.
    of_lmdb = isinstance(error, lmdb.Error)
    reason = str(error).rpartition(": ")[2] if of_lmdb else os_errors.reason(error)
    return StoreError(
        f"cannot be written ({reason})",
        where=str(path),
        remedy=os_errors.remedy(error, otherwise=os_errors.ROOM if of_lmdb else ""),
    )
