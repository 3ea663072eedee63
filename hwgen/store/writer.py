"""Writing a store, block by block."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import lmdb
import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset, sorted_charset
from hwgen.errors import InputError, StoreError
from hwgen.io.json_files import parse_json, write_json
from hwgen.record import Image, Record
from hwgen.schema import from_json
from hwgen.store.layout import (
    COLUMNS,
    MAX_SIZE,
    Manifest,
    content_hash,
    image_shape,
    key,
    versions,
)
from hwgen.store.reader import Store
from hwgen.store.staging import StoreStaging

_BLOCK_BYTES = 4 << 20
_BLOCK_RECORDS = 1024
_TABLES = b"tables"


class _Table(dict[str, int]):
    """Text -> index, in order of first appearance; new text gets the next index."""

    def __missing__(self, text: str) -> int:
        index = self[text] = len(self)
        return index


@dataclass(frozen=True)
class _Saved:
    """State of a resumable store, saved with its blocks."""

    blocks: int
    labels: list[str]
    writers: list[str]
    sources: list[str]
    note: Any = None


class StoreWriter:
    """Writes one store, block by block; the store does not exist before `finish`.

    Use as a context manager: leaving it without `finish` keeps the unfinished store only if it is
    resumable.

    Args:
        path: the store's directory.
        size: width and height of each image, pixels.
        channels: 1 grey, 3 colour.
        recipe: plain JSON that determines every byte of the store. With `resumable`, an unfinished
            store with the same recipe is continued.
        resumable: whether the caller can continue from `count` records; syncs every block to disk.
            An unfinished store that is not resumable is deleted.
        overwrite: replace a finished store at `path` once the new one is finished, and discard an
            unfinished one with another recipe.

    Attributes:
        note: plain JSON of the caller, saved with every block; None in a new store, that of the
            last block in a continued one.

    Raises:
        RecipeChangedError: a resumable unfinished store with another recipe exists.
        StoreError: a store or something else is already there, another process is writing it, the
            disk cannot be written, or an unfinished store is damaged.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        size: int,
        channels: int = 1,
        recipe: Mapping[str, Any],
        resumable: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self.size, self.channels = size, channels
        if not 1 <= size <= MAX_SIZE:
            raise StoreError(
                f"the size of images must be from 1 to {MAX_SIZE:,} pixels, found {size}",
                where=str(self.path),
            )
        self._resumable = resumable
        header = {
            "resumable": resumable,
            "size": size,
            "channels": channels,
            "recipe": json.loads(json.dumps(recipe)),
            # Absent from stores begun by old versions, whose blocks have no hashes.
            "hash": "sha256 a block",
        }
        self._staging = StoreStaging(
            self.path, header=header, resumable=resumable, overwrite=overwrite
        )
        self._finished = False
        self._env: lmdb.Environment | None = None
        record_bytes = size * size * channels
        self.block_records = max(1, min(_BLOCK_RECORDS, _BLOCK_BYTES // record_bytes))
        self._images = np.empty((self.block_records, *image_shape(size, channels)), np.uint8)
        self._columns = np.empty(self.block_records, COLUMNS)
        self._filled = 0
        self._tables = {"labels": _Table(), "writers": _Table(), "sources": _Table()}
        self._blocks = 0
        self.note: Any = None
        try:
            self._env = self._begin_or_continue()
        except BaseException:
            self._close()
            raise

    @property
    def count(self) -> int:
        """Number of records so far, including those of a continued store."""
        return self._blocks * self.block_records + self._filled

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def add(self, record: Record) -> None:
        """Append one record with a framed image.

        Raises:
            StoreError: the image has another shape or type than the store.
        """
        self.add_batch(
            record.image[None],
            labels=[record.label],
            writers=[record.writer],
            sources=[record.source],
            positions=[record.position],
        )

    def add_batch(
        self,
        images: Image,
        *,
        labels: Sequence[str],
        writers: Sequence[str],
        sources: Sequence[str],
        positions: Sequence[int] | npt.NDArray[np.integer[Any]],
    ) -> None:
        """Append many records with framed images; equivalent to repeated `add`.

        Args:
            images: uint8 [n, size, size(, 3)]; copied.
            labels: n texts.
            writers: n ids, see Record.
            sources: n names, see Record.
            positions: n positions in the sources.

        Raises:
            StoreError: the images have another shape or type than the store, or lengths differ.
        """
        lengths = (len(labels), len(writers), len(sources), len(positions))
        if lengths != (len(images),) * 4:
            raise StoreError(
                f"{len(images)} images with {lengths} labels, writers, sources and positions",
                where=str(self.path),
            )
        if images.shape[1:] != self._images.shape[1:] or images.dtype != np.uint8:
            raise StoreError(
                f"expected images of shape {self._images.shape[1:]} uint8, found "
                f"{images.shape[1:]} {images.dtype}",
                where=f"{sources[0]}@{positions[0]}" if sources else str(self.path),
            )
        start = 0
        while start < len(images):
            stop = min(len(images), start + self.block_records - self._filled)
            rows = slice(self._filled, self._filled + stop - start)
            self._images[rows] = images[start:stop]
            # Text tables grow block by block, so that each block is saved with its own text.
            for name, texts in (("label", labels), ("writer", writers), ("source", sources)):
                table = self._tables[name + "s"]
                self._columns[name][rows] = [table[text] for text in texts[start:stop]]
            self._columns["position"][rows] = positions[start:stop]
            self._filled = rows.stop
            start = stop
            if self._filled == self.block_records:
                self._flush()

    def finish(
        self,
        *,
        charset: Charset | None = None,
        origin: Mapping[str, Any],
        reports: Mapping[str, Any] | None = None,
    ) -> Store:
        """Write the last block and the manifest, then rename the store to its final path.

        Args:
            charset: the classes in order; None takes the labels added, sorted.
            origin: see Manifest.origin.
            reports: further JSON files for the store's folder, by file name. Names that are not in
                hwgen.store.layout.FILES count as a user's, so that the store is not replaced.

        Raises:
            CharsetError: a record's label is not in `charset`.
            StoreError: for example, the disk is full.
        """
        with self._staging.writing():
            return self._finish(charset, origin, reports or {})

    def _finish(
        self, charset: Charset | None, origin: Mapping[str, Any], reports: Mapping[str, Any]
    ) -> Store:
        assert self._env is not None
        total = self.count
        blocks = -(-total // self.block_records)
        if self._filled:
            self._flush()
        tables = {name: list(table) for name, table in self._tables.items()}
        charset = charset or sorted_charset(tables["labels"])
        ids = charset.ids(tables["labels"])
        of_label = np.zeros(len(tables["labels"]), np.int64)
        of_writer = np.zeros(len(tables["writers"]), np.int64)
        hashes = []
        # Images are not read again: the hashes of the blocks are used.
        with self._env.begin() as txn:
            for block in range(blocks):
                columns = np.frombuffer(_get(txn, "columns", block), COLUMNS)
                of_label += np.bincount(columns["label"], minlength=len(of_label))
                of_writer += np.bincount(columns["writer"], minlength=len(of_writer))
                hashes.append(_get(txn, "sha256", block))
        class_counts = [0] * len(charset)
        for class_id, count in zip(ids, of_label.tolist(), strict=True):
            class_counts[class_id] = count
        self._env.sync(True)
        self._env.close()
        manifest = Manifest(
            count=total,
            size=self.size,
            channels=self.channels,
            charset=list(charset.labels),
            charset_fingerprint=charset.fingerprint,
            class_counts=class_counts,
            writer_counts=dict(zip(tables["writers"], of_writer.tolist(), strict=True)),
            tables=tables,
            origin=dict(origin),
            block_records=self.block_records,
            content_sha256=content_hash(charset.labels, tables, hashes),
            versions=versions(),
        )
        for name, value in reports.items():
            write_json(self._staging.partial / name, value)
        write_json(self._staging.partial / "manifest.json", asdict(manifest))
        self._staging.give_name()
        self._finished = True
        return Store(self.path)

    def _begin_or_continue(self) -> lmdb.Environment:
        env = self._staging.begin_or_continue()
        try:
            with env.begin() as txn:
                self._restore(txn)
        except (lmdb.Error, ValueError, InputError) as error:
            env.close()
            raise self._staging.not_continued(error) from None
        return env

    def _restore(self, txn: lmdb.Transaction) -> None:
        """Restore the state of an unfinished store, if there is one.

        Raises:
            ValueError: it is damaged.
            InputError: it is damaged.
        """
        tables = txn.get(_TABLES)
        if tables is None:
            return
        saved: _Saved = from_json(_Saved, parse_json(bytes(tables).decode()), "saved")
        if saved.blocks and txn.get(key("sha256", saved.blocks - 1)) is None:
            raise ValueError(f"it has no block {saved.blocks - 1}")
        self._blocks, self.note = saved.blocks, saved.note
        for name, table in self._tables.items():
            for text in getattr(saved, name):
                table[text]  # adds it

    def _flush(self) -> None:
        images, columns = self._images[: self._filled], self._columns[: self._filled]
        digest = hashlib.sha256(columns.data)
        digest.update(images.data)
        # Only `finish` flushes a short block; a continued store writes it again.
        full = int(self._filled == self.block_records)
        tables = b""
        if self._resumable:
            texts = {name: list(table) for name, table in self._tables.items()}
            saved = {"blocks": self._blocks + full, "note": self.note, **texts}
            tables = json.dumps(saved).encode()
        # Space for this block and for LMDB's copies of the pages it changes. The map can grow only
        # while there is no transaction.
        assert self._env is not None
        info = self._env.info()
        page = self._env.stat()["psize"]
        needed = (info["last_pgno"] + 64) * page + 2 * (images.nbytes + columns.nbytes)
        needed += 4 * len(tables)
        if needed > info["map_size"]:
            self._env.set_mapsize(max(needed, 2 * info["map_size"]))
        with self._staging.writing(), self._env.begin(write=True) as txn:
            txn.put(key("images", self._blocks), images.data)
            txn.put(key("columns", self._blocks), columns.data)
            txn.put(key("sha256", self._blocks), digest.digest())
            if tables:
                txn.put(_TABLES, tables)
        self._blocks += full
        self._filled = 0

    def _close(self) -> None:
        if self._env is not None and not self._finished:
            self._env.close()
        self._staging.leave(finished=self._finished)


def _get(txn: lmdb.Transaction, kind: str, block: int) -> bytes:
    """A value that this writer stored."""
    value = txn.get(key(kind, block))
    assert value is not None
    return bytes(value)
