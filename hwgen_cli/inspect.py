"""In: the options of `hwgen inspect`. Out: what a store or a GNT file holds, on the screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from hwgen.inspect import Balance

_SHEET_COLUMNS = 12


def inspect(
    thing: Annotated[
        Path,
        typer.Argument(help="A store, or a GNT file, a folder of them, or a zip that holds them."),
    ],
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Also draw a contact sheet of some pictures."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON on standard output.")
    ] = False,
) -> None:
    """Show what a store or a GNT file holds.

    Counts, class balance, writers, exact duplicates, damage.

    For example:

      hwgen inspect train --sheet train.png
    """
    import json as json_module

    from rich.console import Console
    from rich.table import Table

    from hwgen.store import is_store, partial_path

    # Whatever is or was becoming a store is told about as one.
    as_store = is_store(thing) or (not thing.exists() and partial_path(thing).exists())
    summary, rows = (_store if as_store else _gnt)(thing, sheet)
    if json:
        print(json_module.dumps(summary, ensure_ascii=False, indent=1))
    else:
        table = Table.grid(padding=(0, 2))
        for name, value in rows:
            table.add_row(name, value)
        Console().print(table, highlight=False)
        if sheet:
            Console().print(f"contact sheet: {sheet}", highlight=False, soft_wrap=True)


Shown = tuple[dict[str, Any], list[tuple[str, str]]]
"""A summary as JSON, and the rows that a person reads."""


def _store(path: Path, sheet: Path | None) -> Shown:
    from hwgen.inspect import inspect_store, sheet_of_store
    from hwgen.store import Store

    store = Store(path)
    summary = inspect_store(store)
    if sheet:
        _save_sheet(sheet_of_store(store, columns=_SHEET_COLUMNS), sheet)
    colour = "grey" if summary.channels == 1 else "colour"
    return summary.to_json(), [
        ("store", summary.path),
        ("origin", str(summary.origin.get("kind"))),
        ("records", f"{summary.records:,} of {summary.size} x {summary.size}, {colour}"),
        *_balance_rows("classes", summary.classes),
        *_writer_rows(summary.writers, summary.writer_unknown),
        ("duplicates", f"{summary.duplicates:,} records repeat another one exactly"),
        ("charset", summary.charset_fingerprint),
        ("content", summary.content_sha256[:16]),
        ("on disk", f"{summary.bytes_on_disk / 1e6:,.1f} MB"),
    ]


def _gnt(path: Path, sheet: Path | None) -> Shown:
    from rich.markup import escape

    from hwgen.inspect import inspect_gnt

    samples = _SHEET_COLUMNS**2 if sheet else 0
    summary, images = inspect_gnt([path], samples=samples)
    if sheet:
        _save_sheet(images, sheet)
    bad = summary.bad_records
    rows = [
        ("GNT", f"{summary.files:,} files, {summary.bytes_read / 1e6:,.1f} MB"),
        ("records", f"{summary.records:,}"),
        *_balance_rows("classes", summary.classes),
        *_writer_rows(summary.writers, summary.writer_unknown),
        ("duplicates", f"{summary.duplicates:,} records repeat another one exactly"),
        ("width", "{:,} to {:,}, median {:,.0f} pixels".format(*_range(summary.widths))),
        ("height", "{:,} to {:,}, median {:,.0f} pixels".format(*_range(summary.heights))),
        ("bad", f"{len(bad):,} places, {sum(item.length for item in bad):,} bytes"),
    ]
    for item in bad[:5]:
        place = f"{item.source}@{item.offset}: expected {item.expected}, found {item.found}"
        rows.append(("", escape(place)))
    return summary.to_json(), rows


def _range(spread: tuple[int, float, int]) -> tuple[int, int, float]:
    least, median, most = spread
    return least, most, median


def _balance_rows(name: str, balance: Balance) -> list[tuple[str, str]]:
    rows = [
        (
            name,
            f"{balance.groups:,}, {balance.empty:,} of them empty; records each: "
            f"{balance.least:,} least, {balance.median:,.0f} median, {balance.most:,} most",
        )
    ]
    if balance.least != balance.most:
        rows.append(("  fewest", " ".join(f"{text} {n:,}" for text, n in balance.fewest)))
        rows.append(("  largest", " ".join(f"{text} {n:,}" for text, n in balance.largest)))
    return rows


def _writer_rows(balance: Balance, unknown: int) -> list[tuple[str, str]]:
    rows = _balance_rows("writers", balance) if balance.groups else [("writers", "none known")]
    if balance.groups and unknown:
        rows.append(("", f"{unknown:,} records of unknown writers"))
    return rows


def _save_sheet(images: Any, path: Path) -> None:
    from hwgen.files import replacing
    from hwgen.inspect import contact_sheet

    picture = contact_sheet(images, _SHEET_COLUMNS)
    with replacing(path) as temporary:
        picture.save(temporary, format="png")
