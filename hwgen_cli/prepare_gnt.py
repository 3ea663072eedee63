"""`hwgen prepare-gnt`: a store from GNT files."""

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

Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT...",
        help="GNT files, folders of them, and zips such as those of CASIA, which need not be "
        "unpacked.",
    ),
]
Workers = Annotated[
    int | None,
    workers_option("Number of processes that scale images.", "all cores for large files"),
]


def prepare_gnt(
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
    strict: Strict = False,
    encoding: Encoding = None,
    overwrite: Overwrite = False,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Make a store from GNT files: those of CASIA HWDB, or your own.

    Images keep their aspect ratio and are centred on white. Damaged records are skipped and
    reported. A store fits every preset of the same or a smaller image size.

    Example: a training set, and a test set with the same classes:

      hwgen prepare-gnt HWDB1.0trn_gnt.zip -o train --charset gb2312-1 --drop-empty

      hwgen prepare-gnt HWDB1.0tst_gnt.zip -o test --charset train

    Example: ten characters by ten writers:

      hwgen prepare-gnt HWDB1.0trn_gnt.zip -o few --charset 的一是不了在人有我他 --writers 001-010
    """
    from hwgen.imaging.framing import Framing
    from hwgen.prepare import PrepareOptions
    from hwgen.prepare import prepare_gnt as prepare
    from hwgen.sources.writer_selection import WriterSelection

    framing = Framing(size, stretch, -1 if margin is None else margin)
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
            framing=framing,
            writers=selection,
            options=options,
            control=control,
        )

    carry_out(run, out, json=json)
