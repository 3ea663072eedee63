"""In: the options of `hwgen inspect`. Out: what a store, GNT file, run, model or preset holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwgen.generators.gan.presets import PRESETS
from hwgen_cli.completion import one_of

if TYPE_CHECKING:
    from hwgen.inspection.summaries import Balance

_SHEET_COLUMNS = 12

_INSPECTED = ("manifest.json", "run.json", "model.safetensors")
"""By which the folders are known that are shown, besides those of GNT files."""


def inspect(
    thing: Annotated[
        Path | None,
        typer.Argument(
            help="A store, a run, an exported model, a GNT file, a folder or a zip of them."
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Also draw a contact sheet of some pictures."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Show a preset's recipe and parameters.",
            autocompletion=one_of(PRESETS),
        ),
    ] = None,
    classes: Annotated[
        int, typer.Option(min=1, help="Classes to count the parameters for, with --preset.")
    ] = 3740,
    json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON on standard output.")
    ] = False,
) -> None:
    """Show what a store, a run, an exported model, a GNT file or a preset holds.

    Counts, class balance, writers, exact duplicates, damage; where a run stands; how
    many parameters a preset has.

    Example: hwgen inspect train.store --sheet train.png

    Example: hwgen inspect --preset paper-hwdb --classes 3740
    """
    import json as json_module

    from rich.console import Console
    from rich.table import Table

    from hwgen.errors import InputError

    if (thing is None) == (preset is None):
        raise InputError("give one thing to inspect, or --preset NAME")
    if thing is not None and str(thing) in PRESETS and not thing.exists():
        remedy = f"For the preset: hwgen inspect --preset {thing}"
        raise InputError("no such file or folder", where=str(thing), remedy=remedy)
    summary, rows = _preset(preset, classes) if thing is None else _shower(thing)(thing, sheet)
    if json:
        print(json_module.dumps(summary, ensure_ascii=False, indent=1))
    else:
        table = Table.grid(padding=(0, 2))
        for name, value in rows:
            table.add_row(name, value)
        Console(markup=False).print(table, highlight=False)  # names come from elsewhere
        if sheet and sheet.is_file():
            Console().print(
                f"contact sheet: {sheet}", markup=False, highlight=False, soft_wrap=True
            )


Shown = tuple[dict[str, Any], list[tuple[str, str]]]
"""A summary as JSON, and the rows that a person reads."""


def _shower(thing: Path) -> Callable[[Path, Path | None], Shown]:
    from hwgen.runs.models import is_model
    from hwgen.store import is_some_store

    if is_some_store(thing):
        return _store
    if is_model(thing):
        return _model
    return _run if (thing / "run.json").is_file() else _gnt


def _preset(name: str | None, classes: int) -> Shown:
    from hwgen.generators.gan.estimate import count_parameters
    from hwgen.generators.gan.presets import preset, recipe_to_json
    from hwgen.schema import flatten

    recipe = preset(name or "")
    g, d = count_parameters(recipe, classes)
    plain = recipe_to_json(recipe)
    summary = {"kind": "preset", "classes": classes, "parameters_g": g, "parameters_d": d}
    return {**summary, "recipe": plain}, [
        ("preset", recipe.preset),
        ("classes", f"{classes:,}"),
        ("parameters of G", f"{g:,}"),
        ("parameters of D", f"{d:,}"),
        *((field, str(value)) for field, value in flatten(plain).items() if field != "preset"),
    ]


def _run(path: Path, sheet: Path | None) -> Shown:
    from shutil import copyfile

    from hwgen.inspection.summaries import inspect_run
    from hwgen.runs import Run

    run = Run(path)
    summary = inspect_run(run)
    grids = run.grid_files()
    if sheet and grids:
        sheet.parent.mkdir(parents=True, exist_ok=True)
        copyfile(grids[-1], sheet)
    rows = [
        ("run", f"{summary.path}, id {summary.id}"),
        ("preset", f"{summary.preset}, seed {summary.seed}"),
        ("classes", f"{summary.classes:,}, charset {summary.charset_fingerprint}"),
        ("images", f"{summary.images:,} of {summary.total:,}, {summary.seconds:,.0f} s"),
        *((name, f"{value:g}") for name, value in summary.last.items()),
        ("snapshots", " ".join(f"{images:,}" for images in summary.snapshots) or "none yet"),
    ]
    for score in summary.scores:
        figures = f"purity {score['purity']:.3f}, diversity {score['diversity']:.3f}"
        rows.append((f"  at {score['images']:,}", figures))
    return summary.to_json(), rows


def _model(path: Path, sheet: Path | None) -> Shown:
    from hwgen.generators.gan.sampling import Sampler
    from hwgen.runs.models import read_model

    model = read_model(path)
    if sheet:
        from hwgen.exports.runs.model import COLUMNS, samples
        from hwgen.imaging.contact_sheets import save_sheet

        save_sheet(sheet, samples(Sampler.load(path, device="cpu")), COLUMNS)
    summary = model.to_json()
    return summary, [
        ("model", f"{path}, a {model.kind}"),
        ("preset", str(model.recipe.get("preset", model.kind))),
        ("size", str(model.recipe.get("size"))),
        ("from", f"{model.provenance}, {model.images:,} images"),
        ("charset", f"{len(model.charset):,} classes, fingerprint {model.charset.fingerprint}"),
        ("learnt from", f"content {model.content_sha256[:16] or 'not known'}"),
        ("hwgen", model.hwgen),
        ("on disk", f"{summary['bytes'] / 1e6:,.1f} MB"),
    ]


def _store(path: Path, sheet: Path | None) -> Shown:
    from hwgen.imaging.contact_sheets import save_sheet
    from hwgen.inspection.summaries import inspect_store
    from hwgen.store import Store
    from hwgen.store.contact_sheets import sheet_of_store

    store = Store(path)
    summary = inspect_store(store)
    if sheet:
        save_sheet(sheet, sheet_of_store(store, columns=_SHEET_COLUMNS), _SHEET_COLUMNS)
    colour = "grey" if summary.channels == 1 else "colour"
    return summary.to_json(), [
        ("store", summary.path),
        ("origin", f"{summary.origin.get('kind')}, {store.made_as}"),
        ("records", f"{summary.records:,} of {summary.size} x {summary.size}, {colour}"),
        *_balance_rows("classes", summary.classes),
        *_writer_rows(summary.writers, summary.writer_unknown),
        ("duplicates", f"{summary.duplicates:,} records repeat another one exactly"),
        ("charset", summary.charset_fingerprint),
        ("content", summary.content_sha256[:16]),
        ("on disk", f"{summary.bytes_on_disk / 1e6:,.1f} MB"),
    ]


def _gnt(path: Path, sheet: Path | None) -> Shown:
    from hwgen.errors import InputError
    from hwgen.imaging.contact_sheets import save_sheet
    from hwgen.inspection.summaries import inspect_gnt
    from hwgen.io.paths import suggest_path

    samples = _SHEET_COLUMNS**2 if sheet else 0
    try:
        summary, images = inspect_gnt([path], samples=samples)
    except InputError as error:
        remedy = suggest_path(path, error.remedy, _INSPECTED)
        raise InputError(error.what, where=error.where, remedy=remedy) from None
    if sheet:
        save_sheet(sheet, images, _SHEET_COLUMNS)
    bad = summary.bad_records
    rows = [
        ("GNT", f"{summary.files:,} files, {summary.bytes_read / 1e6:,.1f} MB"),
        *([("", f"hidden, passed over: {summary.hidden:,}")] if summary.hidden else []),
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
        rows.append(("", place))
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
