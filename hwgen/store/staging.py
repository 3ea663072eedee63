"""The folder of a store while it is written: locked, resumable, renamed at the end.

A store is written in PATH.partial, with a recipe.json from the beginning, and renamed to PATH when
it is complete; or in PATH itself, if that is an empty folder. See hwgen.io.staging.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import lmdb

from hwgen.errors import RecipeChangedError, StoreError
from hwgen.io import os_errors
from hwgen.io.lmdb_pages import check_pages
from hwgen.io.neighbours import entries, with_temporary
from hwgen.io.staging import ASIDE, MOVING, Staging
from hwgen.schema import differences
from hwgen.store.layout import FILES, MANIFEST, is_store

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
        self._header, self._resumable, self._overwrite = header, resumable, overwrite
        self._began = False  # whether the unfinished store is this process's own
        self._lock = contextlib.ExitStack()
        self.path = path
        with self.writing():
            self._staging = _staging(path)
            self.partial = self._staging.partial
            self._replaces = check_place(path, overwrite=overwrite)
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
            StoreError: the unfinished store is damaged, the disk cannot be written, or something of
                the user's is in the way.
        """
        with self.writing():
            self._staging.check_neighbours(replace=self._replaces)
            began = self._read_header()
            continues = self._resumable and began == self._header
            if began.get("resumable") and not continues and not self._overwrite:
                raise RecipeChangedError(
                    "an unfinished store with another recipe exists (its recipe -> yours)",
                    where=str(self.path),
                    details=differences(began, self._header),
                    remedy="Rerun with its options to resume it, or with --overwrite to discard it",
                )
            if continues:
                self._check_pages()
            else:
                self._staging.discard()
                self._began = True
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
        self._began = False  # it is finished: kept, whatever happens
        try:
            self._staging.publish(replace=is_store(self._staging.path), keep_header=False)
        except OSError as error:
            raise StoreError(
                f"the store is finished, but cannot be moved there ({os_errors.reason(error)})",
                where=str(self.path),
                remedy=f"It is in {self.partial}; move it from there",
            ) from None

    def leave(self, *, finished: bool) -> None:
        """Release the lock, and delete an unfinished store that is not resumable."""
        if self._began and not finished and not self._resumable:
            with contextlib.suppress(OSError):
                self._staging.discard()
        self._lock.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turn errors of writing into a StoreError that names the store."""
        with _writing(self.path):
            yield

    def not_continued(self, error: Exception) -> StoreError:
        """The error for an unfinished store that is damaged."""
        return StoreError(
            f"the unfinished store cannot be continued ({error})",
            where=str(self.partial / "data.mdb"),
            remedy=f"Remove {self.partial.name} to start over",
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


def check_place(path: Path, *, overwrite: bool, inputs: Iterable[Path] = ()) -> bool:
    """Refuse a path where no store can be written; called before long work.

    Args:
        path: where the store will be.
        overwrite: whether a finished store there may be replaced.
        inputs: what the store is made from, which must not be replaced.

    Returns:
        Whether a finished store is there, which will be replaced.

    Raises:
        StoreError: a store or something else is already there, or a store's folder holds files
            that are not the store's; or an input lies there.
    """
    with _writing(path):
        replaces = _check_place(path, overwrite=overwrite, inputs=inputs)
        _staging(path).check_neighbours(replace=replaces)
        return replaces


def _check_place(path: Path, *, overwrite: bool, inputs: Iterable[Path]) -> bool:
    staging = _staging(path)
    if not is_store(staging.path):
        if not staging.is_free():
            raise StoreError(
                "already exists and is not a store",
                where=str(path),
                remedy="Give another --out",
            )
        return False
    remove_leftovers(path)
    if not overwrite:
        raise StoreError(
            "a store is already there",
            where=str(path),
            remedy="Give another --out, or pass --overwrite to replace it",
        )
    place = staging.path.resolve()
    if any(place in (one.resolve(), *one.resolve().parents) for one in inputs):
        raise StoreError(
            "the store to replace is itself an input", where=str(path), remedy="Give another --out"
        )
    others = _others(staging.path)
    if others:
        more = f" and {len(others) - 1:,} more" if len(others) > 1 else ""
        raise StoreError(
            f"the store to replace holds a file that hwgen did not make: {others[0]}{more}",
            where=str(path),
            remedy="Move it elsewhere, or give another --out",
        )
    return True


def remove_leftovers(path: Path) -> None:
    """Remove what a process left that was killed after it had finished the store."""
    _staging(path).remove_leftovers()


def _staging(path: Path) -> Staging:
    try:
        return Staging(path, HEADER, is_header=_is_header, last=MANIFEST, others=_others)
    except FileNotFoundError:
        raise StoreError(
            "already exists and is not a store, but a link to nothing",
            where=str(path),
            remedy="Create the folder that it leads to, or give another --out",
        ) from None


def _others(folder: Path) -> list[str]:
    return sorted(entries(folder) - with_temporary([*FILES, HEADER, ASIDE, MOVING]))


def _is_header(header: Mapping[str, Any]) -> bool:
    return {"resumable", "size", "channels", "recipe"} <= header.keys()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (lmdb.Error, OSError) as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: lmdb.Error | OSError) -> StoreError:
    # LMDB reports an incomplete write, on a full disk, as an input/output error.
    of_lmdb = isinstance(error, lmdb.Error)
    reason = str(error).rpartition(": ")[2] if of_lmdb else os_errors.reason(error)
    return StoreError(
        f"cannot be written ({reason})",
        where=str(path),
        remedy=os_errors.remedy(error, otherwise=os_errors.DISK_FULL if of_lmdb else ""),
    )
