"""Options, progress and the printed report that all `hwgen prepare-*` commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwgen_cli.options import CLASSES, INPUT, out_option
from hwgen_cli.output import leave_stopped, print_json, print_lines

if TYPE_CHECKING:
    from hwgen.charset import Charset
    from hwgen.inspection.summaries import GntSummary
    from hwgen.prepare import PrepareReport
    from hwgen.progress import Control
    from hwgen.sources.images.layout import Columns
    from hwgen.sources.unread import UnreadKind
    from hwgen_cli.terminal import Console

FRAMING = "Framing"

_SHOWN_LEFT_OUT = 20
_SHOWN_EMPTY = 40
_SHOWN_PLACES = 5
"""Characters, classes and damaged places of each kind that are printed."""

_MOSTLY = 0.5
"""Fraction of dark images above which they may be inverted."""


class Subset(str, Enum):
    """Subset of a split by writer."""

    train = "train"
    test = "test"


StoreOut = Annotated[Path, out_option("STORE")]
Size = Annotated[
    int,
    typer.Option(
        "--size",
        min=4,
        max=1024,
        metavar="N",
        rich_help_panel=FRAMING,
        help="Image size in pixels of the store.",
    ),
]
Stretch = Annotated[
    bool,
    typer.Option(
        "--stretch",
        rich_help_panel=FRAMING,
        help="Stretch each character to the full image instead of keeping its aspect ratio.",
    ),
]
Margin = Annotated[
    int | None,
    typer.Option(
        "--margin",
        min=0,
        metavar="N",
        rich_help_panel=FRAMING,
        show_default="size / 16",
        help="White margin around each character, in pixels.",
    ),
]
CharsetOption = Annotated[
    str,
    typer.Option(
        "--charset",
        metavar="found|gb2312-1|FILE|STORE|CHARACTERS",
        rich_help_panel=CLASSES,
        help="Classes of the store and their order: those found in the input, a character set, "
        "those in a text file, those of another store, or the characters themselves (also as "
        "characters:TEXT). Records of other classes are left out and counted.",
    ),
]
DropEmpty = Annotated[
    bool,
    typer.Option(
        "--drop-empty",
        rich_help_panel=CLASSES,
        help="Leave classes without a record out of the store.",
    ),
]
MaxPerClass = Annotated[
    int | None,
    typer.Option(
        "--max-per-class",
        min=1,
        metavar="N",
        rich_help_panel=CLASSES,
        help="Maximum number of records per class; the first ones are taken.",
    ),
]
HeldOut = Annotated[
    float,
    typer.Option(
        "--held-out",
        min=0,
        max=1,
        metavar="FRACTION",
        rich_help_panel=CLASSES,
        help="Fraction of the writers to hold out for testing.",
    ),
]
SubsetOption = Annotated[
    Subset,
    typer.Option(
        "--subset",
        rich_help_panel=CLASSES,
        help="Writers to use with --held-out: train is those that are not held out, test those "
        "that are.",
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        rich_help_panel=INPUT,
        help="Stop at the first damaged record instead of skipping and reporting it.",
    ),
]


def carry_out(prepare: Callable[[Control], PrepareReport], out: Path, *, json: bool) -> None:
    """Prepare with a progress bar, to the end or until Ctrl-C, and print the report.

    Args:
        prepare: one of the library's functions, called with progress and stop requests.
        out: the store.
        json: print the report as JSON instead of for people.
    """
    from hwgen.errors import StoreError
    from hwgen.progress import Control
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar
    from hwgen_cli.terminal import Console

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
        leave_stopped(out, "no store was written; rerun the command to start again")
    if json:
        print_json(report.to_json())
    else:
        _show(report, Console())


def charset_of(spec: str) -> Charset | None:
    """The charset that `--charset` stands for; None for "found"."""
    from hwgen.charset import parse_charset
    from hwgen.store import Store, looks_like_store

    if spec == "found":
        return None
    path = Path(spec)
    # os.path: many characters are too long for a path, which raises in pathlib.
    if looks_like_store(path) or os.path.isdir(path):
        return Store(path).charset
    return parse_charset(spec, words=["found"])


def _show(report: PrepareReport, console: Console) -> None:
    from rich.table import Table

    from hwgen.prepare import REPORT_FILE
    from hwgen_cli.terminal import escape

    read = sum(file.records for file in report.files)
    per_class = report.per_class
    table = Table.grid(padding=(0, 2))
    table.add_row("store", escape(report.store))
    table.add_row("records", f"{report.records:,} in the store, {read:,} read")
    table.add_row(
        "classes",
        f"{report.classes:,}; records per class: {per_class['min']:,} minimum, "
        f"{per_class['median']:,.0f} median, {per_class['max']:,} maximum",
    )
    table.add_row("images", _images_in_words(report))
    table.add_row("writers", f"{report.writers:,}" if report.writers else "not known")
    table.add_row("files", f"{len(report.files):,}, {report.bytes_read / 1e6:,.1f} MB")
    if report.hidden:
        table.add_row("", f"hidden files skipped: {report.hidden:,}")
    table.add_row("time", f"{report.seconds:,.1f} s, {read / report.seconds:,.0f} records/s")
    console.print(table)
    for line in (*_origin_lines(report), *_left_out_lines(report), *_unread_lines(report)):
        console.print(line, highlight=False)
    _show_bad(report, console)
    print_lines(f"report: {Path(report.store) / REPORT_FILE}")


def _images_in_words(report: PrepareReport) -> str:
    framing = report.framing
    size, colour = framing["size"], "grey" if report.channels == 1 else "colour"
    how = f"aspect ratio kept, with a margin of {framing['margin']}"
    if framing.get("crop"):
        how = "the square in the centre of each"
    elif framing["stretch"]:
        how = "stretched to squares"
    return f"{size} x {size}, {colour}, {how}"


def _origin_lines(report: PrepareReport) -> list[str]:
    from hwgen_cli.terminal import escape

    lines = [f"[yellow]encoding[/]: {escape(line)}" for line in encoding_lines(report)]
    lines += [
        f"[yellow]look alike[/]: the classes {escape(ascii(group)[1:-1])} differ only in spaces, "
        "invisible characters or Unicode's normal form; if they are one, rename their folders or "
        "labels"
        for group in report.alike[:_SHOWN_PLACES]
    ]
    lines += _column_lines(report)
    if report.synthetic:
        lines.append(
            "[yellow]synthetic[/]: according to .export.json in the input, a generator made some "
            "of these records, so the store does not count as real"
        )
    if report.simulated:
        lines.append(
            "[yellow]simulated[/]: some or all of these records are simulated handwriting; train "
            "on this store, but test on real handwriting"
        )
    if report.transposed:
        lines.append(
            "[yellow]transposed[/]: the files of EMNIST, known by their names, hold images "
            "that lie on their side; they were turned upright. If yours stand upright, rename them"
        )
    if report.dark > _MOSTLY:
        lines.append(
            f"[yellow]dark[/]: {report.dark:.0%} of the images are mostly dark. In a store ink is "
            "dark on light paper: if theirs is light, rerun prepare-images with --invert"
        )
    return lines


def _column_lines(report: PrepareReport) -> list[str]:
    """The columns of tables, once for all tables with the same ones."""
    from hwgen_cli.terminal import escape

    tables: dict[Columns, list[str]] = {}
    for name, columns in report.columns.items():
        tables.setdefault(columns, []).append(name)
    lines = []
    for columns, names in list(tables.items())[:_SHOWN_PLACES]:
        text = f"{columns.image} and {columns.label}"
        text += f", writers from {columns.writer}" if columns.writer else ""
        if columns.not_read:
            text += f"; not read: {', '.join(columns.not_read[:_SHOWN_LEFT_OUT])}"
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        lines.append(f"columns of {escape(names[0])}{more}: {escape(text)}")
    return lines


def _left_out_lines(report: PrepareReport) -> list[str]:
    from hwgen.prepare.report import join_labels
    from hwgen_cli.terminal import escape

    lines = []
    if report.left_out:
        some = list(report.left_out.items())[:_SHOWN_LEFT_OUT]
        shown = escape(" ".join(f"{char} {n:,}" for char, n in some))
        more = len(report.left_out) - len(some)
        lines.append(
            f"[yellow]left out[/], not in the charset: {sum(report.left_out.values()):,} records "
            f"of {len(report.left_out):,} characters: {shown}"
            + (f" … and {more:,} more" if more > 0 else "")
        )
    if report.over_limit:
        lines.append(f"[yellow]left out[/] by --max-per-class: {report.over_limit:,} records")
    if report.empty_classes:
        lines.append(
            f"[yellow]empty[/]: {len(report.empty_classes):,} classes have no record: "
            f"{escape(join_labels(report.empty_classes[:_SHOWN_EMPTY]))}; rerun with "
            "--drop-empty to remove them"
        )
    return lines


def encoding_lines(report: PrepareReport | GntSummary) -> list[str]:
    """How names and labels were read, where that is not as UTF-8 or not certain."""
    lines = []
    for name, codec in list(report.encodings.items())[:_SHOWN_PLACES]:
        if report.encoding_given:
            lines.append(f"names and labels of {name} were read as {codec}, as --encoding says")
        elif name in report.guessed:
            lines.append(
                f"several encodings fit the names in {name}; they were read as the most plausible "
                f"one, {codec}. If that is wrong, give --encoding"
            )
        else:
            lines.append(
                f"names and labels of {name} were read as {codec}; if that is wrong, give "
                "--encoding"
            )
    more = len(report.encodings) - _SHOWN_PLACES
    return [*lines, f"likewise {more:,} more inputs"] if more > 0 else lines


def unread_lines(not_read: Sequence[UnreadKind]) -> list[str]:
    """What of an input was not read: what may be data with a remedy, then the rest."""
    from hwgen.sources.unread import describe, remedy

    data = [kind for kind in not_read if kind.may_be_data]
    rest = [kind for kind in not_read if not kind.may_be_data]
    lines = []
    if data:
        advice = remedy(data)
        lines.append(describe(data) + (f". {advice}" if advice else ""))
    if rest:
        lines.append(f"{describe(rest)}; these are rarely data")
    return lines


def _unread_lines(report: PrepareReport) -> list[str]:
    from hwgen_cli.terminal import escape

    alarming = any(kind.may_be_data for kind in report.not_read)
    colour = ("[yellow]", "[/]") if alarming else ("", "")
    lines = [
        f"{colour[0]}not read{colour[1]}: {escape(line)}" for line in unread_lines(report.not_read)
    ]
    if report.folders_not_read:
        shown = ", ".join(report.folders_not_read[:_SHOWN_EMPTY])
        count = len(report.folders_not_read)
        places = f"{count:,} {'place' if count == 1 else 'places'}"
        more = count - _SHOWN_EMPTY
        lines.append(
            f"[yellow]nothing read[/] in {places}: {escape(shown)}"
            + (f" … and {more:,} more" if more > 0 else "")
        )
    return lines


def _show_bad(report: PrepareReport, console: Console) -> None:
    from hwgen_cli.terminal import escape

    if not report.bad_records:
        partial = any(kind.may_be_data for kind in report.not_read)
        console.print(
            "no damaged records in what was read" if partial else "[green]no damaged records[/]"
        )
        return
    kinds: dict[str, list[str]] = {}
    for bad in report.bad_records:
        place = f"{bad.source}@{bad.offset}: {bad.length:,} bytes lost; expected {bad.expected}, "
        kinds.setdefault(bad.kind, []).append(place + f"found {bad.found}")
    console.print(
        f"[yellow]damaged[/]: {len(report.bad_records):,} places, {report.bytes_lost:,} bytes lost",
        highlight=False,
    )
    for kind, places in kinds.items():
        console.print(f"  {kind}: {len(places):,}", highlight=False)
        for place in places[:_SHOWN_PLACES]:
            console.print(f"    {escape(place)}", highlight=False, soft_wrap=True)
        if len(places) > _SHOWN_PLACES:
            console.print(f"    … and {len(places) - _SHOWN_PLACES:,} more", highlight=False)
