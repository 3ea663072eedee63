"""In: a store, GNT files or a run. Out: what is in it, as numbers."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hwgen.imaging.framing import Framing
from hwgen.record import BadRecord, Image, Record
from hwgen.runs import Run
from hwgen.sources.casia_files import GNT, find_files, hidden_files
from hwgen.sources.gnt import read_gnt
from hwgen.store import Store


@dataclass(frozen=True)
class Balance:
    """How records are spread over groups, such as classes or writers.

    Attributes:
        groups: number of groups, empty ones included.
        empty: groups without a record.
        least, median, most: records a group, empty ones included; 0 without groups.
        fewest: the names of the groups with the fewest records, at most ten, with their records.
        largest: the same for the most records.
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
    """What a store holds.

    Attributes:
        path: where it lies.
        records: how many.
        size, channels: of each picture.
        charset_fingerprint: see Charset.fingerprint.
        classes: records a class.
        writers: records a known writer.
        writer_unknown: records whose writer is not known.
        duplicates: records that repeat an earlier one in label and every pixel.
        sources: files or runs that the records came from.
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
    """What GNT files hold.

    Attributes:
        files: how many.
        hidden: see `hidden_files`.
        bytes_read: of all of them, unpacked.
        records: sound ones.
        classes: records a character.
        writers: records a known writer.
        writer_unknown: records whose writer the file's name does not tell.
        duplicates: records that repeat an earlier one in label, shape and every pixel.
        widths, heights: least, median and most, pixels.
        bad_records: stretches that gave no record.
    """

    files: int
    hidden: int
    bytes_read: int
    records: int
    classes: Balance
    writers: Balance
    writer_unknown: int
    duplicates: int
    widths: tuple[int, float, int]
    heights: tuple[int, float, int]
    bad_records: list[BadRecord]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"kind": "gnt", **asdict(self)}


@dataclass(frozen=True)
class RunSummary:
    """Where a training stands.

    Attributes:
        path: the run directory.
        id: of the run.
        preset: what its recipe began as; the run's kind, where a recipe does not tell.
        seed: of the run.
        classes: number of classes.
        charset_fingerprint: see Charset.fingerprint.
        images: real pictures shown so far, or pairs of them.
        total: to be shown in all.
        seconds: spent training.
        last: the last logged losses, and outputs of D.
        snapshots: images of every snapshot.
        scores: every logged score: images, purity, diversity.
        recipe: plain JSON.
    """

    path: str
    id: str
    preset: str
    seed: int
    classes: int
    charset_fingerprint: str
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
    """Sum up a run directory, finished or not."""
    log = run.read_log()
    # A GAN's and a deformation model's.
    losses = [entry for entry in log if "loss_d" in entry or "distance" in entry]
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
        images=int(last.get("images", 0)),
        total=int(recipe.get("images", pairs)),
        seconds=float(last.get("seconds", 0.0)),
        last={k: v for k, v in last.items() if k not in ("images", "seconds")},
        snapshots=[int(path.stem) for path in run.snapshots()],
        scores=[entry for entry in log if "purity" in entry],
        recipe=recipe,
    )


def inspect_store(store: Store) -> StoreSummary:
    """Read a whole store and sum it up; holds one block of pictures at a time."""
    manifest = store.manifest
    digests: set[bytes] = set()
    labels = store.labels
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
        classes=_balance(dict(zip(manifest.charset, manifest.class_counts, strict=True))),
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
    inputs: Sequence[Path], *, samples: int = 0, size: int = 64
) -> tuple[GntSummary, Image]:
    """Read GNT files once, sum them up, and draw some of their records by lot.

    Args:
        inputs: see `find_files`.
        samples: how many records to draw; the same ones each time.
        size: side of the drawn pictures, pixels.

    Returns:
        the summary, and uint8 [min(samples, records), size, size], ordered by character.

    Raises:
        InputError: see `find_files`.
    """
    files = find_files(inputs, GNT)
    labels: Counter[str] = Counter()
    writers: Counter[str] = Counter()
    widths: Counter[int] = Counter()
    heights: Counter[int] = Counter()
    digests: set[bytes] = set()
    bad: list[BadRecord] = []
    drawn: list[Record] = []
    lot = np.random.default_rng(0)
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
                # Reservoir sampling: every record has the same chance, the number unknown.
                if len(drawn) < samples:
                    drawn.append(item)
                elif samples and (place := int(lot.integers(labels.total()))) < samples:
                    drawn[place] = item
    unknown = writers.pop("", 0)
    summary = GntSummary(
        files=len(files),
        hidden=hidden_files(inputs, GNT),
        bytes_read=sum(file.size for file in files),
        records=labels.total(),
        classes=_balance(labels),
        writers=_balance(writers),
        writer_unknown=unknown,
        duplicates=labels.total() - len(digests),
        widths=_spread(widths),
        heights=_spread(heights),
        bad_records=bad,
    )
    framing = Framing(size)
    drawn.sort(key=lambda record: (record.label, record.source, record.position))
    pictures = [framing.apply(record.image) for record in drawn]
    return summary, np.array(pictures, np.uint8).reshape(-1, size, size)


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
    """Least, median and most of counted values; zeros where there are none."""
    if not counts:
        return 0, 0.0, 0
    values = _repeated(counts.items())
    return int(values[0]), float(np.median(values)), int(values[-1])


def _repeated(items: Iterable[tuple[int, int]]) -> npt.NDArray[np.int64]:
    values, counts = zip(*sorted(items), strict=True)
    return np.repeat(np.array(values, np.int64), counts)
