"""`hwgen lines`: labelled images of lines of text, composed of single characters."""

from __future__ import annotations

import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwgen_cli.completion import one_of
from hwgen_cli.options import (
    Device,
    Json,
    Overwrite,
    Sheet,
    Snapshot,
    Writers,
    out_option,
    seed_option,
    strokes_option,
)
from hwgen_cli.output import leave_stopped, print_json, print_lines

if TYPE_CHECKING:
    from hwgen.exports import Export
    from hwgen.lines.writing import LineOptions

_TEXT, _IMAGE = "Text", "Image"
_FORMATS = ("ocr-lmdb", "paddle", "webdataset", "parquet")
_LOOKS = ("light", "ruled", "squared", "shadow", "noise", "none")
_SHOWN = 40


class Sampling(str, Enum):
    """Which texts are made of the corpus."""

    natural = "natural"
    balanced = "balanced"


From = Annotated[
    Path,
    typer.Option(
        "--from",
        metavar="STORE|RUN|simulated",
        help="Source of the characters: a store, a run directory of hwgen train, a folder of "
        "hwgen export-model, or simulated: the simulator, which needs no training and no data.",
    ),
]
Corpus = Annotated[
    Path, typer.Option("--corpus", metavar="FILE", help="Text file in UTF-8 to take lines from.")
]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        "-f",
        metavar="|".join(_FORMATS),
        autocompletion=one_of(list(_FORMATS)),
        help="Format to write.",
    ),
]
Count = Annotated[
    int | None,
    typer.Option(
        "--count",
        min=1,
        metavar="N",
        rich_help_panel=_TEXT,
        show_default="each text of the corpus once",
        help="Number of lines.",
    ),
]
MinLength = Annotated[
    int,
    typer.Option(
        "--min-length",
        min=1,
        metavar="N",
        rich_help_panel=_TEXT,
        help="Number of characters of the shortest line.",
    ),
]
MaxLength = Annotated[
    int,
    typer.Option(
        "--max-length",
        min=1,
        metavar="N",
        rich_help_panel=_TEXT,
        help="Number of characters of the longest line. Longer stretches of the corpus are cut at "
        "random places.",
    ),
]
SamplingOption = Annotated[
    Sampling,
    typer.Option(
        "--sampling",
        rich_help_panel=_TEXT,
        help="natural: lines are stretches of the corpus. balanced: lines are composed at random, "
        "each character of the corpus as often as any other.",
    ),
]
Height = Annotated[
    int,
    typer.Option(
        "--height", min=16, max=512, metavar="N", rich_help_panel=_IMAGE,
        help="Height of the images, pixels; their width depends on the text.",
    ),
]  # fmt: skip
Padding = Annotated[
    float,
    typer.Option(
        "--padding", min=0, max=2, metavar="FRACTION", rich_help_panel=_IMAGE,
        help="Mean of the paper above and below the ink, as a fraction of a character's size.",
    ),
]  # fmt: skip
Looks = Annotated[
    str,
    typer.Option(
        "--looks",
        metavar="|".join(_LOOKS),
        rich_help_panel=_IMAGE,
        help="Looks of paper and scanner, separated by commas: light varies the grey of paper and "
        "ink in all lines; half of the lines have each of the others. none is white paper.",
    ),
]
Strokes = Annotated[
    Path | None,
    strokes_option(
        "Stroke data for the simulator or a refiner.",
        default="hanzi; of a refiner, those that it was trained with",
        panel="Generator",
    ),
]


def lines(
    source: From,
    corpus: Corpus,
    format: Format,
    out: Annotated[Path, out_option("DIR")],
    count: Count = None,
    min_length: MinLength = 1,
    max_length: MaxLength = 25,
    sampling: SamplingOption = Sampling.natural,
    height: Height = 64,
    padding: Padding = 0.12,
    looks: Looks = "light",
    writers: Writers = "",
    snapshot: Snapshot = "last",
    strokes: Strokes = None,
    device: Device = "auto",
    seed: Annotated[int, seed_option("texts, hands and looks")] = 0,
    sheet: Sheet = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Compose labelled images of text lines from single characters; see docs/lines.md.

    Each line is in one hand: by one writer of the store as far as the store has the characters, or
    by one simulated writer and one z of the generator. Punctuation and digits that the source lacks
    are simulated. A line ends at a character without images; what is missing is reported. The same
    seed gives the same lines, also after Ctrl-C: rerun the command to resume.

    Example: hwgen lines --from simulated --corpus text.txt --format paddle --out lines

    Example: hwgen lines --from train --corpus text.txt --format ocr-lmdb --out lines

    Example: hwgen lines --from runs/refiner --corpus text.txt --format paddle --out lines --count
    5000 --looks light,ruled,shadow,noise --sheet lines.png
    """
    from hwgen.lines.composing import Layout
    from hwgen.lines.corpus import TextOptions
    from hwgen.lines.looks import parse_looks
    from hwgen.lines.source import SourceOptions
    from hwgen.lines.writing import LineOptions

    options = LineOptions(
        count=count,
        seed=seed,
        text=TextOptions(min_length, max_length, sampling.value),
        layout=Layout(height=height, padding=padding),
        looks=parse_looks(looks),
        source=SourceOptions(writers, snapshot, strokes, device),
    )
    began = time.monotonic()
    result = _write(
        source, corpus, out, format=format, options=options, sheet=sheet, overwrite=overwrite
    )
    _warn(result)
    if json:
        print_json(result.to_json())
    else:
        _show(result, out, time.monotonic() - began)


def _write(
    source: Path,
    corpus: Path,
    out: Path,
    *,
    format: str,
    options: LineOptions,
    sheet: Path | None,
    overwrite: bool,
) -> Export:
    from hwgen.lines.writing import write_lines
    from hwgen.progress import Control
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    with bar("Writing lines", "lines") as advance, interruptible() as stop:
        result = write_lines(
            source,
            corpus,
            out,
            format=format,
            options=options,
            sheet=sheet,
            overwrite=overwrite,
            control=Control(advance, stop),
        )
    if result is None:
        leave_stopped(out)
    return result


def _warn(result: Export) -> None:
    """Name what of the corpus is not in the lines."""
    missing, left_out = result.lines["missing"], result.lines["left_out"]
    if missing:
        named = "".join(list(missing)[:_SHOWN]) + ("…" if len(missing) > _SHOWN else "")
        print_lines(
            f"warning: {len(missing):,} characters of the corpus ({sum(missing.values()):,} "
            f"occurrences) have no images, and lines end at them: {named}",
            stderr=True,
        )
    if left_out:
        print_lines(
            f"note: {left_out:,} characters of the corpus are in no line, because the stretch "
            "around them is shorter than --min-length, or has punctuation alone",
            stderr=True,
        )


def _show(result: Export, out: Path, seconds: float) -> None:
    from hwgen.exports.export import FILE
    from hwgen.exports.formats import FORMATS

    exporter = FORMATS[result.recipe["format"]]
    simulated = "all" if result.simulated else result.lines["simulated_marks"] or "none"
    print_lines(
        f"{out}: {sum(result.records.values()):,} lines",
        f"characters: {len(result.charset):,}, of which simulated: {simulated}",
        f"files: {exporter.files}, read by {exporter.readers}",
        f"time: {seconds:,.1f} s",
        f"description: {out / FILE}",
    )
