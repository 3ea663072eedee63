"""In: a store's directory. Out: its format: manifest, keys, columns; and what lies where.

A store is a directory:

    manifest.json   written last: without it there is no store
    data.mdb        LMDB with keys `columns/%08d`, `images/%08d` and `sha256/%08d`, three a block

A block holds many records, so that LMDB's 4,096-byte pages are not wasted on single images: its
images are one uint8 array [n, size, size(, 3)], its columns one array of COLUMNS, its sha256 the
hash over columns, then images. Columns point into tables of texts that the manifest keeps; the
charset gives the labels their class ids.
While it is written a store lies in `NAME.partial` and is renamed at the end.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import hwgen
from hwgen.charset import Charset
from hwgen.errors import InputError, StoreError
from hwgen.io.json_files import read_json
from hwgen.io.paths import describe_path, suggest_path
from hwgen.io.staging import partial_path
from hwgen.schema import from_json

MANIFEST = "manifest.json"
FORMAT = "hwgen-store"
FORMAT_VERSION = 1
POLARITY = "255 = paper, 0 = ink"
MAX_SIZE = 1 << 14
"""Of an image, pixels."""

COLUMNS = np.dtype([("label", "<u4"), ("writer", "<u4"), ("source", "<u4"), ("position", "<u8")])
"""One row a record: places in the text tables, and the position within the source."""


@dataclass(frozen=True)
class Manifest:
    """What a store says of itself; every field is plain JSON.

    Attributes:
        count: number of records.
        size: side of each image, pixels.
        channels: 1 grey, 3 colour.
        charset: labels in class order.
        charset_fingerprint: of `charset`, see Charset.fingerprint.
        class_counts: records a class, in class order; a class may be empty.
        writer_counts: records a writer; the writer "" is "not known".
        tables: the texts that the columns point into: "labels", "writers", "sources".
        origin: where the records came from: {"kind": ..., and its recipe}; the kind is "gnt" for
            scans, "ink" for real pen trajectories that were drawn, "images" for images of any
            kind, with their "format" and whether they were "inverted", "synthetic" for a
            generator's. {"synthetic": True} with any kind: a generator made some of them, and they
            came back from an export. {"simulated": True, "notice": ...}: `hwgen simulate` wrote
            some of them, from these strokes. See hwgen.store.origin.
        block_records: records in every block but the last.
        content_sha256: hash over charset, tables and the hashes of all blocks: equal for equal
            records in equal order.
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


def key(kind: str, block: int) -> bytes:
    """LMDB key of a block's "images", "columns" or "sha256"."""
    return f"{kind}/{block:08d}".encode()


def image_shape(size: int, channels: int) -> tuple[int, ...]:
    """Shape of one image."""
    return (size, size) if channels == 1 else (size, size, channels)


def is_store(path: Path) -> bool:
    """Whether a finished store lies at this path."""
    return _halves(path) == 2


def looks_like_store(path: Path) -> bool:
    """Whether a store lies there, be it half of one or unfinished: a Store tells what it lacks."""
    return _halves(path) > 0 or (not os.path.exists(path) and os.path.isdir(partial_path(path)))


def _halves(path: Path) -> int:
    # os.path: a text too long for a path is no store, and no error either.
    return os.path.isfile(path / MANIFEST) + os.path.isfile(path / "data.mdb")


def versions() -> dict[str, str]:
    """Of hwgen and of the libraries that make the pixels."""
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
        StoreError: no store there, an unfinished one, or one of a foreign format.
    """
    file = path / MANIFEST
    if not file.is_file():
        if partial_path(path).exists():
            raise StoreError(
                "is unfinished",
                where=str(path),
                remedy="Run the command that was writing it once more",
            )
        alone = (path / "data.mdb").is_file()
        raise StoreError(
            f"no store here: {describe_path(path) or 'manifest.json is missing'}"
            + " beside data.mdb" * alone,
            where=str(path),
            remedy="Was it copied whole? Of an OCR LMDB hwgen prepare-images makes a store"
            if alone
            else suggest_path(path, "Make one with: hwgen prepare-gnt", [MANIFEST]),
        )
    try:
        fields = read_json(file)
        version = fields.get("format_version")
        if fields.get("format") != FORMAT or version != FORMAT_VERSION:
            raise StoreError(
                f"is format {fields.get('format')!r} version {version!r}; this hwgen reads "
                f"{FORMAT!r} version {FORMAT_VERSION}",
                where=str(file),
            )
        manifest: Manifest = from_json(Manifest, fields, "manifest")
        _check(manifest)
        return manifest
    except (ValueError, AttributeError, InputError) as error:
        raise StoreError(f"is not a store's manifest ({error})", where=str(file)) from None


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
    """What one record takes in data.mdb, at least."""
    return manifest.size**2 * manifest.channels + COLUMNS.itemsize


def _check(manifest: Manifest) -> None:
    """Refuse what cannot be, or would ask for memory without measure.

    Raises:
        ValueError: says what.
    """
    if not (1 <= manifest.size <= MAX_SIZE and manifest.channels in (1, 3)):
        raise ValueError(f"images of {manifest.size} pixels, {manifest.channels} channels")
    if manifest.block_records < 1:
        raise ValueError(f"blocks of {manifest.block_records} records")
    if set(manifest.tables) != {"labels", "writers", "sources"}:
        raise ValueError(f"tables {', '.join(manifest.tables):.80}")
    counts = manifest.class_counts
    if len(counts) != len(manifest.charset) or min([0, *counts]) < 0:
        raise ValueError(f"{len(counts)} counts of {len(manifest.charset)} classes")
    if sum(counts) != manifest.count or sum(manifest.writer_counts.values()) != manifest.count:
        raise ValueError(f"counts of classes or writers that are not {manifest.count} in all")
    if Charset(tuple(manifest.charset)).fingerprint != manifest.charset_fingerprint:
        raise ValueError("the classes' fingerprint is not theirs")
