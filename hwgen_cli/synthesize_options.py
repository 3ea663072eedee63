"""The options of `hwgen synthesize`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwgen_cli.options import FILTER, GENERATOR, HARDWARE, recogniser_option, strokes_option

PER_CLASS = 50
MAX_HAND = 999_999

RunArgument = Annotated[
    Path,
    typer.Argument(
        metavar="RUN", help="Run directory of hwgen train, or folder of hwgen export-model."
    ),
]
PerClass = Annotated[
    int | None,
    typer.Option(
        "--per-class",
        min=1,
        metavar="N",
        rich_help_panel="Classes and samples",
        show_default=str(PER_CLASS),
        help="Number of samples per class.",
    ),
]
Count = Annotated[
    int | None,
    typer.Option(
        "--count",
        min=1,
        metavar="N",
        rich_help_panel="Classes and samples",
        help="Number of samples in total, for a GAN that was trained without labels.",
    ),
]
Real = Annotated[
    Path | None,
    typer.Option(
        "--real",
        metavar="STORE",
        rich_help_panel=GENERATOR,
        help="Store of real samples that a deformation model deforms; their classes may differ "
        "from those that it was trained on.",
    ),
]
Strokes = Annotated[
    Path | None,
    strokes_option(
        "Stroke data for a refiner.",
        default="those that it was trained with",
        panel=GENERATOR,
    ),
]
Hand = Annotated[
    int | None,
    typer.Option(
        "--hand",
        min=0,
        max=MAX_HAND,
        metavar="N",
        rich_help_panel=GENERATOR,
        help="For a refiner: number of the simulated writer who writes all samples. By default "
        "each sample has a writer at random.",
    ),
]
Domain = Annotated[
    str | None,
    typer.Option(
        "--domain",
        metavar="NAME|NUMBER",
        rich_help_panel=GENERATOR,
        show_default="the first",
        help="For a refiner of several stores (hwgen train --also): the store whose look the "
        "samples have, by the name of its folder or its number in the order of the command.",
    ),
]
Recogniser = Annotated[
    Path | None,
    recogniser_option(
        "It reads each sample; samples that it does not read as their label are replaced.", FILTER
    ),
]
MinConfidence = Annotated[
    float | None,
    typer.Option(
        "--min-confidence",
        min=0,
        max=1,
        metavar="FRACTION",
        rich_help_panel=FILTER,
        show_default="0.7",
        help="Minimum probability that --recogniser gives the label.",
    ),
]
MinMargin = Annotated[
    float | None,
    typer.Option(
        "--min-margin",
        min=0,
        max=1,
        metavar="FRACTION",
        rich_help_panel=FILTER,
        show_default="0",
        help="Minimum difference between the probability of the label and that of the most "
        "probable other class.",
    ),
]
NoCopiesOf = Annotated[
    Path | None,
    typer.Option(
        "--no-copies-of",
        metavar="STORE",
        rich_help_panel=FILTER,
        help="Store of real samples that must not be copied. A sample is replaced if it is closer "
        "to a real one than 99 % of the real samples are to their nearest neighbour, in pixels or, "
        "with --recogniser, in its features.",
    ),
]
MaxTries = Annotated[
    int | None,
    typer.Option(
        "--max-tries",
        min=1,
        metavar="N",
        rich_help_panel=FILTER,
        show_default="10",
        help="With --recogniser or --no-copies-of: maximum number of samples generated for each "
        "one in the store.",
    ),
]
Batch = Annotated[
    int,
    typer.Option(
        "--batch",
        min=1,
        metavar="N",
        rich_help_panel=HARDWARE,
        help="Number of images per batch. The samples do not depend on it.",
    ),
]
Png = Annotated[
    Path | None,
    typer.Option("--png", metavar="DIR", help="Also write PNG files, one folder per class."),
]
Gnt = Annotated[Path | None, typer.Option("--gnt", metavar="DIR", help="Also write GNT files.")]
