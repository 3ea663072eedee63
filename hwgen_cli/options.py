"""Options that several commands share: the same name, value and meaning in each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

CLASSES = "Classes and samples"
RECOGNISER = "Recogniser"
GENERATOR = "Generator"
TRAINING = "Training"
FILTER = "Filter"
EXPERIMENT = "Experiment"
HARDWARE = "Hardware"
INPUT = "Input"
"""Panels, in which `--help` groups the options."""

RECOGNISER_FILE = "recogniser-*.safetensors, written by hwgen benchmark"
CLASSIFIER_FILE = "or your own ONNX classifier, model.onnx beside model.classes.txt"


def out_option(metavar: str, help: str = "Output directory.") -> Any:
    """`--out`, which every command that writes files has.

    Args:
        metavar: what is written: STORE, RUN, DIR or a file name.
        help: the help text.
    """
    return typer.Option("--out", "-o", metavar=metavar, help=help)


def seed_option(purpose: str) -> Any:
    """`--seed`, a whole number of at least 0.

    Args:
        purpose: what is random, such as "weights, data order and noise".
    """
    return typer.Option("--seed", min=0, metavar="N", help=f"Random seed for {purpose}.")


def recogniser_option(purpose: str, panel: str | None = None) -> Any:
    """`--recogniser`, a file.

    Args:
        purpose: what the recogniser does here, as a sentence with "it": "It scores snapshots."
        panel: group of options in the help.
    """
    return typer.Option(
        "--recogniser",
        metavar="FILE",
        rich_help_panel=panel,
        help=f"Recogniser file ({RECOGNISER_FILE}; {CLASSIFIER_FILE}). {purpose}",
    )


MAX_WORKERS = 1024
"""More processes than any machine has use for, and fewer than its system allows."""


def workers_option(help: str, default: str) -> Any:
    """`--workers`, which never changes what is written."""
    return typer.Option(
        "--workers",
        min=1,
        max=MAX_WORKERS,
        metavar="N",
        show_default=default,
        rich_help_panel=HARDWARE,
        help=f"{help} The output does not depend on this number.",
    )


def strokes_option(purpose: str, *, default: str | bool = False, panel: str | None = None) -> Any:
    """`--strokes`, see hwgen.sources.strokes.choice; the type is Path | None."""
    return typer.Option(
        "--strokes",
        metavar="hanzi|kanjivg|FILE",
        rich_help_panel=panel,
        show_default=default,
        help=f"{purpose} hanzi is Make Me a Hanzi, 9,574 characters as written in China, and comes "
        'with hwgen; kanjivg is KanjiVG, as written in Japan, and needs the extra "demo"; a file '
        "is the tar file that `npm pack hanzi-writer-data` downloads, or graphics.txt of Make Me a "
        "Hanzi.",
    )


def classes_option(name: str, purpose: str, *, default: str = "all", panel: str = CLASSES) -> Any:
    """An option that names classes, see hwgen.charset.select_classes; the type is str | None.

    Args:
        name: of the option.
        purpose: which classes, such as "Classes to use".
        default: the classes without the option.
        panel: group of options in the help.
    """
    return typer.Option(
        name,
        metavar="N|CHARACTERS|FILE",
        rich_help_panel=panel,
        show_default=default,
        help=f"{purpose}: a number (the first N), the characters themselves, or a text file with "
        "them. If digits are classes, write first:10 or characters:10.",
    )


Train = Annotated[
    Path,
    typer.Option("--train", metavar="STORE", help="Store of real samples for training."),
]
Test = Annotated[
    Path,
    typer.Option("--test", metavar="STORE", help="Store of other real samples, for testing."),
]
Classes = Annotated[str | None, classes_option("--classes", "Classes to use")]
Writers = Annotated[
    str,
    typer.Option(
        "--writers",
        metavar="IDS",
        rich_help_panel=CLASSES,
        show_default="all",
        help="Writers to use: ids and ranges of ids, such as 1001-1050,1055.",
    ),
]
SplitSeed = Annotated[
    int,
    typer.Option(
        "--split-seed",
        min=0,
        metavar="N",
        rich_help_panel=CLASSES,
        help="Random seed for the split.",
    ),
]
Snapshot = Annotated[
    str,
    typer.Option(
        "--snapshot",
        metavar="last|best|IMAGES",
        help="Snapshot of the run to use: the last one, the one with the best score, or the one "
        "taken after this number of images.",
    ),
]
InitFrom = Annotated[
    Path | None,
    typer.Option(
        "--init-from",
        metavar="FILE",
        rich_help_panel=RECOGNISER,
        help=f"Pretrained recogniser to start training from ({RECOGNISER_FILE}, or "
        "RUN/recogniser.safetensors of a refiner); it may know other characters. simulated is one "
        "of the preset light that comes with hwgen and learnt 3,755 simulated characters.",
    ),
]
RecogniserPreset = Annotated[
    str,
    typer.Option(
        "--recogniser-preset",
        metavar="default|light|strong-64",
        rich_help_panel=RECOGNISER,
        help="Recogniser to train. light needs a third of the compute per step. strong-64 reads "
        "64x64 pixels, the most accurate for thousands of classes.",
    ),
]
RecogniserSize = Annotated[
    int | None,
    typer.Option(
        "--size",
        min=16,
        max=256,
        metavar="N",
        rich_help_panel=RECOGNISER,
        show_default="of the preset; 32 or 64",
        help="Image size in pixels that the recogniser reads.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps",
        min=1,
        metavar="N",
        rich_help_panel=RECOGNISER,
        help="Number of optimiser steps for each recogniser that is trained.",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda",
        rich_help_panel=HARDWARE,
        help="Device to compute on; auto is a GPU where there is one.",
    ),
]
Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="auto|bf16|fp32",
        rich_help_panel=HARDWARE,
        help="Precision of training; auto is bf16 where the hardware supports it. Recognisers "
        "always read in fp32.",
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        rich_help_panel=INPUT,
        show_default="recognised",
        help="Encoding of names and labels in the input that do not declare theirs, such as "
        "gb18030 (also for GBK), big5 or utf-8.",
    ),
]
Sheet = Annotated[
    Path | None,
    typer.Option("--sheet", metavar="FILE.png|jpg", help="Also write a contact sheet of samples."),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace existing output of the same kind.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
