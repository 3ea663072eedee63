"""In: the options of `hwgen prepare-pot`. Out: a store; what was kept and lost on the screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwgen_cli.preparing import (
    CharsetOption,
    DropEmptyOption,
    HeldOutOption,
    JsonOption,
    LimitOption,
    MarginOption,
    OutOption,
    OverwriteOption,
    Part,
    PartOption,
    SizeOption,
    SplitSeedOption,
    StretchOption,
    StrictOption,
    WritersOption,
    carry_out,
    charset_of,
)

if TYPE_CHECKING:
    from hwgen.prepare import PrepareReport
    from hwgen.progress import Control


def prepare_pot(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="POT files, folders of them, and CASIA's zips, which are read in place.",
        ),
    ],
    out: OutOption,
    size: SizeOption = 64,
    stretch: StretchOption = False,
    margin: MarginOption = None,
    charset: CharsetOption = "found",
    drop_empty: DropEmptyOption = False,
    limit: LimitOption = None,
    writers: WritersOption = "",
    held_out: HeldOutOption = 0.0,
    part: PartOption = Part.train,
    split_seed: SplitSeedOption = 0,
    pen_width: Annotated[
        float, typer.Option(help="Width of a slow pen's line, pixels of a 300 dpi scan.")
    ] = 5.2,
    pressure: Annotated[
        float, typer.Option(help="How much thinner and paler a fast pen's line is, 0 to 1.")
    ] = 0.7,
    darkness: Annotated[float, typer.Option(help="Of a slow pen's line, up to 1, black.")] = 0.87,
    grain: Annotated[float, typer.Option(help="How uneven the ink is, 0 to 1.")] = 0.2,
    jitter: Annotated[
        float,
        typer.Option(help="How much pen and shape differ by character: 0 not at all, 2 twice."),
    ] = 1.0,
    render_seed: Annotated[int, typer.Option(min=0, help="Of jitter and grain.")] = 0,
    strict: StrictOption = False,
    overwrite: OverwriteOption = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes that draw; 1 is this one alone. The store is the same.",
            show_default="all cores",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a store from POT files: the pen's paths of CASIA OLHWDB, drawn like scans.

    The handwriting is real, the ink is not: a soft pen follows each path, wider
    and darker where it is slow, and the picture is framed as a scan would be. The
    same options draw the same pixels, whatever the number of workers.

    Example, split by writer:

      hwgen prepare-pot OLHWDB1.1trn_pot.zip -o train --charset gb2312-1 --held-out 0.1

      hwgen prepare-pot OLHWDB1.1trn_pot.zip -o test --charset train --held-out 0.1 --part test
    """
    from hwgen.imaging.framing import Framing
    from hwgen.imaging.ink import Ink
    from hwgen.prepare import PrepareOptions
    from hwgen.prepare import prepare_pot as prepare
    from hwgen.sources.writer_selection import WriterSelection

    framing = Framing(size, stretch, -1 if margin is None else margin)
    ink = Ink(framing, pen_width, pressure, darkness, grain, jitter, render_seed)
    selection = WriterSelection(writers, held_out, part.value, split_seed)

    options = PrepareOptions(
        charset=charset_of(charset),
        drop_empty=drop_empty,
        limit=limit,
        strict=strict,
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
