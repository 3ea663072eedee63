"""In: GNT or POT files, folders and zips. Out: a store, and a report that names every loss."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Generic, Protocol, TypeVar

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.imaging.framing import Framing
from hwgen.imaging.framing_pool import Renderer, available_workers, batches, frame
from hwgen.imaging.ink import Ink, Trajectory
from hwgen.prepare.reading import Reading
from hwgen.prepare.report import PrepareReport, Progress
from hwgen.prepare.writing import write_store
from hwgen.record import BadRecord, Image, Record
from hwgen.sources.casia_files import GNT, POT, RawFile, find_files, hidden_files
from hwgen.sources.gnt import MAX_PIXELS, read_gnt
from hwgen.sources.pot import MAX_BYTES, read_pot
from hwgen.sources.writer_selection import ALL_WRITERS, WriterSelection, select_files

_WORTH_WORKERS_BYTES = 64 << 20  # one process frames it within a second; workers need half of it
_WORTH_DRAWERS_BYTES = 1 << 20  # drawing the ink takes longer


def prepare_gnt(
    inputs: Sequence[Path],
    out: Path,
    *,
    framing: Framing,
    writers: WriterSelection = ALL_WRITERS,
    charset: Charset | None = None,
    drop_empty: bool = False,
    limit: int | None = None,
    strict: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> PrepareReport:
    """Read GNT files into a new store; after any failure there is none.

    Where an export's `.export.json` says that a generator made any of the inputs, the store counts
    as synthetic.

    Args:
        inputs: GNT files, folders and zips, see `find_files`.
        out: where the store shall be.
        framing: how images become square.
        writers: whose files to take, told from their names; the default takes all.
        charset: the classes and their order; records of other characters are left out and
            counted. None takes the characters as found, in code point order.
        drop_empty: leave out of the charset what has no record. Otherwise a given charset stays
            whole, so that all stores made with it agree.
        limit: take no more records of a class, the first ones. None takes all.
        strict: raise at the first bad record.
        overwrite: replace a finished store at `out`.
        workers: processes that frame images, 1 for none but this one; the store is the same.
            None takes all cores where the files are large enough to gain by it.
        progress: see Progress.
        stop: asked now and then whether to stop.

    Raises:
        InputError: an input cannot be used, a writer asked for is not there, an `.export.json` is
            damaged, no record would be kept, or `limit` or `workers` is below 1.
        BadRecordError: a bad record, with `strict`.
        StoreError: `out` cannot be written, or `stop` said so.
        HwgenError: a worker ended by itself.
    """
    return _prepare(
        select_files(find_files(inputs, GNT), writers),
        out,
        hidden=hidden_files(inputs, GNT),
        read=read_gnt,
        renderer=framing,
        framing=framing,
        most_raw=MAX_PIXELS,
        worth_workers=_WORTH_WORKERS_BYTES,
        recipe={"kind": "gnt", "writers": asdict(writers)},
        charset=charset,
        drop_empty=drop_empty,
        limit=limit,
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
    writers: WriterSelection = ALL_WRITERS,
    charset: Charset | None = None,
    drop_empty: bool = False,
    limit: int | None = None,
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
        ink: how trajectories become images, the frame included.
        writers: see `prepare_gnt`.
        charset: see `prepare_gnt`.
        drop_empty: see `prepare_gnt`.
        limit: see `prepare_gnt`.
        strict: see `prepare_gnt`.
        overwrite: see `prepare_gnt`.
        workers: processes that draw, 1 for none but this one; the store is the same. None takes
            all cores.
        progress: see Progress.
        stop: see `prepare_gnt`.

    Raises:
        InputError: see `prepare_gnt`.
        BadRecordError: see `prepare_gnt`.
        StoreError: see `prepare_gnt`.
        HwgenError: see `prepare_gnt`.
    """
    return _prepare(
        select_files(find_files(inputs, POT), writers),
        out,
        hidden=hidden_files(inputs, POT),
        read=read_pot,
        renderer=ink,
        framing=ink.framing,
        most_raw=MAX_BYTES,
        worth_workers=_WORTH_DRAWERS_BYTES,
        recipe={"kind": "ink", "ink": ink.to_json(), "writers": asdict(writers)},
        charset=charset,
        drop_empty=drop_empty,
        limit=limit,
        strict=strict,
        overwrite=overwrite,
        workers=workers,
        progress=progress,
        stop=stop,
    )


_Raw = TypeVar("_Raw", Record, Trajectory)
_Raw_co = TypeVar("_Raw_co", Record, Trajectory, covariant=True)


class _Read(Protocol[_Raw_co]):
    """A format's reader."""

    def __call__(
        self, stream: BinaryIO, *, source: str, writer: str
    ) -> Iterator[_Raw_co | BadRecord]: ...


@dataclass(frozen=True)
class _Source(Generic[_Raw]):
    """A raw file and the reader of its format; positions are byte offsets. See Source."""

    file: RawFile
    read: _Read[_Raw]

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def writer(self) -> str:
        return self.file.writer

    @property
    def size(self) -> int:
        return self.file.size

    @property
    def path(self) -> Path:
        return self.file.path

    def items(self) -> Iterator[_Raw | BadRecord]:
        with self.file.open() as stream:
            yield from self.read(stream, source=self.file.name, writer=self.file.writer)

    def bytes_before(self, position: int) -> int:
        return position


def _prepare(
    files: Sequence[RawFile],
    out: Path,
    *,
    hidden: int,
    read: _Read[_Raw],
    renderer: Renderer,
    framing: Framing,
    most_raw: int,
    worth_workers: int,
    recipe: Mapping[str, Any],
    charset: Charset | None,
    drop_empty: bool,
    limit: int | None,
    strict: bool,
    overwrite: bool,
    workers: int | None,
    progress: Progress | None,
    stop: Callable[[], bool] | None,
) -> PrepareReport:
    """What the two formats have in common: processes render."""
    reading = Reading([_Source(file, read) for file in files], strict, progress, stop, hidden)
    if workers is None:
        workers = available_workers() if reading.bytes_in_all > worth_workers else 1
    if workers < 1:
        raise InputError(f"{workers} workers cannot work", remedy="Take 1 or more")
    taken = workers

    def render(kept: Iterator[_Raw]) -> Generator[tuple[Sequence[_Raw], Image], None, None]:
        return frame(batches(kept, renderer.size), renderer, workers=taken, most_raw=most_raw)

    return write_store(
        reading,
        out,
        render=render,
        framing=framing,
        recipe=recipe,
        charset=charset,
        drop_empty=drop_empty,
        limit=limit,
        overwrite=overwrite,
    )
