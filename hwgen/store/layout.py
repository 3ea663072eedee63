"""The format of a store: files, manifest, keys and columns.

A store is a directory:

    manifest.json   written last: without it there is no store
    data.mdb        LMDB with the keys `columns/%08d`, `images/%08d` and `sha256/%08d` per block

A block has many records, so that LMDB's 4,096-byte pages are not wasted on single images: its
images are one uint8 array [n, size, size(, 3)], its columns one array of COLUMNS, its sha256 the
hash of columns, then images. Columns are indices into text tables in the manifest; the charset
gives labels their class ids. An unfinished store is in `NAME.partial`, which is renamed at the end.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import hwgen
from hwgen.charset import Charset
from hwgen.errors import InputError, StoreError
from hwgen.io.json_files import read_json
from hwgen.io.neighbours import WITHIN, partial_path
from hwgen.io.paths import describe_path, prepare_command, suggest_path
from hwgen.schema import from_json

MANIFEST = "manifest.json"
FILES = frozenset({MANIFEST, "data.mdb", "lock.mdb", "prepare-report.json", "yield.json"})
"""Names that a store's folder may contain; others are a user's."""

FORMAT = "hwgen-store"
FORMAT_VERSION = 1
POLARITY = "255 = paper, 0 = ink"
MAX_SIZE = 1 << 14
"""Maximum width and height of an image, pixels."""

COLUMNS = np.dtype([("label", "<u4"), ("writer", "<u4"), ("source", "<u4"), ("position", "<u8")])
"""One row per record: indices into the text tables, and the position in the source."""


@dataclass(frozen=True)
class Manifest:
    """Description of a store; every field is plain JSON.

    Attributes:
        count: number of records.
        size: width and height of each image, pixels.
        channels: 1 grey, 3 colour.
        charset: labels in class order.
        charset_fingerprint: see Charset.fingerprint.
        class_counts: number of records per class; may be 0.
        writer_counts: number of records per writer; "" is an unknown writer.
        tables: the text tables of the columns: "labels", "writers", "sources".
        origin: {"kind": ..., and the recipe of that kind}. Kinds: "gnt" (scans), "ink" (rendered
            real pen trajectories), "images" (image files, with their "format" and whether they
            were "inverted"), "strokes" (simulated handwriting), "synthetic" (from a generator).
            With any kind, {"synthetic": True} means that a generator made some of the records,
            which came back from an export, and {"simulated": True, "notice": ...} that some are
            simulated handwriting, made from strokes under these terms; {"generated": True} that no
            record has pixels of real samples. See hwgen.store.origin.
        block_records: number of records in every block but the last.
        content_sha256: hash of charset, tables and the hashes of all blocks; equal for the same
            records in the same order.
        versions: of hwgen and of the libraries that determine the pixels.
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


def key(kind: str, block: int) -> bytes:
    """The LMDB key of a block's "images", "columns" or "sha256"."""
    return f"{kind}/{block:08d}".encode()


def image_shape(size: int, channels: int) -> tuple[int, ...]:
    """Shape of one image."""
    return (size, size) if channels == 1 else (size, size, channels)


def is_store(path: Path) -> bool:
    """Whether there is a finished store at this path."""
    return _files_present(path) == 2


def looks_like_store(path: Path) -> bool:
    """Whether there is a store at this path, also an incomplete or unfinished one."""
    return _files_present(path) > 0 or (not os.path.exists(path) and is_unfinished(path))


def is_unfinished(path: Path) -> bool:
    """Whether a store is being written to this path, or was before its process was killed."""
    return os.path.isdir(partial_path(path)) or os.path.isdir(path / WITHIN)


def _files_present(path: Path) -> int:
    # os.path, since Path would raise for names that are too long.
    return os.path.isfile(path / MANIFEST) + os.path.isfile(path / "data.mdb")


def versions() -> dict[str, str]:
    """Versions of hwgen and of the libraries that determine the pixels."""
    import PIL

    return {
        "hwgen": hwgen.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }


def read_manifest(path: Path) -> Manifest:
    """The manifest of the store at `path`.

    Raises:
        StoreError: no store, an unfinished one, or one of another format.
    """
    file = path / MANIFEST
    if not file.is_file():
        if is_unfinished(path):
            raise StoreError(
                "is unfinished",
                where=str(path),
                remedy="Rerun the command that was writing it",
            )
        raise _no_store(path)
    try:
        fields = read_json(file)
        version = fields.get("format_version")
        if fields.get("format") != FORMAT or version != FORMAT_VERSION:
            raise StoreError(
                f"expected format {FORMAT!r} version {FORMAT_VERSION}, found "
                f"{fields.get('format')!r} version {version!r}",
                where=str(file),
            )
        manifest: Manifest = from_json(Manifest, fields, "manifest")
        _check(manifest)
        return manifest
    except (ValueError, AttributeError, InputError) as error:
        raise StoreError(
            f"is not a store's manifest ({error})",
            where=str(file),
            remedy="The copy may be incomplete; copy or prepare the store again",
        ) from None


def _no_store(path: Path) -> StoreError:
    found = describe_path(path)
    what, remedy = found or "manifest.json is missing", "Make a store with: hwgen prepare-gnt"
    if command := prepare_command(found):
        remedy = f"Make a store of it: {command} {shlex.quote(str(path))} --out STORE"
    remedy = suggest_path(path, remedy, [MANIFEST])
    if (path / "data.mdb").is_file():
        what += " beside data.mdb"
        remedy = "Copy the store again; for an OCR LMDB, use hwgen prepare-images"
    return StoreError(f"no store here: {what}", where=str(path), remedy=remedy)


def content_hash(
    charset: Sequence[str], tables: Mapping[str, Sequence[str]], blocks: Iterable[bytes]
) -> str:
    """Manifest.content_sha256.

    Args:
        charset: labels in class order.
        tables: see Manifest.
        blocks: the hashes of all blocks in their order.
    """
    digest = hashlib.sha256(json.dumps([charset, tables]).encode())
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def record_bytes(manifest: Manifest) -> int:
    """Minimum size of one record in data.mdb, bytes."""
    return manifest.size**2 * manifest.channels + COLUMNS.itemsize


def _check(manifest: Manifest) -> None:
    """Refuse inconsistent manifests, and ones that would exhaust the memory.

    Raises:
        ValueError: says what is wrong.
    """
    if not (1 <= manifest.size <= MAX_SIZE and manifest.channels in (1, 3)):
        raise ValueError(f"images of {manifest.size} pixels with {manifest.channels} channels")
    if manifest.polarity != POLARITY:
        raise ValueError(f"polarity {manifest.polarity!r:.60}, expected {POLARITY!r}")
    if manifest.block_records < 1:
        raise ValueError(f"blocks of {manifest.block_records} records")
    if set(manifest.tables) != {"labels", "writers", "sources"}:
        raise ValueError(f"tables {', '.join(manifest.tables):.80}")
    counts = manifest.class_counts
    if len(counts) != len(manifest.charset) or min([0, *counts]) < 0:
        raise ValueError(f"{len(counts)} counts for {len(manifest.charset)} classes")
    if sum(counts) != manifest.count or sum(manifest.writer_counts.values()) != manifest.count:
        raise ValueError(f"counts of classes or writers do not add up to {manifest.count}")
    if Charset(tuple(manifest.charset)).fingerprint != manifest.charset_fingerprint:
        raise ValueError("the fingerprint does not match the charset")
