"""In: the options of `hwgen prepare-gnt`. Out: a store; what was kept and lost on the screen."""

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


def prepare_gnt(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="GNT files, folders of them, and CASIA's zips, which are read in place.",
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
    strict: StrictOption = False,
    overwrite: OverwriteOption = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes that scale pictures; 1 is this one alone. The store is the same.",
            show_default="all cores for large files",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a store from GNT files: CASIA HWDB as it is shipped, or your own.

    Pictures keep their aspect ratio, centred on white paper. A damaged record
    is reported and passed over. One store serves every preset up to its size.

    Example, then a test set with the same classes:

      hwgen prepare-gnt HWDB1.0trn_gnt.zip -o train --charset gb2312-1 --drop-empty

      hwgen prepare-gnt HWDB1.0tst_gnt.zip -o test --charset train

    Example, ten writers of ten characters:

      hwgen prepare-gnt HWDB1.0trn_gnt.zip -o few --charset 的一是不了在人有我他 --writers 001-010
    """
    from hwgen.imaging.framing import Framing
    from hwgen.prepare import PrepareOptions
    from hwgen.prepare import prepare_gnt as prepare
    from hwgen.sources.writer_selection import WriterSelection

    framing = Framing(size, stretch, -1 if margin is None else margin)
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
            framing=framing,
            writers=selection,
            options=options,
            control=control,
        )

    carry_out(run, out, json=json)
