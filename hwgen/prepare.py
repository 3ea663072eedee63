"""In: GNT or POT files, folders and zips. Out: a store, and a report that names every loss."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from hwgen.charset import Charset, sorted_charset
from hwgen.errors import BadRecordError, InputError, StoreError
from hwgen.framing import Framing
from hwgen.framing_pool import Painter, available_workers, batches, frame
from hwgen.ink import Ink, Trajectory
from hwgen.record import Record
from hwgen.sources.files import GNT, POT, RawFile, find_files
from hwgen.sources.gnt import MAX_PIXELS, BadRecord, read_gnt
from hwgen.sources.pot import MAX_BYTES, read_pot
from hwgen.sources.writers import EVERYONE, WriterChoice, of_writers
from hwgen.store import StoreWriter

REPORT_FILE = "prepare-report.json"
"""Name of the report within the store."""

_PROGRESS_RECORDS = 256
_WORTH_WORKERS_BYTES = 64 << 20  # one process frames it within a second; workers need half of it
_WORTH_DRAWERS_BYTES = 1 << 20  # drawing the ink takes longer

Progress = Callable[[int, int, int], None]
"""Called with (bytes read, records read, bytes in all)."""


class _Read(Protocol):
    """A format's reader."""

    def __call__(
        self, stream: BinaryIO, *, source: str, writer: str
    ) -> Iterator[Record | BadRecord] | Iterator[Trajectory | BadRecord]: ...


@dataclass(frozen=True)
class FileReport:
    """What one file gave.

    Attributes:
        name: see RawFile.
        writer: its writer id, "" where not known.
        size: bytes.
        records: sound records, those left out included.
        bad: stretches that gave no record.
    """

    name: str
    writer: str
    size: int
    records: int
    bad: int


@dataclass(frozen=True)
class PrepareReport:
    """What was read, kept and lost.

    Attributes:
        store: path of the store, as given.
        records: records kept.
        classes: classes of the store.
        per_class: {"min", "median", "max"} of the records a class.
        empty_classes: characters of the charset without a record.
        writers: known writers among the kept records.
        left_out: records outside the charset, by character.
        bad_records: every stretch of a file that gave no record.
        files: what each file gave.
        bytes_read: bytes of all files, unpacked.
        framing: see Framing.to_json.
        charset_fingerprint: see Charset.fingerprint.
        seconds: time taken.
    """

    store: str
    records: int
    classes: int
    per_class: dict[str, float]
    empty_classes: list[str]
    writers: int
    left_out: dict[str, int]
    bad_records: list[BadRecord]
    files: list[FileReport]
    bytes_read: int
    framing: dict[str, Any]
    charset_fingerprint: str
    seconds: float

    @property
    def bytes_lost(self) -> int:
        """Bytes of all bad stretches."""
        return sum(bad.length for bad in self.bad_records)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as it lies in the store."""
        return {**asdict(self), "bytes_lost": self.bytes_lost}


def prepare_gnt(
    inputs: Sequence[Path],
    out: Path,
    *,
    framing: Framing,
    charset: Charset | None = None,
    drop_empty: bool = False,
    strict: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> PrepareReport:
    """Read GNT files into a new store; after any failure there is none.

    Args:
        inputs: GNT files, folders and zips, see `find_files`.
        out: where the store shall be.
        framing: how pictures become square.
        charset: the classes and their order; records of other characters are left out and
            counted. None takes the characters as found, in code point order.
        drop_empty: leave out of the charset what has no record. Otherwise a given charset stays
            whole, so that all stores made with it agree.
        strict: raise at the first bad record.
        overwrite: replace a finished store at `out`.
        workers: processes that frame pictures, 1 for none but this one; the store is the same.
            None takes all cores where the files are large enough to gain by it.
        progress: see Progress.
        stop: asked now and then whether to stop.

    Raises:
        InputError: an input cannot be used, no record would be kept, or `workers` is below 1.
        BadRecordError: a bad record, with `strict`.
        StoreError: `out` cannot be written, or `stop` said so.
        HwgenError: a worker ended by itself.
    """
    return _prepare(
        find_files(inputs, GNT),
        out,
        read=read_gnt,
        painter=framing,
        framing=framing,
        most_raw=MAX_PIXELS,
        worth_workers=_WORTH_WORKERS_BYTES,
        recipe={"kind": "gnt"},
        charset=charset,
        drop_empty=drop_empty,
        strict=strict,
        overwrite=overwrite,
        workers=workers,
        progress=progress,
        stop=stop,
    )


def prepare_pot(
    inputs: Sequence[Path],
    out: Path,
    *,
    ink: Ink,
    writers: WriterChoice = EVERYONE,
    charset: Charset | None = None,
    drop_empty: bool = False,
    strict: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> PrepareReport:
    """Draw the trajectories of POT files into a new store; after any failure there is none.

    The store's origin is of the kind "ink", with all that decides how the ink was drawn. It counts
    as real handwriting (`Store.is_synthetic` is false), though not as scans.

    Args:
        inputs: POT files, folders and zips, see `find_files`.
        out: where the store shall be.
        ink: how trajectories become pictures, the frame included.
        writers: whose files to take, told from their names; the default takes all.
        charset: see `prepare_gnt`.
        drop_empty: see `prepare_gnt`.
        strict: see `prepare_gnt`.
        overwrite: see `prepare_gnt`.
        workers: processes that draw, 1 for none but this one; the store is the same. None takes
            all cores.
        progress: see Progress.
        stop: see `prepare_gnt`.

    Raises:
        InputError: see `prepare_gnt`; or a writer asked for is not there.
        BadRecordError: see `prepare_gnt`.
        StoreError: see `prepare_gnt`.
        HwgenError: see `prepare_gnt`.
    """
    return _prepare(
        of_writers(find_files(inputs, POT), writers),
        out,
        read=read_pot,
        painter=ink,
        framing=ink.framing,
        most_raw=MAX_BYTES,
        worth_workers=_WORTH_DRAWERS_BYTES,
        recipe={"kind": "ink", "ink": ink.to_json(), "writers": asdict(writers)},
        charset=charset,
        drop_empty=drop_empty,
        strict=strict,
        overwrite=overwrite,
        workers=workers,
        progress=progress,
        stop=stop,
    )


def _prepare(
    files: Sequence[RawFile],
    out: Path,
    *,
    read: _Read,
    painter: Painter,
    framing: Framing,
    most_raw: int,
    worth_workers: int,
    recipe: Mapping[str, Any],
    charset: Charset | None,
    drop_empty: bool,
    strict: bool,
    overwrite: bool,
    workers: int | None,
    progress: Progress | None,
    stop: Callable[[], bool] | None,
) -> PrepareReport:
    """What all formats have in common: read, paint, store, report."""
    began = time.monotonic()
    bytes_in_all = sum(file.size for file in files)
    if workers is None:
        workers = available_workers() if bytes_in_all > worth_workers else 1
    if workers < 1:
        raise InputError(f"{workers} workers cannot work", remedy="Take 1 or more")
    recipe = {
        **recipe,
        "files": [{"name": file.name, "bytes": file.size} for file in files],
        "framing": framing.to_json(),
        "charset": list(charset.labels) if charset else "found",
    }
    reading = _Reading(files, read, strict, progress, stop)
    counts: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    writer_ids: set[str] = set()
    with StoreWriter(out, size=painter.size, recipe=recipe, overwrite=overwrite) as writer:
        kept = _kept(reading.records(), charset, left_out)
        framed = frame(batches(kept, painter.size), painter, workers=workers, most_raw=most_raw)
        with closing(framed):
            for records, images in framed:
                labels = [record.label for record in records]
                writers = [record.writer for record in records]
                counts.update(labels)
                writer_ids.update(writers)
                writer.add_batch(
                    images,
                    labels=labels,
                    writers=writers,
                    sources=[record.source for record in records],
                    positions=[record.position for record in records],
                )
        if not counts:
            raise _nothing_kept(files, reading.bad, left_out)
        final = charset or sorted_charset(counts)
        if drop_empty:
            final = Charset(tuple(label for label in final if counts[label]))
        per_class = [counts[label] for label in final]
        report = PrepareReport(
            store=str(out),
            records=counts.total(),
            classes=len(final),
            per_class={
                "min": min(per_class),
                "median": float(np.median(per_class)),
                "max": max(per_class),
            },
            empty_classes=[label for label in final if not counts[label]],
            writers=len(writer_ids - {""}),
            left_out=dict(left_out.most_common()),
            bad_records=reading.bad,
            files=reading.files,
            bytes_read=bytes_in_all,
            framing=framing.to_json(),
            charset_fingerprint=final.fingerprint,
            seconds=round(time.monotonic() - began, 3),
        )
        writer.finish(charset=final, origin=recipe, reports={REPORT_FILE: report.to_json()})
    return report


def _kept(
    records: Iterable[Record | Trajectory], charset: Charset | None, left_out: Counter[str]
) -> Iterator[Record | Trajectory]:
    """The records whose label is in the charset; the others are counted."""
    for record in records:
        if charset is None or record.label in charset:
            yield record
        else:
            left_out[record.label] += 1


@dataclass
class _Reading:
    """One pass over files: gives the sound records and keeps account of the others."""

    source: Sequence[RawFile]
    read: _Read
    strict: bool
    progress: Progress | None
    stop: Callable[[], bool] | None
    bad: list[BadRecord] = field(default_factory=list)
    files: list[FileReport] = field(default_factory=list)

    def records(self) -> Iterator[Record | Trajectory]:
        total = sum(file.size for file in self.source)
        before, seen = 0, 0
        for file in self.source:
            seen_before, bad_before = seen, len(self.bad)
            with file.open() as stream:
                for item in self.read(stream, source=file.name, writer=file.writer):
                    if isinstance(item, BadRecord):
                        self._lose(item)
                        continue
                    seen += 1
                    if seen % _PROGRESS_RECORDS == 0:
                        self._report(before + item.position, seen, total)
                    yield item
            sound, bad = seen - seen_before, len(self.bad) - bad_before
            self.files.append(FileReport(file.name, file.writer, file.size, sound, bad))
            before += file.size
        self._report(total, seen, total)

    def _lose(self, bad: BadRecord) -> None:
        if self.strict:
            raise BadRecordError(
                f"expected {bad.expected}, found {bad.found}",
                where=f"{bad.source}@{bad.offset}",
                remedy="Without --strict, bad records are passed over and reported",
            )
        self.bad.append(bad)

    def _report(self, done: int, seen: int, total: int) -> None:
        if self.progress is not None:
            self.progress(done, seen, total)
        if self.stop is not None and self.stop():
            raise StoreError("stopped before the end, so there is no store")


def _nothing_kept(
    files: Sequence[RawFile], bad: Sequence[BadRecord], left_out: Counter[str]
) -> InputError:
    where = ", ".join(dict.fromkeys(str(file.path) for file in files))
    if left_out:
        shown = "".join(char for char, _ in left_out.most_common(12))
        return InputError(
            f"none of the {left_out.total()} records is in the charset; they are of {shown}",
            where=where,
        )
    first = f": at byte {bad[0].offset}, expected {bad[0].expected}, found {bad[0].found}"
    return InputError(f"no sound record found{first if bad else ''}", where=where)
