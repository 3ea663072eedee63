"""Options of `hwgen train`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from hwgen.generators.adversarial.recipe import LOSSES
from hwgen.generators.base import all_kinds
from hwgen_cli.completion import one_of
from hwgen_cli.options import TRAINING, recogniser_option, strokes_option

DEFAULT = "glyph-32"
"""Preset where neither --preset nor --init-from is given."""

PRESETS = [name for kind in all_kinds() for name in kind.presets]

GAN = "GAN and refiner"
"""Panel of the options that presets of other generators do not have."""


class OnCollapse(str, Enum):
    """What to do at a mode collapse; see hwgen.generators.adversarial.training.train."""

    STOP = "stop"
    ROLLBACK = "rollback"
    IGNORE = "ignore"


StoreArgument = Annotated[
    Path, typer.Argument(metavar="STORE", help="Store of real samples to train on.")
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="PRESET",
        show_default=f"{DEFAULT}, or that of --init-from",
        help=f"Generator to train: {', '.join(PRESETS)}.",
        autocompletion=one_of(PRESETS),
    ),
]
Images = Annotated[
    int | None,
    typer.Option(
        "--images",
        min=1,
        metavar="N",
        rich_help_panel=TRAINING,
        show_default="of the preset",
        help="Length of training in real images (pairs of images for a deformation model). A run "
        "that was to be shorter is continued.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps",
        min=1,
        metavar="N",
        rich_help_panel=TRAINING,
        help="Length of training in steps of one batch, instead of --images.",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        "--epochs",
        min=1,
        metavar="N",
        rich_help_panel=TRAINING,
        help="Length of training in passes over the real images of all stores, instead of "
        "--images.",
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        "--lr",
        metavar="RATE",
        rich_help_panel=TRAINING,
        show_default="of the preset",
        help="Learning rate of all networks.",
    ),
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch",
        min=1,
        metavar="N",
        rich_help_panel=TRAINING,
        show_default="of the preset",
        help="Number of images per batch. Results depend on it.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        rich_help_panel=TRAINING,
        help="Change a field of the recipe, such as loss.a=-1; hwgen presets PRESET lists them.",
    ),
]
SnapshotEvery = Annotated[
    int | None,
    typer.Option(
        "--snapshot-every",
        min=1,
        metavar="N",
        rich_help_panel=GAN,
        show_default="of the preset",
        help="Number of real images between two snapshots, each with a grid of samples. Of more "
        "than 64 snapshots, evenly spaced ones, the best and the last are kept and the others are "
        "deleted, also those of an earlier version of hwgen whose run is resumed.",
    ),
]
Loss = Annotated[
    str | None,
    typer.Option(
        "--loss",
        metavar="LOSS",
        rich_help_panel=GAN,
        show_default="of the preset",
        help=f"Loss of the GAN: {', '.join(LOSSES)}.",
        autocompletion=one_of(LOSSES),
    ),
]
Unconditional = Annotated[
    bool,
    typer.Option("--unconditional", rich_help_panel=GAN, help="Train a GAN without labels."),
]
Recogniser = Annotated[
    Path | None,
    recogniser_option("It scores every snapshot, so that the best one is known.", GAN),
]
Strokes = Annotated[
    Path | None,
    strokes_option(
        "Stroke data of the store's characters, for a refiner.",
        default="hanzi; with --init-from, those of its run",
        panel=GAN,
    ),
]
OnCollapseOption = Annotated[
    OnCollapse,
    typer.Option(
        "--on-collapse",
        rich_help_panel=GAN,
        help="Reaction to a mode collapse. stop: end the run. rollback: return to the last good "
        "snapshot and continue with other noise and half the learning rates, up to 3 times. "
        "ignore: continue.",
    ),
]
CudaGraphs = Annotated[
    bool,
    typer.Option(
        "--cuda-graphs",
        rich_help_panel=GAN,
        help="Use CUDA graphs, which are faster at small batches (experimental).",
    ),
]
Also = Annotated[
    list[Path] | None,
    typer.Option(
        "--also",
        metavar="STORE",
        rich_help_panel=GAN,
        help="Further store of real samples for a refiner, such as another kind of images with "
        "more characters. Each batch has as many samples of it as of STORE. May be repeated.",
    ),
]
InitFrom = Annotated[
    Path | None,
    typer.Option(
        "--init-from",
        metavar="RUN",
        rich_help_panel=GAN,
        help="Finished run whose weights a new run starts from, to adapt it to other samples: "
        "other characters, or one writer. Without --preset, the recipe is that of the run too, for "
        "a refiner with settings for few samples.",
    ),
]
Domain = Annotated[
    str | None,
    typer.Option(
        "--domain",
        metavar="NAME|NUMBER",
        rich_help_panel=GAN,
        help="Where the --init-from run is of several stores (--also) and the new one of one: the "
        "store whose look to start from, by the name of its folder or its number in the order of "
        "that command.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Check everything that training would check, print recipe, parameters, memory and "
        "steps, and exit without training.",
    ),
]
