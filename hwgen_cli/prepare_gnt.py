"""In: the options of `hwgen prepare-gnt`. Out: a store; what was kept and lost on the screen."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from hwgen.charset import Charset
    from hwgen.prepare import PrepareReport

_SHOWN_PLACES = 5


def prepare_gnt(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="GNT files, folders of them, and CASIA's zips, which are read in place.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the store shall be.")],
    size: Annotated[
        int, typer.Option(min=4, max=1024, help="Side of the store's pictures, pixels.")
    ] = 64,
    stretch: Annotated[
        bool, typer.Option("--stretch", help="Fill the frame, as the paper: aspect not kept.")
    ] = False,
    margin: Annotated[
        int | None, typer.Option(min=0, help="Paper on each side, pixels.  [default: size / 16]")
    ] = None,
    charset: Annotated[
        str,
        typer.Option(
            metavar="found|gb2312-1|FILE|STORE|CHARACTERS",
            help="Classes and their order; what is outside is left out and counted.",
        ),
    ] = "found",
    drop_empty: Annotated[
        bool, typer.Option("--drop-empty", help="Drop classes of the charset without a record.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first damaged record.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the store that lies there.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes that scale pictures; 1 is this one alone. The store is the same."
            "  [default: all cores for large files]",
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON on standard output.")
    ] = False,
) -> None:
    """Make a store from GNT files: CASIA HWDB as it is shipped, or your own.

    Pictures keep their aspect ratio, centred on white paper. A damaged record
    is reported and passed over. One store serves every preset up to its size.

    Example, then a test set with the same classes:

      hwgen prepare-gnt HWDB1.0trn_gnt.zip -o train --charset gb2312-1 --drop-empty

      hwgen prepare-gnt HWDB1.0tst_gnt.zip -o test --charset train
    """
    import json as json_module

    from rich.console import Console

    from hwgen.errors import StoreError
    from hwgen.framing import Framing
    from hwgen.prepare import prepare_gnt as prepare
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    framing = Framing(size, stretch, -1 if margin is None else margin)
    began = time.monotonic()
    with bar("Preparing", "MB") as advance, interruptible() as stop:

        def progress(done: int, records: int, total: int) -> None:
            rate = records / max(1e-9, time.monotonic() - began)
            advance(done / 1e6, total / 1e6, f"{rate:,.0f} records/s")

        try:
            report = prepare(
                inputs,
                out,
                framing=framing,
                charset=_charset(charset),
                drop_empty=drop_empty,
                strict=strict,
                overwrite=overwrite,
                workers=workers,
                progress=progress,
                stop=stop,
            )
        except StoreError:
            if not stop():
                raise
            report = None
    if report is None:
        said = f"{out}: stopped, so there is no store; the same command begins anew"
        Console(stderr=True).print(said, soft_wrap=True, highlight=False)
        raise typer.Exit(130)
    if json:
        print(json_module.dumps(report.to_json(), ensure_ascii=False, indent=1))
    else:
        _show(report, Console())


def _charset(spec: str) -> Charset | None:
    from hwgen.charset import parse_charset
    from hwgen.store import Store, is_store

    if spec == "found":
        return None
    if is_store(Path(spec)):
        return Store(spec).charset
    return parse_charset(spec)


def _show(report: PrepareReport, console: Console) -> None:
    from rich.table import Table

    from hwgen.prepare import REPORT_FILE

    read = sum(file.records for file in report.files)
    per_class = report.per_class
    table = Table.grid(padding=(0, 2))
    table.add_row("store", report.store)
    table.add_row("records", f"{report.records:,} kept of {read:,} read")
    table.add_row(
        "classes",
        f"{report.classes:,}; records a class: {per_class['min']:,} least, "
        f"{per_class['median']:,.0f} median, {per_class['max']:,} most",
    )
    table.add_row("writers", f"{report.writers:,}" if report.writers else "not known")
    table.add_row("files", f"{len(report.files):,}, {report.bytes_read / 1e6:,.1f} MB")
    table.add_row("time", f"{report.seconds:,.1f} s, {read / report.seconds:,.0f} records/s")
    console.print(table)
    if report.left_out:
        some = " ".join(f"{char} {n:,}" for char, n in list(report.left_out.items())[:20])
        more = len(report.left_out) - 20
        console.print(
            f"[yellow]left out[/], outside the charset: {sum(report.left_out.values()):,} records "
            f"of {len(report.left_out):,} characters: {some}"
            + (f" … and {more:,} more" if more > 0 else ""),
            highlight=False,
        )
    if report.empty_classes:
        console.print(
            f"[yellow]empty[/]: {len(report.empty_classes):,} classes have no record: "
            f"{''.join(report.empty_classes[:40])}; --drop-empty leaves them out of the charset",
            highlight=False,
        )
    _show_bad(report, console)
    console.print(f"report: {Path(report.store) / REPORT_FILE}", highlight=False, soft_wrap=True)


def _show_bad(report: PrepareReport, console: Console) -> None:
    from rich.markup import escape

    if not report.bad_records:
        console.print("[green]no bad records[/]")
        return
    kinds: dict[str, list[str]] = {}
    for bad in report.bad_records:
        place = f"{bad.source}@{bad.offset}: {bad.length:,} bytes lost; expected {bad.expected}, "
        kinds.setdefault(bad.kind, []).append(place + f"found {bad.found}")
    console.print(
        f"[yellow]bad[/]: {len(report.bad_records):,} places, {report.bytes_lost:,} bytes lost",
        highlight=False,
    )
    for kind, places in kinds.items():
        console.print(f"  {kind}: {len(places):,}", highlight=False)
        for place in places[:_SHOWN_PLACES]:
            console.print(f"    {escape(place)}", highlight=False, soft_wrap=True)
        if len(places) > _SHOWN_PLACES:
            console.print(f"    … and {len(places) - _SHOWN_PLACES:,} more", highlight=False)
