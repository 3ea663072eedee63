"""`hwgen prepare-pot`: a store from POT files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwgen_cli.options import Encoding, Json, Overwrite, SplitSeed, Writers, workers_option
from hwgen_cli.preparing import (
    CharsetOption,
    DropEmpty,
    HeldOut,
    Margin,
    MaxPerClass,
    Size,
    StoreOut,
    Stretch,
    Strict,
    Subset,
    SubsetOption,
    carry_out,
    charset_of,
)

if TYPE_CHECKING:
    from hwgen.prepare import PrepareReport
    from hwgen.progress import Control

RENDERING = "Rendering"

Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT...",
        help="POT files, folders of them, and zips such as those of CASIA, which need not be "
        "unpacked.",
    ),
]
PenWidth = Annotated[
    float,
    typer.Option(
        "--pen-width",
        metavar="WIDTH",
        rich_help_panel=RENDERING,
        help="Width of the line of a slow pen, 0.5 to 100 pixels of a 300 dpi scan.",
    ),
]
Pressure = Annotated[
    float,
    typer.Option(
        "--pressure",
        metavar="FRACTION",
        rich_help_panel=RENDERING,
        help="Effect of the speed of the pen, 0 to 1: the higher, the thinner and paler is the "
        "line of a fast pen.",
    ),
]
Darkness = Annotated[
    float,
    typer.Option(
        "--darkness",
        metavar="FRACTION",
        rich_help_panel=RENDERING,
        help="Darkness of the line of a slow pen, 0.05 to 1 (black).",
    ),
]
Grain = Annotated[
    float,
    typer.Option(
        "--grain",
        metavar="FRACTION",
        rich_help_panel=RENDERING,
        help="Unevenness of the ink, 0 to 1.",
    ),
]
Jitter = Annotated[
    float,
    typer.Option(
        "--jitter",
        metavar="FACTOR",
        rich_help_panel=RENDERING,
        help="Variation of pen and shape between characters, 0 (none) to 5; 2 is twice the "
        "default.",
    ),
]
RenderSeed = Annotated[
    int,
    typer.Option(
        "--render-seed",
        min=0,
        metavar="N",
        rich_help_panel=RENDERING,
        help="Random seed for jitter and grain.",
    ),
]
Workers = Annotated[
    int | None, workers_option("Number of processes that render images.", "all cores")
]


def prepare_pot(
    inputs: Inputs,
    out: StoreOut,
    size: Size = 64,
    stretch: Stretch = False,
    margin: Margin = None,
    charset: CharsetOption = "found",
    drop_empty: DropEmpty = False,
    max_per_class: MaxPerClass = None,
    writers: Writers = "",
    held_out: HeldOut = 0.0,
    subset: SubsetOption = Subset.train,
    split_seed: SplitSeed = 0,
    pen_width: PenWidth = 5.2,
    pressure: Pressure = 0.7,
    darkness: Darkness = 0.87,
    grain: Grain = 0.2,
    jitter: Jitter = 1.0,
    render_seed: RenderSeed = 0,
    strict: Strict = False,
    encoding: Encoding = None,
    overwrite: Overwrite = False,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Make a store from POT files: the pen paths of CASIA OLHWDB, rendered like scans.

    The handwriting is real, the ink is rendered: the line is wider and darker where the pen is
    slow, and the image is framed like a scan. The same options give the same pixels.

    Example: a training and a test set of different writers:

      hwgen prepare-pot OLHWDB1.1trn_pot.zip -o train --charset gb2312-1 --held-out 0.1

      hwgen prepare-pot OLHWDB1.1trn_pot.zip -o test --charset train --held-out 0.1 --subset test
    """
    from hwgen.imaging.framing import Framing
    from hwgen.imaging.ink import Ink
    from hwgen.prepare import PrepareOptions
    from hwgen.prepare import prepare_pot as prepare
    from hwgen.sources.writer_selection import WriterSelection

    framing = Framing(size, stretch, -1 if margin is None else margin)
    ink = Ink(
        framing,
        pen_width=pen_width,
        pressure=pressure,
        darkness=darkness,
        grain=grain,
        jitter=jitter,
        seed=render_seed,
    )
    selection = WriterSelection(writers, held_out, subset.value, split_seed)
    options = PrepareOptions(
        charset=charset_of(charset),
        drop_empty=drop_empty,
        limit=max_per_class,
        strict=strict,
        encoding=encoding,
        overwrite=overwrite,
        workers=workers,
    )

    def run(control: Control) -> PrepareReport:
        return prepare(
            inputs,
            out,
            ink=ink,
            writers=selection,
            options=options,
            control=control,
        )

    carry_out(run, out, json=json)
