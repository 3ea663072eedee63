"""The options of `hwgen synthesize`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwgen_cli.options import FILTER, GENERATOR, HARDWARE, recogniser_option, strokes_option

PER_CLASS = 50
MAX_HAND = 999_999
SIMULATED = Path("simulated")
"""See hwgen.generators.built_in.BUILT_IN."""

TEXT = "Text"
HANDS = 4

RunArgument = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        show_default=False,
        help="Run directory of hwgen train, or folder of hwgen export-model. Without it, or with "
        "simulated, samples are of the simulator, which needs no training and no data.",
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
        "Stroke data for the simulator or a refiner.",
        default="hanzi; of a refiner, those that it was trained with",
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
        help="Number of the hand that all samples are written in: of the simulator or a refiner, "
        "and with --text also of a GAN. By default each sample has a hand at random.",
    ),
]
Size = Annotated[
    int | None,
    typer.Option(
        "--size",
        min=4,
        max=1024,
        metavar="N",
        rich_help_panel=GENERATOR,
        show_default="64",
        help="For the simulator: image size in pixels.",
    ),
]
Text = Annotated[
    str | None,
    typer.Option(
        "--text",
        metavar="TEXT",
        rich_help_panel=TEXT,
        help="Write this text to one image instead of a store: --out is a PNG or JPEG file with "
        "the text in each hand. Punctuation and digits that the generator lacks are simulated by "
        "simple strokes, spaces and line breaks stay, and lines of more than 25 characters are "
        "cut.",
    ),
]
Hands = Annotated[
    int | None,
    typer.Option(
        "--hands",
        min=1,
        max=500,
        metavar="N",
        rich_help_panel=TEXT,
        show_default=str(HANDS),
        help="Number of hands of --text, counted from 0; --hand N writes it in one hand alone.",
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
