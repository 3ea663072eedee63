"""`hwgen export`: a store in a format that other programs read."""

from __future__ import annotations

import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwgen.exports.formats import FORMATS
from hwgen_cli.completion import one_of
from hwgen_cli.options import CLASSES, Classes, Json, Overwrite, SplitSeed, Writers, out_option
from hwgen_cli.output import leave_stopped, print_json, print_lines

if TYPE_CHECKING:
    from hwgen.exports import Export, Selection, Shards
    from hwgen.store import Store

_SHARDS = "Shards"


class SplitBy(str, Enum):
    """What stays together in a split."""

    writer = "writer"
    record = "record"


StoreArgument = Annotated[
    Path, typer.Argument(metavar="STORE", help="Store to export, real or synthetic.")
]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        "-f",
        metavar="|".join(FORMATS),
        autocompletion=one_of(list(FORMATS)),
        help="Format to write.",
    ),
]
Split = Annotated[
    str,
    typer.Option(
        "--split",
        metavar="NAME=FRACTION,...",
        rich_help_panel=CLASSES,
        help="Split into subsets with these fractions, such as train=0.9,test=0.1; each is "
        "written to a folder of its own.",
    ),
]
SplitByOption = Annotated[
    SplitBy,
    typer.Option(
        "--split-by",
        rich_help_panel=CLASSES,
        help="Unit of --split. writer: all records of a writer go to the same subset. record: the "
        "records of each class are divided.",
    ),
]
ShardRecords = Annotated[
    int | None,
    typer.Option(
        "--shard-records",
        min=1,
        metavar="N",
        rich_help_panel=_SHARDS,
        show_default="10,000",
        help="Maximum number of records per shard (webdataset, parquet). Progress is saved after "
        "each shard, in other formats after as many records.",
    ),
]
ShardBytes = Annotated[
    int | None,
    typer.Option(
        "--shard-bytes",
        min=1,
        metavar="N",
        rich_help_panel=_SHARDS,
        show_default="256 MiB",
        help="Maximum number of bytes of images per shard, or between two saves of progress.",
    ),
]


def export(
    store: StoreArgument,
    format: Format,
    out: Annotated[Path, out_option("DIR")],
    classes: Classes = None,
    writers: Writers = "",
    split: Split = "",
    split_by: SplitByOption = SplitBy.writer,
    split_seed: SplitSeed = 0,
    shard_records: ShardRecords = None,
    shard_bytes: ShardBytes = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Export a store for other programs, without loss; see docs/formats.md.

    The file .export.json in the output directory lists classes, settings and versions. Formats
    with a place for it also hold the source of each record. A subset of classes gets new class ids,
    in the order of the store. Rerun the command to resume after Ctrl-C.

    Example: hwgen export synthetic --format ocr-lmdb --out synthetic-lmdb

    Example: hwgen export train --format parquet --out train-parquet --split train=0.9,test=0.1
    """
    from hwgen.exports import export_store
    from hwgen.exports.formats import exporter_named
    from hwgen.progress import Control
    from hwgen.store import Store
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    exporter_named(format)
    opened = Store(store)
    selection = _selection(
        opened,
        classes=classes,
        writers=writers,
        split=split,
        split_seed=split_seed,
        split_by=split_by,
    )
    began = time.monotonic()
    with bar("Exporting", "records") as advance, interruptible() as stop:
        result = export_store(
            opened,
            format,
            out,
            selection=selection,
            shards=_shards(shard_records, shard_bytes),
            overwrite=overwrite,
            control=Control(advance, stop),
        )
    if result is None:
        leave_stopped(out)
    if json:
        print_json(result.to_json())
    else:
        _show(result, out, time.monotonic() - began)


def _selection(
    store: Store,
    *,
    classes: str | None,
    writers: str,
    split: str,
    split_seed: int,
    split_by: SplitBy,
) -> Selection:
    from hwgen.charset import select_classes
    from hwgen.exports import Selection
    from hwgen.exports.selection import parse_split

    chosen = None if classes is None else select_classes(classes, store.charset)
    return Selection(
        classes=None if chosen is None else tuple(store.charset[i] for i in chosen),
        writers=writers,
        split=parse_split(split) if split else (),
        split_seed=split_seed,
        split_by=split_by.value,
    )


def _shards(records: int | None, bytes: int | None) -> Shards:
    from hwgen.exports import Shards

    default = Shards()
    return Shards(records or default.records, bytes or default.bytes)


def _show(result: Export, out: Path, seconds: float) -> None:
    from hwgen.exports.export import FILE

    exporter = FORMATS[result.recipe["format"]]
    print_lines(
        *(f"{out / name}: {records:,} records" for name, records in result.records.items()),
        f"classes: {len(result.charset):,}, fingerprint {result.charset_fingerprint}",
        f"files: {exporter.files}, read by {exporter.readers}",
        f"time: {seconds:,.1f} s",
        f"description: {out / FILE}",
    )
