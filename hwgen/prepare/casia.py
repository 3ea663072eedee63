"""In: GNT or POT files, folders and zips. Out: a store, and a report that names every loss."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Generic, Protocol, TypeVar

from hwgen.imaging.framing import Framing
from hwgen.imaging.framing_pool import Renderer, available_workers, batches, frame
from hwgen.imaging.ink import Ink, Trajectory
from hwgen.prepare.options import DEFAULT_OPTIONS, PrepareOptions
from hwgen.prepare.places import Inputs, paths_of
from hwgen.prepare.reading import Reading
from hwgen.prepare.report import PrepareReport
from hwgen.prepare.writing import write_store
from hwgen.progress import NO_CONTROL, Control
from hwgen.record import BadRecord, Image, Record
from hwgen.sources.casia_files import GNT, POT, Format, RawFile, find_files
from hwgen.sources.gnt import MAX_PIXELS, read_gnt
from hwgen.sources.pot import MAX_BYTES, read_pot
from hwgen.sources.unread import Unread
from hwgen.sources.writer_selection import ALL_WRITERS, WriterSelection, select_files
from hwgen.store import check_place


def prepare_gnt(
    inputs: Inputs,
    out: Path | str,
    *,
    framing: Framing,
    writers: WriterSelection = ALL_WRITERS,
    options: PrepareOptions = DEFAULT_OPTIONS,
    control: Control = NO_CONTROL,
) -> PrepareReport:
    """Read GNT files into a new store; a failure leaves no store behind.

    If the `.export.json` of an export declares any of the inputs synthetic, so is the store.

    Args:
        inputs: GNT files, folders and zips, see `find_files`.
        out: the store's directory.
        framing: how images are scaled to squares.
        writers: which writers' files to read, by the names of the files.
        options: classes, limits and workers.
        control: progress in bytes, with the records read as its note; and stop requests.

    Raises:
        InputError: an input cannot be used, a selected writer does not exist, an `.export.json`
            is damaged, or no record is left.
        BadRecordError: a record is damaged, and `options.strict` is set.
        StoreError: `out` cannot be written, or a stop was requested.
        HwgenError: a worker process died.
    """
    return _prepare(
        _GNT,
        inputs,
        out,
        renderer=framing,
        framing=framing,
        recipe={"kind": "gnt"},
        writers=writers,
        options=options,
        control=control,
    )


def prepare_pot(
    inputs: Inputs,
    out: Path | str,
    *,
    ink: Ink,
    writers: WriterSelection = ALL_WRITERS,
    options: PrepareOptions = DEFAULT_OPTIONS,
    control: Control = NO_CONTROL,
) -> PrepareReport:
    """Render the pen trajectories of POT files into a new store; a failure leaves no store behind.

    The store's origin is of the kind "ink" and holds all parameters of the rendering. The store
    counts as real handwriting (`Store.is_synthetic` is false), though not as scans.

    Args:
        inputs: POT files, folders and zips, see `find_files`.
        out: the store's directory.
        ink: how trajectories are rendered, framing included.
        writers: see `prepare_gnt`.
        options: see `prepare_gnt`.
        control: see `prepare_gnt`.

    Raises:
        HwgenError: see `prepare_gnt`.
    """
    return _prepare(
        _POT,
        inputs,
        out,
        renderer=ink,
        framing=ink.framing,
        recipe={"kind": "ink", "ink": ink.to_json()},
        writers=writers,
        options=options,
        control=control,
    )


# A GNT record is an image, a POT record a trajectory; the rest of this module is the same for both.
_Raw = TypeVar("_Raw", Record, Trajectory)
_Raw_co = TypeVar("_Raw_co", Record, Trajectory, covariant=True)


class _Read(Protocol[_Raw_co]):
    """A format's reader."""

    def __call__(
        self, stream: BinaryIO, *, source: str, writer: str
    ) -> Iterator[_Raw_co | BadRecord]: ...


@dataclass(frozen=True)
class _Kind(Generic[_Raw]):
    """What differs between the two formats.

    Attributes:
        format: how its files are found.
        read: its reader.
        max_raw_bytes: maximum size of one record before it is rendered.
        parallel_bytes: total size of the inputs above which worker processes pay.
    """

    format: Format
    read: _Read[_Raw]
    max_raw_bytes: int
    parallel_bytes: int


# 64 MiB of scans are framed within a second, and workers take half a second to start; rendering
# ink takes longer.
_GNT = _Kind(GNT, read_gnt, max_raw_bytes=MAX_PIXELS, parallel_bytes=64 << 20)
_POT = _Kind(POT, read_pot, max_raw_bytes=MAX_BYTES, parallel_bytes=1 << 20)


@dataclass(frozen=True)
class _Source(Generic[_Raw]):
    """A raw file and the reader of its format, as hwgen.prepare.reading.Source.

    Positions are byte offsets.
    """

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

    @property
    def linked(self) -> Sequence[Path]:
        return ()

    @property
    def encoding(self) -> str:
        return self.file.encoding

    @property
    def guessed(self) -> bool:
        return self.file.guessed

    def items(self) -> Iterator[_Raw | BadRecord]:
        with self.file.open() as stream:
            yield from self.read(stream, source=self.file.name, writer=self.file.writer)

    def bytes_before(self, position: int) -> int:
        return position


def _prepare(
    kind: _Kind[_Raw],
    inputs: Inputs,
    out: Path | str,
    *,
    renderer: Renderer,
    framing: Framing,
    recipe: Mapping[str, Any],
    writers: WriterSelection,
    options: PrepareOptions,
    control: Control,
) -> PrepareReport:
    """Either format to a store, rendered by processes."""
    inputs, out = paths_of(inputs), Path(out)
    check_place(out, overwrite=options.overwrite, inputs=inputs)
    unread = Unread()
    found = find_files(inputs, kind.format, unread, encoding=options.encoding)
    files = select_files(found, writers)
    reading = Reading(
        [_Source(file, kind.read) for file in files],
        strict=options.strict,
        control=control,
        unread=unread,
    )
    parallel = reading.total_bytes > kind.parallel_bytes
    workers = options.workers or (available_workers() if parallel else 1)

    # A closure, since write_store does not know how raw records become images.
    def render(items: Iterator[_Raw]) -> Generator[tuple[Sequence[_Raw], Image], None, None]:
        return frame(
            batches(items, renderer.size), renderer, workers=workers, max_raw=kind.max_raw_bytes
        )

    return write_store(
        reading,
        out,
        render=render,
        framing=framing,
        recipe={**recipe, "writers": writers.to_json()},
        options=options,
    )
