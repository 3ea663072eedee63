"""Summaries of stores, GNT files and runs, in numbers."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hwgen.generators.base import get_kind
from hwgen.imaging.framing import Framing
from hwgen.record import BadRecord, Image, Record
from hwgen.runs import Run
from hwgen.sources.casia_files import GNT, find_files
from hwgen.sources.decoded_names import encodings_of
from hwgen.sources.gnt import read_gnt
from hwgen.sources.unread import Unread, UnreadKind
from hwgen.store import Store


@dataclass(frozen=True)
class Balance:
    """Distribution of records over groups: classes or writers.

    Attributes:
        groups: number of groups, including empty ones.
        empty: number of groups without a record.
        least, median, most: records per group, including empty ones; 0 without groups.
        fewest: up to ten groups with the fewest records, as (name, records).
        largest: up to ten groups with the most records, likewise.
    """

    groups: int
    empty: int
    least: int
    median: float
    most: int
    fewest: list[tuple[str, int]]
    largest: list[tuple[str, int]]


@dataclass(frozen=True)
class StoreSummary:
    """Summary of a store.

    Attributes:
        path: of the store.
        records: number of records.
        size, channels: of each image.
        charset_fingerprint: see Charset.fingerprint.
        classes: records per class.
        class_counts: number of records of every class, in class order.
        writers: records per known writer.
        writer_unknown: records of unknown writers.
        duplicates: records that repeat an earlier one in label and every pixel.
        sources: number of source files or runs.
        origin: {"kind": ...}, see Manifest.
        content_sha256: see Manifest.
        versions: see Manifest.
        bytes_on_disk: of its data file.
    """

    path: str
    records: int
    size: int
    channels: int
    charset_fingerprint: str
    classes: Balance
    class_counts: dict[str, int]
    writers: Balance
    writer_unknown: int
    duplicates: int
    sources: int
    origin: dict[str, Any]
    content_sha256: str
    versions: dict[str, str]
    bytes_on_disk: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"kind": "store", **asdict(self)}


@dataclass(frozen=True)
class GntSummary:
    """Summary of GNT files.

    Attributes:
        files: number of files.
        hidden, not_read: see Unread.
        bytes_read: of all files, uncompressed.
        records: that could be read.
        classes: records per character.
        class_counts: number of records of every character, by code point.
        writers: records per known writer.
        writer_unknown: records in files that are not named after a writer.
        duplicates: records that repeat an earlier one in label, shape and every pixel.
        widths, heights: least, median and most, pixels.
        bad_records: ranges of bytes that are not a record.
        encodings, guessed, encoding_given: see PrepareReport.
    """

    files: int
    hidden: int
    not_read: list[UnreadKind]
    bytes_read: int
    records: int
    classes: Balance
    class_counts: dict[str, int]
    writers: Balance
    writer_unknown: int
    duplicates: int
    widths: tuple[int, float, int]
    heights: tuple[int, float, int]
    bad_records: list[BadRecord]
    encodings: dict[str, str]
    guessed: list[str]
    encoding_given: bool

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"kind": "gnt", **asdict(self)}


@dataclass(frozen=True)
class RunSummary:
    """Summary of a run, finished or not.

    Attributes:
        path: of the run directory.
        id: of the run.
        preset: that the recipe is based on; the run's kind for a recipe without presets.
        seed: of the run.
        classes: number of classes.
        charset_fingerprint: see Charset.fingerprint.
        labels: of all classes, in class order.
        images: real images, or pairs of them, trained on so far.
        total: images or pairs of the whole training.
        seconds: of training.
        last: the last entry of the log: losses and outputs of D.
        snapshots: number of images at each snapshot.
        scores: every logged score: images, "purity" and "diversity" (variety).
        recipe: plain JSON.
    """

    path: str
    id: str
    preset: str
    seed: int
    classes: int
    charset_fingerprint: str
    labels: list[str]
    images: int
    total: int
    seconds: float
    last: dict[str, float]
    snapshots: list[int]
    scores: list[dict[str, float]]
    recipe: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"kind": "run", **asdict(self)}


def inspect_run(run: Run) -> RunSummary:
    """Summarise a run directory, finished or not."""
    log = run.read_log()
    fields = get_kind(run.kind, str(run.path)).loss_fields
    losses = [entry for entry in log if any(field in entry for field in fields)]
    last = losses[-1] if losses else {}
    recipe = run.recipe
    pairs = int(recipe.get("steps", 0)) * int(recipe.get("batch", 0))
    return RunSummary(
        path=str(run.path),
        id=run.id,
        preset=str(recipe.get("preset", run.kind)),
        seed=run.seed,
        classes=len(run.charset),
        charset_fingerprint=run.charset.fingerprint,
        labels=list(run.charset),
        images=int(last.get("images", 0)),
        total=int(recipe.get("images", pairs)),
        seconds=float(last.get("seconds", 0.0)),
        last={k: v for k, v in last.items() if k not in ("images", "seconds")},
        snapshots=[int(path.stem) for path in run.snapshots()],
        scores=[entry for entry in log if "purity" in entry],
        recipe=recipe,
    )


def inspect_store(store: Store) -> StoreSummary:
    """Summarise a store; reads all of it, one block of images at a time."""
    manifest = store.manifest
    digests: set[bytes] = set()
    labels = store.labels
    counts = dict(zip(manifest.charset, manifest.class_counts, strict=True))
    row = 0
    for images in store.image_blocks():
        for image in images:
            digests.add(_digest(str(labels[row]), image))
            row += 1
    writers = dict(manifest.writer_counts)
    unknown = writers.pop("", 0)
    return StoreSummary(
        path=str(store.path),
        records=len(store),
        size=store.size,
        channels=store.channels,
        charset_fingerprint=manifest.charset_fingerprint,
        classes=_balance(counts),
        class_counts=counts,
        writers=_balance(writers),
        writer_unknown=unknown,
        duplicates=len(store) - len(digests),
        sources=len(manifest.tables["sources"]),
        origin=manifest.origin,
        content_sha256=manifest.content_sha256,
        versions=manifest.versions,
        bytes_on_disk=(store.path / "data.mdb").stat().st_size,
    )


def inspect_gnt(
    inputs: Sequence[Path], *, samples: int = 0, size: int = 64, encoding: str | None = None
) -> tuple[GntSummary, Image]:
    """Summarise GNT files in one pass, and choose some of their records at random.

    Args:
        inputs: see `find_files`.
        samples: number of records to choose; every call chooses the same ones.
        size: of the chosen images, pixels.
        encoding: see `find_files`.

    Returns:
        The summary, and images uint8 [min(samples, records), size, size], ordered by character.

    Raises:
        InputError: see `find_files`.
    """
    unread = Unread()
    files = find_files(inputs, GNT, unread, mixed=True, encoding=encoding)
    labels: Counter[str] = Counter()
    writers: Counter[str] = Counter()
    widths: Counter[int] = Counter()
    heights: Counter[int] = Counter()
    digests: set[bytes] = set()
    bad: list[BadRecord] = []
    chosen: list[Record] = []
    rng = np.random.default_rng(0)
    for file in files:
        with file.open() as stream:
            for item in read_gnt(stream, source=file.name, writer=file.writer):
                if isinstance(item, BadRecord):
                    bad.append(item)
                    continue
                labels[item.label] += 1
                writers[item.writer] += 1
                heights[item.image.shape[0]] += 1
                widths[item.image.shape[1]] += 1
                digests.add(_digest(f"{item.label} {item.image.shape}", item.image))
                # Reservoir sampling: each record is equally likely, their number is not known yet.
                if len(chosen) < samples:
                    chosen.append(item)
                elif samples and (slot := int(rng.integers(labels.total()))) < samples:
                    chosen[slot] = item
    unknown = writers.pop("", 0)
    encodings, guessed = encodings_of(files)
    summary = GntSummary(
        files=len(files),
        hidden=unread.hidden,
        not_read=list(unread.kinds.values()),
        bytes_read=sum(file.size for file in files),
        records=labels.total(),
        classes=_balance(labels),
        class_counts=dict(sorted(labels.items())),
        writers=_balance(writers),
        writer_unknown=unknown,
        duplicates=labels.total() - len(digests),
        widths=_spread(widths),
        heights=_spread(heights),
        bad_records=bad,
        encodings=encodings,
        guessed=guessed,
        encoding_given=encoding is not None,
    )
    framing = Framing(size)
    chosen.sort(key=lambda record: (record.label, record.source, record.position))
    images = [framing.apply(record.image) for record in chosen]
    return summary, np.array(images, np.uint8).reshape(-1, size, size)


def _digest(text: str, image: Image) -> bytes:
    return hashlib.blake2b(
        np.ascontiguousarray(image).data, key=text.encode(), digest_size=16
    ).digest()


def _balance(counts: Mapping[str, int]) -> Balance:
    ordered = sorted(counts.items(), key=lambda item: item[1])
    values = [count for _, count in ordered] or [0]
    return Balance(
        groups=len(ordered),
        empty=sum(not count for _, count in ordered),
        least=values[0],
        median=float(np.median(values)),
        most=values[-1],
        fewest=ordered[:10],
        largest=ordered[::-1][:10],
    )


def _spread(counts: Mapping[int, int]) -> tuple[int, float, int]:
    """Least, median and most of values with their counts; zeros without values."""
    if not counts:
        return 0, 0.0, 0
    values = _repeated(counts.items())
    return int(values[0]), float(np.median(values)), int(values[-1])


def _repeated(items: Iterable[tuple[int, int]]) -> npt.NDArray[np.int64]:
    values, counts = zip(*sorted(items), strict=True)
    return np.repeat(np.array(values, np.int64), counts)
