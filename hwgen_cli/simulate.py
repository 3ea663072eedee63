"""In: how many characters and writers. Out: a folder of simulated GNT files, one a writer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from hwgen.charset import gb2312_level1, parse_charset, parse_count
from hwgen.errors import InputError
from hwgen_cli.progress import bar

if TYPE_CHECKING:
    from hwgen.sources.strokes.data import StrokeData

_FIRST_HAN, _LAST_HAN = "\u4e00", "\u9fa5"  # all of them have a code of two bytes in GNT


def simulate(
    out: Path = typer.Option(..., help="Folder for the files 001-f.gnt, 002-f.gnt, ..."),
    classes: str = typer.Option(
        "60",
        metavar="N|CHARACTERS|FILE",
        help="A number (that many: everyday characters first, then others of GB2312 level 1, then "
        "any), the characters, or a file of them. Digits are a number: characters:012 are not.",
    ),
    writers: int = typer.Option(40, min=1, help="How many writers, one file each."),
    first_writer: int = typer.Option(1, min=1, help="Number of the first writer."),
    seed: int = typer.Option(0, min=0, help="Another seed is another set of hands."),
    strokes: Path | None = typer.Option(
        None,
        metavar="FILE",
        show_default="KanjiVG, as written in Japan",
        help="How characters are written: the tar that `npm pack hanzi-writer-data` fetches, or "
        "graphics.txt of Make Me a Hanzi, as in China.",
    ),
    workers: int | None = typer.Option(
        None, min=1, help="Processes; the files are the same.", show_default="all cores"
    ),
) -> None:
    """Write simulated handwriting as GNT files, to train a recogniser on before the real ones.

    Or to try hwgen without HWDB. Writers are simulated from the stroke paths of KanjiVG (copyright
    Ulrich Apel, CC BY-SA 3.0; needs the extra "demo") or of Make Me a Hanzi (Arphic Public
    License), and what is written is under the same licence.

    Example: hwgen simulate --out simulated --classes 3700 --writers 55
    """
    from hwgen.imaging.framing_pool import available_workers
    from hwgen.progress import Control
    from hwgen.sources.simulation import gnt_folder
    from hwgen.sources.strokes.hanzi_writer import HanziWriter
    from hwgen.sources.strokes.kanjivg import KanjiVG

    data = KanjiVG() if strokes is None else HanziWriter(strokes)
    characters = _characters(classes, data)
    numbers = range(first_writer, first_writer + writers)
    with bar("writing", "characters") as advance:
        files = gnt_folder.simulate(
            out,
            characters=characters,
            writers=numbers,
            seed=seed,
            strokes=data,
            workers=workers or available_workers(),
            control=Control(advance),
        )
    console = Console()
    console.print(
        f"{len(files):,} writers x {len(characters):,} characters in {out}",
        markup=False,
        soft_wrap=True,
        highlight=False,
    )
    console.print(data.notice, highlight=False)


def _characters(spec: str, strokes: StrokeData) -> tuple[str, ...]:
    """The characters that `--classes` means."""
    from hwgen.sources.strokes.data import common_first

    count = parse_count(spec)
    if count is None:
        return parse_charset(spec).labels
    drawn = strokes.characters()
    level1 = [character for character in gb2312_level1() if character in drawn]
    others = sorted(c for c in drawn - set(level1) if _FIRST_HAN <= c <= _LAST_HAN)
    known = common_first([*level1, *others])
    if not 1 <= count <= len(known):
        raise InputError(
            f"{count} classes asked for, and {strokes.name} has {len(known):,} Chinese characters",
            remedy=f"Give a number from 1 to {len(known)}, or the characters themselves, as "
            f"characters:{spec}",
        )
    return tuple(known[:count])
