"""In: strokes of characters, and numbers of simulated writers. Out: a store, marked simulated."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.imaging.framing import Framing
from hwgen.imaging.framing_pool import available_workers, batches, frame
from hwgen.prepare.options import DEFAULT_OPTIONS, PrepareOptions
from hwgen.prepare.reading import Reading
from hwgen.prepare.report import PrepareReport
from hwgen.prepare.writing import write_store
from hwgen.progress import NO_CONTROL, Control
from hwgen.record import Image
from hwgen.schema import check_numbers, check_seed
from hwgen.sources.simulation.images import MAX_RAW, PackedItem, SimulatedInk
from hwgen.sources.simulation.pen import Item, character_number
from hwgen.sources.strokes.choice import stroke_data
from hwgen.sources.strokes.data import StrokeData, Strokes
from hwgen.store import check_place

_PARALLEL = 2_000
"""Number of characters above which worker processes pay."""


def prepare_strokes(
    strokes: StrokeData | Path | str | None,
    out: Path | str,
    *,
    charset: Charset,
    writers: range,
    framing: Framing,
    seed: int = 0,
    options: PrepareOptions = DEFAULT_OPTIONS,
    control: Control = NO_CONTROL,
) -> PrepareReport:
    """Simulate handwriting into a new store; a failure leaves no store behind.

    The writers are those of hwgen.sources.simulation.gnt_folder.simulate, and the images about
    those of its GNT files in such a store; they are rendered directly at the store's size, which is
    faster. The same arguments give the same pixels.

    Args:
        strokes: of the characters, see hwgen.sources.strokes.choice.stroke_data; None for those
            that come with hwgen.
        out: the store's directory.
        charset: classes of the store; those without strokes have no record and are reported.
        writers: numbers of the writers; each writes every character once.
        framing: size and margin; `crop` has no effect.
        seed: of the writers.
        options: `drop_empty`, `overwrite` and `workers`; the others have no effect.
        control: progress in bytes of the strokes' file, and stop requests.

    Raises:
        InputError: the strokes cannot be read, no class has any, or a number is too large.
        StoreError: `out` cannot be written, or a stop was requested.
        HwgenError: a worker process died.
    """
    check_seed(seed)
    check_numbers((writers.start, writers.stop), "writers")
    data, out = stroke_data(strokes), Path(out)
    check_place(out, overwrite=options.overwrite, inputs=[data.path])
    known = data.characters()
    labels = [label for label in charset if label in known]
    if not labels:
        raise InputError(
            f"has no strokes for any of the {len(charset):,} classes",
            where=str(data.path),
            remedy=f"Give other --classes, or {data.others}",
        )
    source = _Source(data.path, labels, data.read(set(labels)), writers, seed)
    parallel = len(labels) * len(writers) > _PARALLEL
    workers = options.workers or (available_workers() if parallel else 1)
    ink = SimulatedInk(framing)

    def render(
        items: Iterator[PackedItem],
    ) -> Generator[tuple[Sequence[PackedItem], Image], None, None]:
        return frame(batches(items, ink.size), ink, workers=workers, max_raw=MAX_RAW)

    return write_store(
        Reading([source], control=control),
        out,
        render=render,
        framing=framing,
        recipe={
            "kind": "strokes",
            "strokes": data.name,
            "writers": [writers.start, writers.stop - 1],
            "seed": seed,
        },
        options=replace(options, charset=charset),
        provenance={"simulated": True, "notice": data.notice},
    )


@dataclass(frozen=True)
class _Source:
    """All characters by all writers, as hwgen.prepare.reading.Source; positions are counts."""

    path: Path
    labels: Sequence[str]
    strokes: Mapping[str, Strokes]
    writers: range
    seed: int
    writer: str = ""
    linked: Sequence[Path] = ()
    encoding: str = "utf-8"
    guessed: bool = False

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def size(self) -> int:
        files = self.path.iterdir() if self.path.is_dir() else [self.path]
        return sum(file.stat().st_size for file in files)

    def items(self) -> Iterator[PackedItem]:
        characters = [
            (label, self.strokes[label], character_number(label)) for label in self.labels
        ]
        position = 0
        for writer in self.writers:
            for label, strokes, character in characters:
                item = Item(strokes, character, self.seed, writer)
                yield PackedItem(label, f"{writer:03d}", self.name, position, item)
                position += 1

    def bytes_before(self, position: int) -> int:
        return self.size * position // (len(self.labels) * len(self.writers))
