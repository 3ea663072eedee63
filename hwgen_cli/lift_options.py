"""The options of `hwgen lift`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from hwgen_cli.options import EXPERIMENT, GENERATOR, RECOGNISER, classes_option, strokes_option


class Kind(str, Enum):
    """Which classes have few real samples: all of them, or the rare ones."""

    FEW_SHOT = "few-shot"
    RARE = "rare"


class EvaluateOn(str, Enum):
    """What recognisers are tested on."""

    TEST = "test"
    HELD_OUT = "held-out"


COUNTS = {Kind.FEW_SHOT: "5,10,20,50,all", Kind.RARE: "1,3,5,10"}
"""Real samples per class where none are given."""

ExperimentOption = Annotated[
    Kind,
    typer.Option(
        "--experiment",
        rich_help_panel=EXPERIMENT,
        help="few-shot: every class has few real samples. rare: only the rare classes have few, "
        "the others have all of theirs.",
    ),
]
RareClasses = Annotated[
    str | None,
    classes_option(
        "--rare",
        "Rare classes of --experiment rare",
        default="those with less than 0.6 times as many samples as the largest",
        panel=EXPERIMENT,
    ),
]
RealPerClass = Annotated[
    str | None,
    typer.Option(
        "--real-per-class",
        metavar="N,N,...",
        rich_help_panel=EXPERIMENT,
        show_default="; ".join(f"{kind.value}: {text}" for kind, text in COUNTS.items()),
        help="Numbers of real samples per class to compare; all means all that are not held out. "
        "With 0, recognisers are trained on synthetic samples alone.",
    ),
]
SyntheticPerClass = Annotated[
    str | None,
    typer.Option(
        "--synthetic-per-class",
        metavar="N,N,...",
        rich_help_panel=EXPERIMENT,
        show_default="100",
        help="Numbers of synthetic samples per class to compare; the advice is about the first.",
    ),
]
Arms = Annotated[
    str | None,
    typer.Option(
        "--arms",
        metavar="ARM,ARM,...",
        rich_help_panel=EXPERIMENT,
        show_default="none,classical,synthetic,classical+synthetic",
        help="Augmentations of the real samples to compare. pretrained and pretrained+synthetic "
        "start from --init-from and have classical augmentation. Classical augmentation is "
        "stronger if there are no real samples or training repeats each at least 25 times, or 200 "
        "times in the pretrained arms.",
    ),
]
Trials = Annotated[
    int | None,
    typer.Option(
        "--trials",
        min=1,
        metavar="N",
        rich_help_panel=EXPERIMENT,
        show_default="3",
        help="Number of repetitions of each measurement, with other real samples and other seeds.",
    ),
]
EvaluateOnOption = Annotated[
    EvaluateOn | None,
    typer.Option(
        "--evaluate-on",
        rich_help_panel=EXPERIMENT,
        show_default="test",
        help="Samples to test on: those of the test store, or those held out from --train. Use the "
        "latter to choose settings.",
    ),
]
HeldOutPerClass = Annotated[
    int | None,
    typer.Option(
        "--held-out-per-class",
        min=0,
        metavar="N",
        rich_help_panel=EXPERIMENT,
        show_default="40",
        help="Samples per class of --train that are held out and never trained on.",
    ),
]
SyntheticFraction = Annotated[
    float | None,
    typer.Option(
        "--synthetic-fraction",
        min=0,
        max=1,
        metavar="FRACTION",
        rich_help_panel=EXPERIMENT,
        show_default="0.5",
        help="Fraction of each training batch that is synthetic.",
    ),
]
Generators = Annotated[
    list[str],
    typer.Option(
        "--generator",
        metavar="PRESET|RUN|RUN,RUN,...|simulated",
        rich_help_panel=GENERATOR,
        help="Generator of the synthetic samples: a preset, trained on the same real samples as "
        "the recogniser; a finished run, or an exported model, of a refiner or a deformation "
        "model, trained on other samples; several such runs with other seeds, of which each trial "
        "takes one; or simulated, handwriting simulated from --strokes. Give the option several "
        "times to compare generators on the same real samples; the first is the one that the "
        "others are compared with.",
    ),
]
Strokes = Annotated[
    Path | None,
    strokes_option(
        "Stroke data of the classes, for simulated and refiners.",
        default="hanzi; of a run, those that it was trained with",
        panel=GENERATOR,
    ),
]
Budgets = Annotated[
    str,
    typer.Option(
        "--steps",
        metavar="N,N,...|converged",
        rich_help_panel=RECOGNISER,
        help="Number of optimiser steps for each recogniser. converged trains for 1,000, 2,000, "
        "4,000 steps and so on, each arm until twice as many gain less than 0.3 points on samples "
        "held out from --train, and for 32,000 at most (converged:64000 for 64,000). One number, "
        "such as 1000, is a quick look. Of several numbers, each arm is compared with the one that "
        "is best on the held-out samples.",
    ),
]
GeneratorImages = Annotated[
    int | None,
    typer.Option(
        "--generator-images",
        min=1,
        metavar="N",
        rich_help_panel=GENERATOR,
        show_default="of the preset",
        help="Length of the generator's training in real images (pairs of images for a "
        "deformation model).",
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        metavar="FILE.png",
        help="Also plot accuracy and gain against the number of real samples.",
    ),
]
