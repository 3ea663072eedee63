"""In: a preparation of the library. Out: its progress and its report on the screen, or as JSON.

And the options that all `hwgen prepare-*` have.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from hwgen.charset import Charset
    from hwgen.prepare import PrepareReport
    from hwgen.progress import Control


class Part(str, Enum):
    """A side of the split by writer."""

    train = "train"
    test = "test"


OutOption = Annotated[Path, typer.Option("--out", "-o", help="Where the store shall be.")]
SizeOption = Annotated[
    int, typer.Option(min=4, max=1024, help="Side of the store's pictures, pixels.")
]
StretchOption = Annotated[
    bool, typer.Option("--stretch", help="Fill the frame, as the paper: aspect not kept.")
]
MarginOption = Annotated[
    int | None, typer.Option(min=0, help="Paper on each side, pixels.", show_default="size / 16")
]
CharsetOption = Annotated[
    str,
    typer.Option(
        metavar="found|gb2312-1|FILE|STORE|CHARACTERS",
        help="Classes and their order; what is outside is left out and counted. characters:TEXT "
        "where TEXT could be a name.",
    ),
]
DropEmptyOption = Annotated[
    bool, typer.Option("--drop-empty", help="Drop classes of the charset without a record.")
]
LimitOption = Annotated[
    int | None, typer.Option(min=1, help="Records of a class at most, the first ones.")
]
WritersOption = Annotated[
    str,
    typer.Option(
        metavar="IDS",
        help="Whose files to take: ids and ranges, as 1001-1050,1055; all if none.",
    ),
]
HeldOutOption = Annotated[
    float,
    typer.Option(min=0, max=1, help="Share of these writers that is held out for tests."),
]
PartOption = Annotated[
    Part, typer.Option(help="With --held-out: the others' files, or those held out.")
]
SplitSeedOption = Annotated[int, typer.Option(min=0, help="Another seed holds out others.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Stop at the first damaged record.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace the store that lies there.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the report as JSON on standard output.")
]

_SHOWN_PLACES = 5


def carry_out(prepare: Callable[[Control], PrepareReport], out: Path, *, json: bool) -> None:
    """Prepare with a progress bar, to the end or to Ctrl-C, and show the report.

    Args:
        prepare: one of the library's functions, called with progress and stop requests.
        out: the store.
        json: print the report as JSON rather than for people.
    """
    import json as json_module

    from rich.console import Console

    from hwgen.errors import StoreError
    from hwgen.progress import Control
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    with bar("Preparing", "MB") as advance, interruptible() as stop:

        def progress(done: float, total: float, note: str) -> None:
            advance(done / 1e6, total / 1e6, note)

        try:
            report = prepare(Control(progress, stop))
        except StoreError:
            if not stop():
                raise
            report = None
    if report is None:
        said = f"{out}: stopped, so there is no store; the same command begins anew"
        Console(stderr=True).print(said, markup=False, soft_wrap=True, highlight=False)
        raise typer.Exit(130)
    if json:
        print(json_module.dumps(report.to_json(), ensure_ascii=False, indent=1))
    else:
        _show(report, Console())


def charset_of(spec: str) -> Charset | None:
    """What `--charset` means; None is "found"."""
    from hwgen.charset import parse_charset
    from hwgen.store import Store, is_some_store

    if spec == "found":
        return None
    path = Path(spec)
    # os.path: many characters are too long for a path, which is no error.
    if is_some_store(path) or os.path.isdir(path):
        return Store(path).charset
    return parse_charset(spec, words=["found"])


def _show(report: PrepareReport, console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    from hwgen.prepare import REPORT_FILE
    from hwgen.prepare.report import join_labels

    read = sum(file.records for file in report.files)
    per_class = report.per_class
    table = Table.grid(padding=(0, 2))
    table.add_row("store", escape(report.store))
    table.add_row("records", f"{report.records:,} kept of {read:,} read")
    table.add_row(
        "classes",
        f"{report.classes:,}; records a class: {per_class['min']:,} least, "
        f"{per_class['median']:,.0f} median, {per_class['max']:,} most",
    )
    table.add_row("writers", f"{report.writers:,}" if report.writers else "not known")
    table.add_row("files", f"{len(report.files):,}, {report.bytes_read / 1e6:,.1f} MB")
    if report.hidden:
        table.add_row("", f"hidden, passed over: {report.hidden:,}")
    table.add_row("time", f"{report.seconds:,.1f} s, {read / report.seconds:,.0f} records/s")
    console.print(table)
    if report.synthetic:
        console.print(
            "[yellow]synthetic[/]: an export's .export.json says that a generator made some of "
            "this, so the store does not count as real",
            highlight=False,
        )
    if report.simulated:
        console.print(
            "[yellow]simulated[/]: its .export.json says that simulated writers wrote some of "
            "this: train on it, and test on real handwriting",
            highlight=False,
        )
    if report.left_out:
        some = " ".join(f"{char} {n:,}" for char, n in list(report.left_out.items())[:20])
        more = len(report.left_out) - 20
        console.print(
            f"[yellow]left out[/], outside the charset: {sum(report.left_out.values()):,} records "
            f"of {len(report.left_out):,} characters: {escape(some)}"
            + (f" … and {more:,} more" if more > 0 else ""),
            highlight=False,
        )
    if report.over_limit:
        console.print(
            f"[yellow]left out[/] by --limit: {report.over_limit:,} records", highlight=False
        )
    if report.empty_classes:
        console.print(
            f"[yellow]empty[/]: {len(report.empty_classes):,} classes have no record: "
            f"{escape(join_labels(report.empty_classes[:40]))}; --drop-empty drops them from the "
            "charset",
            highlight=False,
        )
    _show_bad(report, console)
    console.print(
        f"report: {Path(report.store) / REPORT_FILE}", markup=False, highlight=False, soft_wrap=True
    )


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
