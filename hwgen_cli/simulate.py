"""In: how many characters and writers. Out: a folder of simulated GNT files, one a writer."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from hwgen.charset import gb2312_level1, parse_charset
from hwgen.errors import InputError
from hwgen_cli.progress import bar


def simulate(
    out: Path = typer.Option(..., help="Folder for the files 001-f.gnt, 002-f.gnt, ..."),
    classes: str = typer.Option(
        "60",
        help="A number (that many, everyday characters first), the characters, or a file of them.",
    ),
    writers: int = typer.Option(40, min=1, help="How many writers, one file each."),
    first_writer: int = typer.Option(1, min=1, help="Number of the first writer."),
    seed: int = typer.Option(0, min=0, help="Another seed is another set of hands."),
) -> None:
    """Write simulated handwriting as GNT files, for trying hwgen without HWDB.

    It is not data: writers are simulated from the stroke paths of KanjiVG (copyright Ulrich Apel,
    CC BY-SA 3.0), and what is written is under the same licence. Needs the extra "demo".
    """
    from hwgen.sources import simulated

    characters = _characters(classes)
    numbers = range(first_writer, first_writer + writers)
    with bar("writing", "characters") as advance:
        files = simulated.simulate(
            out, characters=characters, writers=numbers, seed=seed, progress=advance
        )
    console = Console()
    console.print(
        f"{len(files):,} writers x {len(characters):,} characters in {out}",
        markup=False,
        soft_wrap=True,
        highlight=False,
    )
    console.print(simulated.NOTICE, highlight=False)


def _characters(spec: str) -> tuple[str, ...]:
    """The characters that `--classes` means."""
    from hwgen.sources import simulated

    if not spec.isdecimal():
        return parse_charset(spec).labels
    drawn = simulated.kanjivg_characters()
    known = simulated.common_first(c for c in gb2312_level1() if c in drawn)
    if not 1 <= int(spec) <= len(known):
        raise InputError(
            f"{spec} classes asked for, and KanjiVG draws {len(known):,} characters of GB2312 "
            "level 1",
            remedy=f"Give a number from 1 to {len(known)}, or the characters themselves",
        )
    return tuple(known[: int(spec)])
