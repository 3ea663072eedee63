"""In: characters and numbers of simulated writers. Out: a folder of GNT files, one per writer."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwgen.errors import InputError
from hwgen.io import child_processes, os_errors
from hwgen.io.files import write_text
from hwgen.io.locks import exclusive
from hwgen.io.neighbours import LOCK_WITHIN, entries, real_place, temporary_path
from hwgen.progress import NO_CONTROL, Control
from hwgen.schema import check_numbers, check_same, check_seed
from hwgen.sources.gnt import encode_record, write_gnt
from hwgen.sources.provenance import MARKER, mark_simulated, read_simulation
from hwgen.sources.simulation.handwriting import simulate_writer
from hwgen.sources.strokes.choice import stroke_data
from hwgen.sources.strokes.data import StrokeData, Strokes

NOTICE = "NOTICE.txt"
"""States the licence of the strokes."""


def simulate(
    out: Path,
    *,
    characters: Sequence[str],
    writers: range,
    seed: int,
    strokes: StrokeData | Path | str | None = None,
    workers: int = 1,
    control: Control = NO_CONTROL,
) -> list[Path]:
    """Write one GNT file per writer, named like those of CASIA's HWDB1.0: `001-f.gnt`, ...

    The same arguments give the same bytes; the same call again, or with further writers, completes
    the folder. `NOTICE.txt` beside the files states the licence, and
    `.export.json` marks them as simulated for `prepare_gnt`.

    Args:
        out: a new or an empty folder, or one that the same call began.
        characters: each is written once by every writer, in this order.
        writers: numbers of the writers; each number is another handwriting.
        seed: of the writers.
        strokes: the strokes of the characters, see hwgen.sources.strokes.choice.stroke_data.
        workers: number of processes; the files do not depend on it.
        control: progress in characters, reported after each writer; a stop request is obeyed
            after the writer in hand.

    Returns:
        The files written.

    Raises:
        InputError: the strokes cannot be read, or `out` contains anything but files of the same
            simulation; nothing is replaced.
        RecipeChangedError: `out` contains another simulation.
        RunError: another process is simulating into `out`.
        CharsetError: lists every character that has no strokes.
        HwgenError: a worker process died.
    """
    check_seed(seed)
    check_numbers((writers.start, writers.stop), "writers")
    data = stroke_data(strokes)
    page = _Page(tuple(characters), data.load(characters), seed)
    digest = hashlib.sha256("".join(characters).encode()).hexdigest()
    settings = {"seed": seed, "characters": len(characters), "characters_sha256": digest}
    with _writing(out):
        folder = real_place(out)
    files = {folder / f"{writer:03d}-f.gnt": writer for writer in writers}
    names = [file.name for file in files]
    with _writing(out), exclusive(folder, "simulating into this folder"):
        _check_free(folder, names, settings, data.notice)
        folder.mkdir(exist_ok=True)
        mark_simulated(folder, data.notice, files=names, settings=settings)
        write_text(folder / NOTICE, data.notice + "\n")
        written = _simulated(page, files, workers=workers, control=control)
        return [out / file.name for file in written]


def _simulated(
    page: _Page, files: Mapping[Path, int], *, workers: int, control: Control
) -> list[Path]:
    """Write the files, unless a stop is requested."""
    total = len(files) * len(page.characters)
    written: list[Path] = []
    processes = min(workers, len(files))
    with closing(
        child_processes.each(
            _write, page, files.items(), workers=processes, purpose="simulates writers"
        )
    ) as done:
        for path, _ in done:
            written.append(path)
            control.progress(len(written) * len(page.characters), total, "")
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
    records = simulate_writer(page.seed, writer, page.characters, page.strokes)
    if not os.path.lexists(path):
        write_gnt(path, records)
    elif path.read_bytes() != b"".join(encode_record(label, image) for label, image in records):
        raise InputError(
            "differs from what this simulation writes", where=str(path), remedy="Give another --out"
        )


def _check_free(folder: Path, names: Sequence[str], settings: dict[str, Any], notice: str) -> None:
    """Refuse a folder that holds anything but the same simulation, or part of it.

    Raises:
        InputError: it does.
    """
    if not folder.is_dir():
        if os.path.lexists(folder):
            raise InputError("is not a folder", where=str(folder), remedy="Give another --out")
        return
    begun = {temporary_path(folder / name).name for name in (MARKER, NOTICE, *names)}
    others = entries(folder) - begun - {LOCK_WITHIN}
    found = read_simulation(folder)
    if found is not None:
        check_same(found[0], settings, "another simulation is there", where=str(folder))
        others -= {MARKER, *(found[1] & set(names))}
        with contextlib.suppress(OSError, ValueError):
            if (folder / NOTICE).read_text(encoding="utf-8") == notice + "\n":
                others.remove(NOTICE)
    if others:
        raise InputError(
            f"the folder contains other files ({len(others):,}), such as {min(others)}",
            where=str(folder),
            remedy="Give an empty folder",
        )


@contextlib.contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Turn errors of the system into an InputError that names the folder."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot be written ({os_errors.reason(error)})",
            where=str(out),
            remedy=os_errors.remedy(error, "Give another --out"),
        ) from None
