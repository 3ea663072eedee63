"""In: characters and numbers of simulated writers. Out: a folder of GNT files, one a writer."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from hwgen.errors import HwgenError, InputError
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
    progress: Callable[[int, int], None] = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Path]:
    """Write one GNT file a writer, named as CASIA names HWDB1.0's: `001-f.gnt`, `002-f.gnt`, ...

    The same call writes the same bytes. `NOTICE.txt` beside the files states the licence, and
    `.export.json` tells `prepare_gnt` that they are simulated.

    Args:
        out: a folder; made where it is missing.
        characters: what each writer writes once, in this order.
        writers: numbers of the writers; another number is another hand.
        seed: another seed is another set of hands.
        strokes: how the characters are written.
        workers: processes that write; the files are the same. More than one import the caller's
            `__main__`, as multiprocessing does.
        progress: called with characters written and their total, after each writer.
        stop: asked after each writer; true ends the work there.

    Returns:
        The files written.

    Raises:
        InputError: the strokes cannot be read, or `out` holds other GNT files, which would be
            taken for a part of this set.
        CharsetError: names every character that has no strokes.
        HwgenError: a process ended by itself.
    """
    page = _Page(tuple(characters), strokes.load(characters), seed)
    files = {out / f"{writer:03d}-f.gnt": writer for writer in writers}
    others = sorted(set(out.glob("*.gnt")) - files.keys())
    if others:
        raise InputError(
            f"the folder holds {len(others)} other GNT files, {others[0].name} the first",
            where=str(out),
            remedy="Give an empty folder",
        )
    out.mkdir(parents=True, exist_ok=True)
    (out / "NOTICE.txt").write_text(strokes.notice + "\n", encoding="utf-8")
    mark_simulated(out, strokes.notice)
    written: list[Path] = []
    for path in _written(page, files, min(workers, len(files))):
        written.append(path)
        progress(len(written) * len(characters), len(files) * len(characters))
        if stop():
            break
    return written


@dataclass(frozen=True)
class _Page:
    """What each writer writes."""

    characters: tuple[str, ...]
    strokes: Mapping[str, Strokes]
    seed: int

    def write(self, path: Path, writer: int) -> None:
        write_gnt(path, simulate_writer(self.seed, writer, self.characters, self.strokes))


def _written(page: _Page, files: Mapping[Path, int], workers: int) -> Iterator[Path]:
    """Each file, in order, when it is there."""
    if workers <= 1:
        for path, writer in files.items():
            page.write(path, writer)
            yield path
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _take, (page,))
    try:
        under_way = [(path, pool.submit(_write, path, writer)) for path, writer in files.items()]
        for path, done in under_way:
            done.result()
            yield path
    except BrokenProcessPool:
        raise HwgenError(
            "a process that simulates writers ended by itself",
            remedy="Was memory short? --workers 1 writes without further processes",
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _take(page: _Page) -> None:
    """What a process does first: it keeps the page, and leaves Ctrl-C to the caller."""
    global _page
    _page = page
    signal.signal(signal.SIGINT, signal.SIG_IGN)


_page: _Page


def _write(path: Path, writer: int) -> None:
    _page.write(path, writer)
