"""Options that all commands share which simulate handwriting from stroke data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwgen.charset import parse_charset, parse_count
from hwgen.errors import InputError
from hwgen_cli.options import CLASSES, strokes_option, workers_option

if TYPE_CHECKING:
    from hwgen.sources.strokes.data import StrokeData

_CLASSES = (
    "Characters to write: a number (everyday characters first, then the rest of GB2312 level 1, "
    "then others), the characters themselves, {more}a text file with them. For digits, write "
    "characters:012."
)

SimulatedClasses = Annotated[
    str,
    typer.Option(
        "--classes",
        metavar="N|CHARACTERS|FILE",
        rich_help_panel=CLASSES,
        help=_CLASSES.format(more="or "),
    ),
]
StoreClasses = Annotated[
    str,
    typer.Option(
        "--classes",
        metavar="N|CHARACTERS|FILE|STORE",
        rich_help_panel=CLASSES,
        help=_CLASSES.format(more="another store, whose classes are taken in their order, or "),
    ),
]
NumWriters = Annotated[
    int,
    typer.Option(
        "--num-writers",
        min=1,
        metavar="N",
        rich_help_panel=CLASSES,
        help="Number of writers; each writes every character once.",
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
Strokes = Annotated[
    Path | None,
    strokes_option("Stroke data of the characters.", default="hanzi"),
]
Workers = Annotated[int | None, workers_option("Number of worker processes.", "all cores")]


def characters_of(spec: str, strokes: StrokeData) -> tuple[str, ...]:
    """The characters that `--classes` stands for."""
    from hwgen.sources.strokes.data import chinese

    count = parse_count(spec)
    if count is None:
        return parse_charset(spec).labels
    known = chinese(strokes.characters())
    if not 1 <= count <= len(known):
        raise InputError(
            f"--classes {count}: {strokes.name} has {len(known):,} Chinese characters",
            remedy=f"Give a number from 1 to {len(known)}, or the characters themselves, such as "
            f"characters:{spec}",
        )
    return known[:count]
