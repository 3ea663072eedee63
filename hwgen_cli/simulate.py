"""`hwgen simulate`: handwriting simulated from stroke data, as one GNT file per writer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwgen.charset import gb2312_level1, parse_charset, parse_count
from hwgen.errors import InputError
from hwgen_cli.options import (
    CLASSES,
    Json,
    out_option,
    seed_option,
    strokes_option,
    workers_option,
)
from hwgen_cli.output import print_json, print_lines
from hwgen_cli.progress import bar

if TYPE_CHECKING:
    from hwgen.sources.strokes.data import StrokeData

_FIRST_HAN, _LAST_HAN = "\u4e00", "\u9fa5"  # all of them have a two-byte code in GNT

SimulatedClasses = Annotated[
    str,
    typer.Option(
        "--classes",
        metavar="N|CHARACTERS|FILE",
        rich_help_panel=CLASSES,
        help="Characters to write: a number (everyday characters first, then the rest of GB2312 "
        "level 1, then others), the characters themselves, or a text file with them. For digits, "
        "write characters:012.",
    ),
]
NumWriters = Annotated[
    int,
    typer.Option(
        "--num-writers",
        min=1,
        metavar="N",
        rich_help_panel=CLASSES,
        help="Number of writers; each writes every character once, into one file.",
    ),
]
FirstWriter = Annotated[
    int,
    typer.Option(
        "--first-writer",
        min=1,
        metavar="N",
        rich_help_panel=CLASSES,
        help="Number of the first writer. Give test writers other numbers than training writers.",
    ),
]


def simulate(
    out: Annotated[Path, out_option("DIR")],
    classes: SimulatedClasses = "60",
    num_writers: NumWriters = 40,
    first_writer: FirstWriter = 1,
    strokes: Annotated[
        Path | None,
        strokes_option(
            "Stroke data of characters as written in China.",
            default="KanjiVG, characters as written in Japan",
        ),
    ] = None,
    seed: Annotated[int, seed_option("the writers")] = 0,
    workers: Annotated[
        int | None, workers_option("Number of worker processes.", "all cores")
    ] = None,
    json: Json = False,
) -> None:
    """Simulate handwriting, for pretraining a recogniser or for trying hwgen without HWDB.

    The stroke data are those of KanjiVG (copyright Ulrich Apel, CC BY-SA 3.0; needs the extra
    "demo") or of Make Me a Hanzi (Arphic Public License). The output is under the same licence.

    Example: hwgen simulate --out simulated --classes 3700 --num-writers 55
    """
    from hwgen.imaging.framing_pool import available_workers
    from hwgen.progress import Control
    from hwgen.sources.simulation import gnt_folder
    from hwgen.sources.strokes.hanzi_writer import HanziWriter
    from hwgen.sources.strokes.kanjivg import KanjiVG

    data = KanjiVG() if strokes is None else HanziWriter(strokes)
    characters = _characters(classes, data)
    with bar("Writing", "characters") as advance:
        files = gnt_folder.simulate(
            out,
            characters=characters,
            writers=range(first_writer, first_writer + num_writers),
            seed=seed,
            strokes=data,
            workers=workers or available_workers(),
            control=Control(advance),
        )
    if json:
        names = [str(file) for file in files]
        print_json({"files": names, "characters": list(characters), "notice": data.notice})
        return
    print_lines(f"{out}: {len(files):,} writers, {len(characters):,} characters each", data.notice)


def _characters(spec: str, strokes: StrokeData) -> tuple[str, ...]:
    """The characters that `--classes` stands for."""
    from hwgen.sources.strokes.data import common_first

    count = parse_count(spec)
    if count is None:
        return parse_charset(spec).labels
    available = strokes.characters()
    level1 = [character for character in gb2312_level1() if character in available]
    others = sorted(c for c in available - set(level1) if _FIRST_HAN <= c <= _LAST_HAN)
    known = common_first([*level1, *others])
    if not 1 <= count <= len(known):
        raise InputError(
            f"--classes {count}: {strokes.name} has {len(known):,} Chinese characters",
            remedy=f"Give a number from 1 to {len(known)}, or the characters themselves, such as "
            f"characters:{spec}",
        )
    return tuple(known[:count])
