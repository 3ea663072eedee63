"""In: the options of `hwgen export`. Out: a store in the format of other trainers; a model."""

from __future__ import annotations

import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwgen_cli.completion import one_of

if TYPE_CHECKING:
    from hwgen.exports import Export
    from hwgen.store import Store


_FORMATS = "ocr-lmdb|folder|paddle|gnt|webdataset|parquet|model|tensorboard"
"""As in hwgen.exports, which takes longer to import than help may."""


class SplitBy(str, Enum):
    """What stays together in a split."""

    writer = "writer"
    record = "record"


def export(
    thing: Annotated[
        Path,
        typer.Argument(
            metavar="STORE|RUN", help="A store, real or synthetic; of model and tensorboard a run."
        ),
    ],
    format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar=_FORMATS,
            autocompletion=one_of(_FORMATS.split("|")),
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The new folder.")],
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="N|CHARACTERS|FILE",
            help="Some classes: a number (the first so many), characters, or a file. Where digits "
            "are classes, say first:10 or characters:10. Class ids then run over these, in the "
            "store's order.",
        ),
    ] = None,
    writers: Annotated[
        str,
        typer.Option(
            metavar="IDS", help="Whose records: ids and ranges, as 1001-1050,1055; all if none."
        ),
    ] = "",
    split: Annotated[
        str,
        typer.Option(
            metavar="NAME=SHARE,...",
            help="Parts, each a folder in the new one, as train=0.9,test=0.1.",
        ),
    ] = "",
    split_by: Annotated[
        SplitBy,
        typer.Option(
            help="All records of a writer into one part, or the records of each class by share."
        ),
    ] = SplitBy.writer,
    split_seed: Annotated[int, typer.Option(min=0, help="Another seed is another split.")] = 0,
    shard_records: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Most records a shard (of webdataset and parquet), and between two saves.",
            show_default="10,000",
        ),
    ] = None,
    shard_bytes: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Most bytes of pictures a shard, and between two saves.",
            show_default="256 MiB",
        ),
    ] = None,
    checkpoint: Annotated[
        str, typer.Option(metavar="last|best|IMAGES", help="Of a model: which snapshot of the run.")
    ] = "last",
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Of a model: also write the generator as ONNX.")
    ] = False,
    judged: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Of a model: what hwgen evaluate, or hwgen benchmark --protocol, wrote, for the "
            "card.",
        ),
    ] = None,
    licence: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="Of a model: what you give it under, for the card; an identifier as cc-by-4.0, or "
            "any line.",
            show_default="the data's terms decide",
        ),
    ] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another export that is there.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print .export.json on standard output.")
    ] = False,
) -> None:
    """Write a store as other trainers read it, or a run as a model; see docs/formats.md.

    Pictures are lossless, and where each came from is kept beside it wherever the
    format can hold it. .export.json tells classes, recipe and versions. Ctrl-C stops;
    the same command goes on.

    A model folder is all that hwgen synthesize needs, with a card. Neither it nor the curves
    for TensorBoard hold a real picture.

    Example: hwgen export synthetic --format ocr-lmdb --out synthetic.lmdb

    Example: hwgen export train -f parquet -o train-parquet --split train=0.9,test=0.1

    Example: hwgen export runs/first --format model --out first-model --onnx
    """
    import json as json_module

    from rich.console import Console

    from hwgen.exports import Selection, Shards, export_store
    from hwgen.exports.formats import exports_run
    from hwgen.exports.selection import parse_split
    from hwgen.store import Store
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    of_store = {
        "--classes": classes is not None,
        "--writers": bool(writers),
        "--split": bool(split),
        "--split-by": split_by is not SplitBy.writer,
        "--split-seed": bool(split_seed),
        "--shard-records": shard_records is not None,
        "--shard-bytes": shard_bytes is not None,
    }
    of_model = {
        "--checkpoint": checkpoint != "last",
        "--onnx": onnx,
        "--judged": bool(judged),
        "--licence": bool(licence),
    }
    if exports_run(format, thing):
        _refuse(of_store if format == "model" else {**of_store, **of_model}, format)
        if format == "model":
            _export_model(thing, out, checkpoint, onnx, judged or [], licence, overwrite, json)
        else:
            _export_curves(thing, out, overwrite, json)
        return
    _refuse(of_model, format)
    opened = Store(thing)
    selection = Selection(
        classes=None if classes is None else _labels(opened, classes),
        writers=writers,
        split=parse_split(split) if split else (),
        split_seed=split_seed,
        split_by=split_by.value,
    )
    default = Shards()
    shards = Shards(shard_records or default.records, shard_bytes or default.bytes)
    began = time.monotonic()
    with bar("Exporting", "records") as advance, interruptible() as stop:
        done = export_store(
            opened,
            format,
            out,
            selection=selection,
            shards=shards,
            progress=advance,
            stop=stop,
            overwrite=overwrite,
        )
    if done is None:
        said = f"{out}: stopped, the same command goes on"
        Console(stderr=True).print(said, markup=False, soft_wrap=True, highlight=False)
        raise typer.Exit(130)
    if json:
        print(json_module.dumps(done.to_json(), ensure_ascii=False, indent=1))
    else:
        _show(done, out, time.monotonic() - began)


def _refuse(given: dict[str, bool], format: str) -> None:
    from hwgen.errors import InputError

    names = [name for name, is_given in given.items() if is_given]
    if names:
        raise InputError(f"{', '.join(names)}: not of --format {format}", remedy="Leave it out")


def _export_model(
    run: Path,
    out: Path,
    checkpoint: str,
    onnx: bool,
    judged: list[Path],
    licence: str,
    overwrite: bool,
    json: bool,
) -> None:
    from hwgen.exports.runs import export_model
    from hwgen.runs import Run
    from hwgen.runs.models import read_model

    export_model(
        Run(run),
        out,
        snapshot=checkpoint,
        onnx=onnx,
        results=judged,
        licence=licence,
        overwrite=overwrite,
    )
    model = read_model(out)
    lines = [
        f"{model.provenance}, {model.images:,} images",
        f"classes: {len(model.charset):,}, fingerprint {model.charset.fingerprint}",
        "look at README.md before you pass it on: the data's terms decide",
    ]
    _tell(out, model.to_json(), lines, json)


def _export_curves(run: Path, out: Path, overwrite: bool, json: bool) -> None:
    from hwgen.exports.runs import export_curves
    from hwgen.runs import Run

    count = export_curves(Run(run), out, overwrite=overwrite)
    lines = [f"{count:,} numbers and pictures", f"look at it with: tensorboard --logdir {out}"]
    _tell(out, {"kind": "tensorboard", "path": str(out), "count": count}, lines, json)


def _tell(out: Path, summary: dict[str, Any], lines: list[str], json: bool) -> None:
    import json as json_module

    from rich.console import Console

    files = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    if json:
        print(json_module.dumps({**summary, "files": files}, ensure_ascii=False, indent=1))
        return
    lines = [*(f"{out / name}: {size:,} bytes" for name, size in files.items()), *lines]
    Console().print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)


def _labels(store: Store, classes: str) -> tuple[str, ...]:
    from hwgen.charset import select_classes

    chosen = select_classes(classes, store.charset)
    return tuple(store.charset[class_id] for class_id in chosen)


def _show(done: Export, out: Path, seconds: float) -> None:
    from rich.console import Console

    from hwgen.exports import FORMATS
    from hwgen.exports.export import FILE

    row = FORMATS[done.recipe["format"]]
    lines = [f"{out / name}: {records:,} records" for name, records in done.records.items()]
    lines += [
        f"classes: {len(done.charset):,}, fingerprint {done.charset_fingerprint}",
        f"files: {row.what}, read by {row.readers}",
        f"time: {seconds:,.1f} s",
        f"told in: {out / FILE}",
    ]
    Console().print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)
