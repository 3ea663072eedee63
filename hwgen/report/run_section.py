"""The section of a training run: progress, grids of samples, curves and recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwgen.generators.base import get_kind
from hwgen.generators.descriptions import Curve, Description
from hwgen.report import plots
from hwgen.report.images import read_image
from hwgen.report.inputs import name_of
from hwgen.report.logs import Log, found, last
from hwgen.report.markup import (
    Html,
    as_json,
    facts,
    figure,
    image,
    join,
    missing,
    section,
    tag,
)
from hwgen.report.number_format import count, duration, percent
from hwgen.runs import Run

FRAMES = 6
"""Maximum number of grids over time, the first and the last included."""

_GRID_WIDTH = 480  # of the last grid and the real one, CSS pixels
_FRAME_WIDTH = 320  # of the grids over time


def run_section(run: Run, anchor: str, *, real: bool) -> Html:
    """The section of one run.

    Args:
        run: of any kind of generator.
        anchor: id of the section, unique on the page; letters, digits and hyphens.
        real: whether the grid of training images may be shown.
    """
    kind, log = get_kind(run.kind, str(run.path)), run.read_log()
    about = kind.describe(run)
    unreadable = f"The recipe cannot be read by this version of hwgen: {about.unreadable}"
    samples = [tag("h3", "Samples"), _grids(run, about, real=real)] if kind.has_grids else []
    return section(
        anchor,
        join(["Training run ", tag("em", name_of(run.path))]),
        _progress(run, about, kind.unit, log),
        *([tag("p", about.note, class_="note")] if about.note else []),
        *samples,
        tag("h3", "Curves"),
        _curves(log, about.curves, anchor, kind.unit),
        tag("h3", "Recipe"),
        missing(unreadable) if about.unreadable else _facts(about.recipe),
        as_json("All of the recipe as JSON", run.recipe),
    )


def key_figures(run: Run) -> list[tuple[str, str, str]]:
    """(value, what it is, where it comes from) for the top of the page."""
    kind, log, source = get_kind(run.kind, str(run.path)), run.read_log(), name_of(run.path)
    out = []
    for field, name in (("purity", "purity"), ("diversity", "variety")):
        value = last(log, field)
        if value is not None:
            out.append((percent(value), f"{name} at the last score", source))
    out += [(value, what, source) for value, what in kind.describe(run).key_figures]
    seen = last(log, "images")
    if seen is not None:
        out.append((count(seen), _seen(kind.unit), source))
    return out


def _seen(unit: str) -> str:
    return f"training {unit} seen"


def _progress(run: Run, about: Description, unit: str, log: Log) -> Html:
    seen, seconds = last(log, "images"), last(log, "seconds")
    planned = "" if about.planned is None else f" of {count(about.planned)}"
    return _facts(
        [
            ("Classes", count(len(run.charset))),
            (
                _seen(unit).capitalize(),
                "none logged" if seen is None else f"{count(seen)}{planned}",
            ),
            ("Training time", "not logged" if seconds is None else duration(seconds)),
            *about.facts,
            ("Seed", str(run.seed)),
        ]
    )


def _facts(pairs: Sequence[tuple[str, str | Sequence[str]]]) -> Html:
    """A table of names and values; a value of several texts has one line for each."""
    return facts(
        (name, value if isinstance(value, str) else tag("span", join(value, Html("<br>"))))
        for name, value in pairs
    )


def _curves(log: Log, curves: Sequence[Curve], anchor: str, unit: str) -> Html:
    blocks: list[Html] = []
    absent: list[Html] = []
    for curve in curves:
        points = found(log, curve.fields)
        if points:
            plot = plots.curves(
                f"{anchor}-{curve.name}",
                points,
                percent=curve.percent,
                from_zero=curve.from_zero,
                levels=[plots.Level(*level) for level in curve.levels],
                seen=_seen(unit),
            )
            blocks.append(figure(plot, curve.about, curve.title))
        elif curve.absent:
            absent.append(missing(curve.absent))
    return join([tag("div", *blocks, class_="plots"), *absent])


def _grids(run: Run, about: Description, *, real: bool) -> Html:
    labelled = about.labelled
    files = run.grid_files()
    blocks: list[object] = []
    if files:
        newest = _frame(files[-1], f"Generated, {_after(files[-1])}", _GRID_WIDTH)
    else:
        newest = missing("No grid of samples yet.")
    truth = run.grids / "real.png"
    if not real:
        beside = missing("The grid of training images is left out (--no-real).")
    elif truth.is_file():
        beside = _frame(
            truth,
            "Training images, the same classes" if labelled else "Training images",
            _GRID_WIDTH,
        )
    else:
        beside = missing("This run has no grid of training images.")
    sheets = [
        _frame(file, caption, _GRID_WIDTH)
        for name, caption in about.sheets.items()
        if (file := run.grids / f"{name}.png").is_file()
    ]
    blocks.append(tag("div", *sheets, newest, beside, class_="pair"))
    blocks.append(
        tag(
            "p",
            "Each row is one class. "
            * labelled
            + "The noise z of each generated image is the same in every grid of this run, so grids "
            "can be compared position by position. Nothing was picked by eye.",
            class_="note",
        )
    )
    if len(files) > 1:
        frames = [_frame(file, _after(file), _FRAME_WIDTH) for file in _some(files)]
        shown = f"{len(frames)} of {len(files)} grids, the first and the last among them."
        blocks += [
            tag("h4", "Over time"),
            tag("div", *frames, class_="frames"),
            tag("p", shown, class_="note"),
        ]
    return join(blocks)


def _some(files: Sequence[Path]) -> list[Path]:
    """The first, the last, and some between, evenly spaced."""
    indices = {round(i * (len(files) - 1) / (FRAMES - 1)) for i in range(FRAMES)}
    return [files[index] for index in sorted(indices)]


def _after(file: Path) -> str:
    return f"after {count(int(file.stem))} training images"


def _frame(file: Path, caption: str, width: int) -> Html:
    uri = read_image(file)
    if uri is None:
        return missing(f"{file.name} ({caption}) cannot be read as a PNG image.")
    return figure(image(uri, width, caption), caption)
