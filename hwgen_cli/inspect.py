"""`hwgen inspect`: what a store, a run, an exported model or GNT files contain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwgen.generators.base import all_kinds
from hwgen_cli.options import Encoding, Json, Sheet
from hwgen_cli.output import print_json, print_lines
from hwgen_cli.preparing import encoding_lines, unread_lines

if TYPE_CHECKING:
    from hwgen.inspection.summaries import Balance

_SHEET_COLUMNS = 12
_SHOWN_PLACES = 5

_MARKERS = ("manifest.json", "run.json", "model.safetensors")
"""Files by which a store, a run and a model are recognised; other folders hold GNT files."""

PathArgument = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        help="A store, a run, an exported model, a GNT file, or a folder or zip of GNT files.",
    ),
]


Classes = Annotated[
    bool,
    typer.Option(
        "--classes",
        help="Also list every class, with its number of records where it is known.",
    ),
]


def inspect(
    path: PathArgument,
    classes: Classes = False,
    sheet: Sheet = None,
    encoding: Encoding = None,
    json: Json = False,
) -> None:
    """Show what a store, a run, an exported model or GNT files contain.

    For a store or GNT files: records, balance of classes, writers, exact duplicates and damage.
    For a run: progress, snapshots and their scores. With --json every class is listed, too.

    Example: hwgen inspect train --sheet train.png
    """
    from rich.table import Table

    from hwgen.errors import InputError
    from hwgen.imaging.contact_sheets import check_sheet
    from hwgen.io.encodings import check_codec
    from hwgen_cli.terminal import Console, one_line

    check_sheet(sheet)
    if encoding is not None:
        check_codec(encoding)
    if not path.exists() and any(str(path) in kind.presets for kind in all_kinds()):
        remedy = f"To see the preset: hwgen presets {path}"
        raise InputError("no such file or folder", where=str(path), remedy=remedy)
    summary, rows, counts = _reader(path, encoding)(path, sheet)
    if json:
        print_json(summary)
        return
    table = Table.grid(padding=(0, 2))
    for name, value in rows:
        table.add_row(name, one_line(value))
    Console(markup=False).print(table, highlight=False)  # names are untrusted
    if classes:
        known = {label: "" if n is None else f"{n:>9,}  " for label, n in counts.items()}
        print_lines(*(number + label for label, number in known.items()))
    if sheet and sheet.is_file():
        print_lines(f"contact sheet: {sheet}")


Shown = tuple[dict[str, Any], list[tuple[str, str]], Mapping[str, int | None]]
"""A summary as JSON, the rows of the table, and the records of each class, None if not known."""


def _reader(path: Path, encoding: str | None) -> Callable[[Path, Path | None], Shown]:
    from hwgen.runs.models import is_model
    from hwgen.store import looks_like_store

    if looks_like_store(path):
        return _store
    if is_model(path):
        return _model
    return _run if (path / "run.json").is_file() else partial(_gnt, encoding=encoding)


def _run(path: Path, sheet: Path | None) -> Shown:
    from hwgen.imaging.contact_sheets import copy_sheet
    from hwgen.inspection.summaries import inspect_run
    from hwgen.runs import Run

    run = Run(path)
    if sheet:
        _require_own_samples(run.kind, path)
    summary = inspect_run(run)
    grids = run.grid_files()
    if sheet and grids:
        copy_sheet(grids[-1], sheet)
    rows = [
        ("run", f"{summary.path}, id {summary.id}"),
        ("preset", f"{summary.preset}, seed {summary.seed}"),
        ("classes", f"{summary.classes:,}, charset {summary.charset_fingerprint}"),
        ("images", f"{summary.images:,} of {summary.total:,}, {summary.seconds:,.0f} s"),
        *((name, f"{value:g}") for name, value in summary.last.items()),
        ("snapshots", " ".join(f"{images:,}" for images in summary.snapshots) or "none yet"),
    ]
    for score in summary.scores:
        figures = f"purity {score['purity']:.3f}, variety {score['diversity']:.3f}"
        rows.append((f"  at {score['images']:,}", figures))
    return summary.to_json(), rows, dict.fromkeys(summary.labels)


def _model(path: Path, sheet: Path | None) -> Shown:
    from hwgen.generators.base import load_generator
    from hwgen.runs.models import read_model

    model = read_model(path)
    if sheet:
        from hwgen.exports.models.model import save_samples

        _require_own_samples(model.kind, path)
        save_samples(sheet, load_generator(path, device="cpu"))
    summary = {**model.to_json(), "labels": list(model.charset)}
    rows = [
        ("model", f"{path}, a {model.kind}"),
        ("preset", str(model.recipe.get("preset", model.kind))),
        ("size", str(model.recipe.get("size"))),
        ("from", f"{model.provenance}, {model.images:,} images"),
        ("charset", f"{len(model.charset):,} classes, fingerprint {model.charset.fingerprint}"),
        ("training data", f"content {model.content_sha256[:16] or 'not known'}"),
        ("hwgen", model.hwgen),
        ("on disk", f"{summary['bytes'] / 1e6:,.1f} MB"),
    ]
    return summary, rows, dict.fromkeys(model.charset)


def _require_own_samples(kind: str, path: Path) -> None:
    """Refuse --sheet for a generator that only changes the images of a store."""
    from hwgen.errors import InputError
    from hwgen.generators.base import get_kind

    found = get_kind(kind, str(path))
    if found.needs_source:
        raise InputError(
            f"a {found.title} changes existing images, and has none to show on a contact sheet",
            where=str(path),
            remedy=f"To see deformed samples: hwgen synthesize {path} --real STORE --out DIR "
            "--sheet FILE",
        )


def _store(path: Path, sheet: Path | None) -> Shown:
    from hwgen.inspection.sheets import save_store_sheet
    from hwgen.inspection.summaries import inspect_store
    from hwgen.store import Store

    store = Store(path)
    summary = inspect_store(store)
    if sheet:
        save_store_sheet(sheet, store)
    colour = "grey" if summary.channels == 1 else "colour"
    rows = [
        ("store", summary.path),
        ("origin", ", ".join(dict.fromkeys([str(summary.origin.get("kind")), store.data_kind]))),
        ("records", f"{summary.records:,} of {summary.size} x {summary.size}, {colour}"),
        *_balance_rows("classes", summary.classes),
        *_writer_rows(summary.writers, summary.writer_unknown),
        ("duplicates", f"{summary.duplicates:,} records are exact copies of others"),
        ("charset", summary.charset_fingerprint),
        ("content", summary.content_sha256[:16]),
        ("on disk", f"{summary.bytes_on_disk / 1e6:,.1f} MB"),
    ]
    return summary.to_json(), rows, summary.class_counts


def _gnt(path: Path, sheet: Path | None, *, encoding: str | None) -> Shown:
    from hwgen.errors import InputError
    from hwgen.imaging.contact_sheets import save_sheet
    from hwgen.inspection.summaries import inspect_gnt
    from hwgen.io.paths import suggest_path

    samples = _SHEET_COLUMNS**2 if sheet else 0
    try:
        summary, images = inspect_gnt([path], samples=samples, encoding=encoding)
    except InputError as error:
        remedy = suggest_path(path, error.remedy, _MARKERS)
        raise InputError(error.what, where=error.where, remedy=remedy) from None
    if sheet:
        save_sheet(sheet, images, _SHEET_COLUMNS)
    bad = summary.bad_records
    rows = [
        ("GNT", f"{summary.files:,} files, {summary.bytes_read / 1e6:,.1f} MB"),
        *([("", f"hidden files skipped: {summary.hidden:,}")] if summary.hidden else []),
        *(("encoding", line) for line in encoding_lines(summary)),
        *(("not read", line) for line in unread_lines(summary.not_read)),
        ("records", f"{summary.records:,}"),
        *_balance_rows("classes", summary.classes),
        *_writer_rows(summary.writers, summary.writer_unknown),
        ("duplicates", f"{summary.duplicates:,} records are exact copies of others"),
        ("width", "{:,} to {:,}, median {:,.0f} pixels".format(*_range(summary.widths))),
        ("height", "{:,} to {:,}, median {:,.0f} pixels".format(*_range(summary.heights))),
        ("damaged", f"{len(bad):,} places, {sum(item.length for item in bad):,} bytes"),
    ]
    for item in bad[:_SHOWN_PLACES]:
        place = f"{item.source}@{item.offset}: expected {item.expected}, found {item.found}"
        rows.append(("", place))
    return summary.to_json(), rows, summary.class_counts


def _range(spread: tuple[int, float, int]) -> tuple[int, int, float]:
    least, median, most = spread
    return least, most, median


def _balance_rows(name: str, balance: Balance) -> list[tuple[str, str]]:
    rows = [
        (
            name,
            f"{balance.groups:,}, {balance.empty:,} of them empty; records each: {balance.least:,} "
            f"minimum, {balance.median:,.0f} median, {balance.most:,} maximum",
        )
    ]
    if balance.least != balance.most:
        rows.append(("  fewest", " ".join(f"{text} {n:,}" for text, n in balance.fewest)))
        rows.append(("  largest", " ".join(f"{text} {n:,}" for text, n in balance.largest)))
    return rows


def _writer_rows(balance: Balance, unknown: int) -> list[tuple[str, str]]:
    rows = _balance_rows("writers", balance) if balance.groups else [("writers", "not known")]
    if balance.groups and unknown:
        rows.append(("", f"{unknown:,} records of unknown writers"))
    return rows
