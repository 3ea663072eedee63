"""In: framed Records of one size. Out: a store (LMDB + manifest), and the same Records read back.

A store is a directory:

    manifest.json   written last: without it there is no store
    data.mdb        LMDB with two kinds of keys, `columns/%08d` and `images/%08d`, a pair a block

A block holds many records, so that LMDB's 4,096-byte pages are not wasted on single pictures: its
images are one uint8 array [n, size, size(, 3)], its columns one array of COLUMNS. Columns point
into tables of texts that the manifest keeps; the charset gives the labels their class ids.
While it is written a store lies in `NAME.partial` and is renamed at the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import filelock
import lmdb
import numpy as np
import numpy.typing as npt

import hwgen
from hwgen.charset import Charset, sorted_charset
from hwgen.errors import RecipeChangedError, StoreError
from hwgen.files import write_json
from hwgen.presets import differences
from hwgen.record import Image, Record

FORMAT = "hwgen-store"
FORMAT_VERSION = 1
POLARITY = "255 = paper, 0 = ink"
COLUMNS = np.dtype([("label", "<u4"), ("writer", "<u4"), ("source", "<u4"), ("position", "<u8")])
"""One row a record: places in the text tables, and the position within the source."""

_BLOCK_BYTES = 4 << 20
_BLOCK_RECORDS = 1024
_TABLES = b"tables"


@dataclass(frozen=True)
class Manifest:
    """What a store says of itself; every field is plain JSON.

    Attributes:
        count: number of records.
        size: side of each picture, pixels.
        channels: 1 grey, 3 colour.
        charset: labels in class order.
        charset_fingerprint: of `charset`, see Charset.fingerprint.
        class_counts: records a class, in class order; a class may be empty.
        writer_counts: records a writer; the writer "" is "not known".
        tables: the texts that the columns point into: "labels", "writers", "sources".
        origin: where the records came from: {"kind": "gnt" | "synthetic" | ..., and its recipe}.
        block_records: records in every block but the last.
        content_sha256: hash over charset, tables and all blocks: equal for equal records in equal
            order.
        versions: of hwgen and of the libraries that made the pixels.
    """

    count: int
    size: int
    channels: int
    charset: list[str]
    charset_fingerprint: str
    class_counts: list[int]
    writer_counts: dict[str, int]
    tables: dict[str, list[str]]
    origin: dict[str, Any]
    block_records: int
    content_sha256: str
    versions: dict[str, str]
    polarity: str = POLARITY
    format: str = FORMAT
    format_version: int = FORMAT_VERSION


def _key(kind: str, block: int) -> bytes:
    return f"{kind}/{block:08d}".encode()


def _image_shape(size: int, channels: int) -> tuple[int, ...]:
    return (size, size) if channels == 1 else (size, size, channels)


def partial_path(path: Path) -> Path:
    """Where a store of this name lies while it is being written."""
    return path.with_name(path.name + ".partial")


def is_store(path: Path) -> bool:
    """Whether a finished store lies at this path."""
    # os.path: a text too long for a path is no store, and no error either.
    return os.path.isfile(path / "manifest.json") and os.path.isfile(path / "data.mdb")


def _versions() -> dict[str, str]:
    import PIL

    return {
        "hwgen": hwgen.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }


class Store:
    """A finished store, read-only; opened lazily in each process, so it may be pickled or forked.

    Args:
        path: the store's directory.

    Raises:
        StoreError: no store there, an unfinished one, or one of a foreign format.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.manifest = _read_manifest(self.path)
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
        shape = _image_shape(self.size, self.channels)
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
        out = np.empty((len(self), *_image_shape(self.size, self.channels)), np.uint8)
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
                yield flat.reshape(-1, *_image_shape(self.size, self.channels))

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
        value = txn.get(_key(kind, block))
        in_block = min(
            self.manifest.block_records, self.manifest.count - block * self.manifest.block_records
        )
        width = COLUMNS.itemsize if kind == "columns" else self._record_bytes
        if value is None or len(value) != in_block * width:
            found = "nothing" if value is None else f"{len(value)} bytes"
            raise StoreError(
                f"damaged: expected {in_block * width} bytes, found {found}",
                where=f"{self.path / 'data.mdb'}[{_key(kind, block).decode()}]",
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


def _read_manifest(path: Path) -> Manifest:
    file = path / "manifest.json"
    if not file.is_file():
        if partial_path(path).exists():
            raise StoreError(
                "is unfinished",
                where=str(path),
                remedy="Run the command that was writing it once more",
            )
        raise StoreError(
            "no store here (manifest.json is missing)",
            where=str(path),
            remedy="Make one with: hwgen prepare-gnt",
        )
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        version = fields.get("format_version")
        if fields.get("format") != FORMAT or version != FORMAT_VERSION:
            raise StoreError(
                f"is format {fields.get('format')!r} version {version!r}; this hwgen reads "
                f"{FORMAT!r} version {FORMAT_VERSION}",
                where=str(file),
            )
        return Manifest(**fields)
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"is not a store's manifest ({error})", where=str(file)) from None


@dataclass
class _Table:
    """Texts in the order of their first appearance."""

    texts: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)

    def place(self, text: str) -> int:
        found = self.places.get(text)
        if found is None:
            found = self.places[text] = len(self.texts)
            self.texts.append(text)
        return found


class StoreWriter:
    """Writes one store, block by block; nothing that looks like a store exists before `finish`.

    Use as a context manager: leaving it without `finish` keeps the partial store only when it can
    be continued.

    Args:
        path: where the store shall be.
        size: side of each picture, pixels.
        channels: 1 grey, 3 colour.
        recipe: plain JSON that decides every byte of the store. With `resumable`, a partial
            store of the same recipe is continued.
        resumable: whether the caller can go on from `count` records; makes every block durable.
            What a writer that is not resumable left behind is thrown away.
        overwrite: replace a finished store at `path`, at the moment the new one is finished, and
            discard an unfinished one of another recipe.

    Raises:
        RecipeChangedError: an unfinished, resumable store of another recipe is there.
        StoreError: a store or something else is already there, or another process writes to it.
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
        self._partial = partial_path(self.path)
        self._recipe = json.loads(json.dumps(recipe))
        self._resumable, self._overwrite = resumable, overwrite
        self._check_target()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = filelock.FileLock(str(self.path.with_name(self.path.name + ".lock")))
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise StoreError(
                "another process is writing this store", where=str(self.path), remedy="Wait for it"
            ) from None
        except OSError as error:
            raise StoreError(f"cannot be written ({error.strerror})", where=str(path)) from None
        self._finished = False
        record_bytes = size * size * channels
        self.block_records = max(1, min(_BLOCK_RECORDS, _BLOCK_BYTES // record_bytes))
        self._images = np.empty((self.block_records, *_image_shape(size, channels)), np.uint8)
        self._columns = np.empty(self.block_records, COLUMNS)
        self._filled = 0
        self._tables = {"labels": _Table(), "writers": _Table(), "sources": _Table()}
        self._blocks = 0
        self._begin_or_continue()

    @property
    def count(self) -> int:
        """Records added so far, those of a continued partial store included."""
        return self._blocks * self.block_records + self._filled

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._finished:
            self._env.close()
            if not self._resumable:
                shutil.rmtree(self._partial, ignore_errors=True)
        self._lock.release()
        with contextlib.suppress(OSError):
            Path(self._lock.lock_file).unlink()

    def add(self, record: Record) -> None:
        """Append one record, whose image is already framed.

        Raises:
            StoreError: the image's shape or type is not the store's.
        """
        if record.image.shape != self._images.shape[1:] or record.image.dtype != np.uint8:
            raise StoreError(
                f"a record of shape {record.image.shape} {record.image.dtype} does not fit a store "
                f"of {self._images.shape[1:]} uint8",
                where=f"{record.source}@{record.position}",
            )
        self._images[self._filled] = record.image
        self._columns[self._filled] = (
            self._tables["labels"].place(record.label),
            self._tables["writers"].place(record.writer),
            self._tables["sources"].place(record.source),
            record.position,
        )
        self._filled += 1
        if self._filled == self.block_records:
            self._flush()

    def finish(
        self,
        *,
        charset: Charset | None = None,
        origin: Mapping[str, Any],
        reports: Mapping[str, Any] | None = None,
    ) -> Store:
        """Write what is left, then the manifest, then give the store its name.

        Args:
            charset: the class order; None takes the labels that were added, sorted.
            origin: {"kind": ..., and whatever says where the records came from}.
            reports: further JSON files of the store, by file name; no part of its content.

        Raises:
            CharsetError: a record's label is not in `charset`.
        """
        total = self.count
        blocks = -(-total // self.block_records)
        if self._filled:
            self._flush()
        labels = self._tables["labels"].texts
        charset = charset or sorted_charset(labels)
        ids = charset.ids(labels)
        class_counts = [0] * len(charset)
        writer_counts = dict.fromkeys(self._tables["writers"].texts, 0)
        tables = {name: table.texts for name, table in self._tables.items()}
        digest = hashlib.sha256(json.dumps([charset.labels, tables]).encode())
        with self._env.begin(buffers=True) as txn:
            for block in range(blocks):
                columns = np.frombuffer(bytes(txn.get(_key("columns", block)) or b""), COLUMNS)
                digest.update(columns.tobytes())
                digest.update(txn.get(_key("images", block)) or b"")
                for place, n in zip(*np.unique(columns["label"], return_counts=True), strict=True):
                    class_counts[ids[int(place)]] += int(n)
                writers, counts = np.unique(columns["writer"], return_counts=True)
                for place, n in zip(writers, counts, strict=True):
                    writer_counts[self._tables["writers"].texts[int(place)]] += int(n)
        self._env.sync(True)
        self._env.close()
        manifest = Manifest(
            count=total,
            size=self.size,
            channels=self.channels,
            charset=list(charset.labels),
            charset_fingerprint=charset.fingerprint,
            class_counts=class_counts,
            writer_counts=writer_counts,
            tables=tables,
            origin=dict(origin),
            block_records=self.block_records,
            content_sha256=digest.hexdigest(),
            versions=_versions(),
        )
        for name, value in (reports or {}).items():
            write_json(self._partial / name, value)
        (self._partial / "recipe.json").unlink()
        write_json(self._partial / "manifest.json", asdict(manifest))
        self._give_name()
        self._finished = True
        return Store(self.path)

    def _check_target(self) -> None:
        if not self.path.exists() and not self.path.is_symlink():
            return
        if is_store(self.path):
            if not self._overwrite:
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

    def _begin_or_continue(self) -> None:
        recipe_file = self._partial / "recipe.json"
        header = {
            "resumable": self._resumable,
            "size": self.size,
            "channels": self.channels,
            "recipe": self._recipe,
        }
        began: dict[str, Any] = {}
        if recipe_file.is_file():
            with contextlib.suppress(ValueError):
                began = json.loads(recipe_file.read_text(encoding="utf-8"))
        continues = self._resumable and began == header
        if began.get("resumable") and not continues and not self._overwrite:
            self._lock.release()
            raise RecipeChangedError(
                "an unfinished store of another recipe is there (began -> now):\n  "
                + "\n  ".join(differences(began, header))
                + "\n",
                where=str(self.path),
                remedy="Go on with the options it began with, or pass --overwrite to discard it",
            )
        if not continues:
            shutil.rmtree(self._partial, ignore_errors=True)
            self._partial.mkdir()
            write_json(recipe_file, header)
        self._env = lmdb.open(
            str(self._partial), map_size=64 << 20, lock=False, sync=self._resumable, meminit=False
        )
        with self._env.begin() as txn:
            tables = txn.get(_TABLES)
        if tables is None:
            return
        saved = json.loads(tables)
        self._blocks = saved["blocks"]
        for name, table in self._tables.items():
            for text in saved[name]:
                table.place(text)

    def _flush(self) -> None:
        images, columns = self._images[: self._filled], self._columns[: self._filled]
        # Only `finish` flushes a short block; a continued store writes that one again.
        full = int(self._filled == self.block_records)
        tables = json.dumps(
            {"blocks": self._blocks + full, **{n: t.texts for n, t in self._tables.items()}}
        ).encode()
        # Room for this block and for LMDB's copies of the pages it touches, made beforehand:
        # the map may only grow while no transaction is alive.
        info = self._env.info()
        page = self._env.stat()["psize"]
        needed = (info["last_pgno"] + 64) * page + 2 * (images.nbytes + columns.nbytes)
        needed += 4 * len(tables)
        if needed > info["map_size"]:
            self._env.set_mapsize(max(needed, 2 * info["map_size"]))
        try:
            with self._env.begin(write=True) as txn:
                txn.put(_key("images", self._blocks), images.data)
                txn.put(_key("columns", self._blocks), columns.tobytes())
                txn.put(_TABLES, tables)
        except lmdb.Error as error:
            raise StoreError(
                f"cannot be written ({error})", where=str(self._partial), remedy="Is the disk full?"
            ) from None
        self._blocks += full
        self._filled = 0

    def _give_name(self) -> None:
        old = self.path.with_name(self.path.name + ".replaced")
        if is_store(self.path):
            shutil.rmtree(old, ignore_errors=True)
            self.path.rename(old)
        elif self.path.is_dir():
            self.path.rmdir()
        self._partial.rename(self.path)
        shutil.rmtree(old, ignore_errors=True)
