"""In: characters and numbers of simulated writers. Out: a folder of GNT files, one per writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hwgen.errors import InputError
from hwgen.io import child_processes
from hwgen.progress import NO_CONTROL, Control
from hwgen.schema import check_numbers, check_seed
from hwgen.sources.gnt import write_gnt
from hwgen.sources.provenance import mark_simulated
from hwgen.sources.simulation.handwriting import simulate_writer
from hwgen.sources.strokes.data import StrokeData, Strokes


def simulate(
    out: Path,
    *,
    characters: Sequence[str],
    writers: range,
    seed: int,
    strokes: StrokeData,
    workers: int = 1,
    control: Control = NO_CONTROL,
) -> list[Path]:
    """Write one GNT file per writer, named like those of CASIA's HWDB1.0: `001-f.gnt`, ...

    The same arguments give the same bytes. `NOTICE.txt` beside the files states the licence, and
    `.export.json` marks them as simulated for `prepare_gnt`.

    Args:
        out: a folder; created if missing.
        characters: each is written once by every writer, in this order.
        writers: numbers of the writers; each number is another handwriting.
        seed: of the writers.
        strokes: the strokes of the characters.
        workers: number of processes; the files do not depend on it.
        control: progress in characters, reported after each writer; a stop request is obeyed
            after the writer in hand.

    Returns:
        The files written.

    Raises:
        InputError: the strokes cannot be read, or `out` contains GNT files that are not in this
            set and would be mistaken for it.
        CharsetError: lists every character that has no strokes.
        HwgenError: a worker process died.
    """
    check_seed(seed)
    check_numbers((writers.start, writers.stop), "writers")
    page = _Page(tuple(characters), strokes.load(characters), seed)
    files = {out / f"{writer:03d}-f.gnt": writer for writer in writers}
    others = sorted(set(out.glob("*.gnt")) - files.keys())
    if others:
        raise InputError(
            f"the folder contains {len(others)} other GNT files, such as {others[0].name}",
            where=str(out),
            remedy="Give an empty folder",
        )
    out.mkdir(parents=True, exist_ok=True)
    (out / "NOTICE.txt").write_text(strokes.notice + "\n", encoding="utf-8")
    mark_simulated(out, strokes.notice)
    written: list[Path] = []
    processes = min(workers, len(files))
    with closing(
        child_processes.each(
            _write, page, files.items(), workers=processes, purpose="simulates writers"
        )
    ) as done:
        for path, _ in done:
            written.append(path)
            control.progress(len(written) * len(characters), len(files) * len(characters), "")
            if control.stop():
                break
    return written


@dataclass(frozen=True)
class _Page:
    """What each writer writes."""

    characters: tuple[str, ...]
    strokes: Mapping[str, Strokes]
    seed: int


def _write(page: _Page, task: tuple[Path, int]) -> None:
    path, writer = task
    write_gnt(path, simulate_writer(page.seed, writer, page.characters, page.strokes))
