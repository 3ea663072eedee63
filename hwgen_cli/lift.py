"""`hwgen lift`: how much synthetic samples raise accuracy, by the number of real ones per class."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwgen_cli.config import Config, with_config
from hwgen_cli.options import (
    EXPERIMENT,
    GENERATOR,
    RECOGNISER,
    Device,
    InitFrom,
    Json,
    Precision,
    RecogniserPreset,
    RecogniserSize,
    Test,
    Train,
    classes_option,
    out_option,
    strokes_option,
)
from hwgen_cli.output import leave_stopped, print_json, print_lines, print_test_warnings

if TYPE_CHECKING:
    from hwgen.charset import Charset
    from hwgen.experiments.lift.plan import Experiment
    from hwgen.recogniser.network import RecogniserRecipe
    from hwgen.results.lift import Estimate, Lift, Series
    from hwgen_cli.terminal import Console


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
    str | None,
    typer.Option(
        "--steps",
        metavar="N,N,...",
        rich_help_panel=RECOGNISER,
        show_default="of the recogniser preset",
        help="Number of optimiser steps for each recogniser. With several numbers, each arm is "
        "compared with the number that is best on samples held out from --train.",
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


def lift(
    ctx: typer.Context,
    train: Train,
    test: Test,
    out: Annotated[Path, out_option("DIR")],
    experiment: ExperimentOption = Kind.FEW_SHOT,
    rare: RareClasses = None,
    real_per_class: RealPerClass = None,
    synthetic_per_class: SyntheticPerClass = None,
    arms: Arms = None,
    trials: Trials = None,
    evaluate_on: EvaluateOnOption = None,
    held_out_per_class: HeldOutPerClass = None,
    synthetic_fraction: SyntheticFraction = None,
    generator: Generators = ["deformation-32"],  # noqa: B006
    strokes: Strokes = None,
    generator_images: GeneratorImages = None,
    recogniser_preset: RecogniserPreset = "default",
    size: RecogniserSize = None,
    steps: Budgets = None,
    init_from: InitFrom = None,
    plot: Plot = None,
    device: Device = "auto",
    precision: Precision = "auto",
    config: Config = None,
    json: Json = False,
) -> None:
    """Measure how much synthetic samples raise accuracy, for several numbers of real samples.

    For each number of real samples per class, and each trial, a generator is trained on a random
    subset of the real samples, and a recogniser on that subset with each augmentation. A finished
    run of a refiner needs no real samples of the classes. Writes lift.json, which also says whether
    synthetic samples help.

    Rerun the command to resume after Ctrl-C, also in the middle of a training. Several processes
    can work on one output directory.

    Example: hwgen lift --train train --test test --out lift --recogniser-preset light
    """
    from hwgen.compute.devices import keep_freed_memory, pick_device
    from hwgen.experiments.lift.choice import choose_generators
    from hwgen.experiments.lift.experiment import run_experiment
    from hwgen.progress import Control
    from hwgen.recogniser.pretrained import load_pretrained
    from hwgen.results.lift import ALL, NONE
    from hwgen.store import Store
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    real, where = Store(train), pick_device(device)
    budgets = _numbers("--steps", steps)
    recipe = _recipe(recogniser_preset, size, budgets, synthetic_fraction)
    counts = real_per_class or COUNTS[experiment]
    given: dict[str, Any] = {
        "kind": experiment.value,
        "rare": None if rare is None else _labels(rare, real.charset),
        "trials": trials,
        "arms": None if arms is None else tuple(_parts(arms)),
        "real_per_class": _numbers("--real-per-class", counts, all=ALL, **{"0": NONE}),
        "synthetic_per_class": _numbers("--synthetic-per-class", synthetic_per_class),
        "held_out_per_class": held_out_per_class,
        "evaluate_on": None if evaluate_on is None else evaluate_on.value,
        "steps": budgets if budgets is not None and len(budgets) > 1 else None,
    }
    plan = _experiment(recipe, given)
    _check(plot, plan, init_from)
    models = choose_generators(
        generator, real, images=generator_images, device=device, strokes=strokes
    )
    keep_freed_memory()
    with bar("Lift", "recognisers") as advance, interruptible() as stop:
        result = run_experiment(
            real,
            Store(test),
            plan,
            models,
            out,
            device=where,
            init_from=None if init_from is None else load_pretrained(init_from, where),
            precision=precision,
            control=Control(with_config(ctx, out, advance), stop),
        )
    if result is None:
        leave_stopped(out)
    _output(result, plot, json=json)


def _recipe(
    preset: str, size: int | None, steps: tuple[int, ...] | None, synthetic_fraction: float | None
) -> RecogniserRecipe:
    from dataclasses import replace

    from hwgen.recogniser.network import recogniser_named

    recipe = recogniser_named(preset, size)
    if steps is not None:
        recipe = replace(recipe, steps=steps[0])
    if synthetic_fraction is not None:
        recipe = replace(recipe, mixing=replace(recipe.mixing, fraction=synthetic_fraction))
    return recipe


def _experiment(recipe: RecogniserRecipe, given: dict[str, Any]) -> Experiment:
    from hwgen.experiments.lift.plan import PRETRAINED_STRONG_EPOCHS, STRONG_EPOCHS, Experiment

    return Experiment(
        recipe=recipe,
        strong_epochs=STRONG_EPOCHS,
        pretrained_strong_epochs=PRETRAINED_STRONG_EPOCHS,
        **{name: value for name, value in given.items() if value is not None},
    )


def _check(plot: Path | None, plan: Experiment, init_from: Path | None) -> None:
    from hwgen.errors import InputError
    from hwgen.experiments.lift.arms import ARMS
    from hwgen.io.outputs import check_output_file

    if plot is not None:
        check_output_file(plot, (".png",), remedy="Give another --plot")
    if init_from is not None and not any(ARMS[arm].pretrained for arm in plan.arms):
        raise InputError(
            "--init-from is set, but no arm is pretrained",
            remedy="Add one: --arms classical,pretrained,pretrained+synthetic",
        )


def _labels(classes: str, charset: Charset) -> tuple[str, ...]:
    from hwgen.charset import select_classes

    return charset.subset(sorted(select_classes(classes, charset))).labels


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _numbers(option: str, text: str | None, **words: int) -> tuple[int, ...] | None:
    """Different whole numbers above 0, separated by commas; some words stand for a number."""
    from hwgen.errors import InputError

    if text is None:
        return None
    parts = _parts(text)
    good = [
        part in words or (part.isascii() and part.isdigit() and 0 < float(part) < 2**63)
        for part in parts
    ]
    if not all(good) or len(set(parts)) < len(parts):
        also = "".join(f" or {word}" for word in words)
        raise InputError(
            f"{option} must be different whole numbers above 0{also}, separated by commas, "
            f"found {text}",
            remedy=f"Example: {option} 10,50",
        )
    return tuple(words[part] if part in words else int(part) for part in parts)


def _output(result: Lift, plot: Path | None, *, json: bool) -> None:
    from hwgen_cli.terminal import Console

    if plot is not None:
        from hwgen.report.lift_plots import save_lift_png

        save_lift_png(result, plot)
    if json:
        print_json(result.to_json())
    else:
        _show(result, Console())


def _show(result: Lift, console: Console) -> None:
    from rich.table import Table

    from hwgen.experiments.lift.arms import ARMS
    from hwgen.results.lift import AMONG_RARE, AMONG_RARE_NOTE, BASELINE, count_name
    from hwgen_cli.terminal import escape

    for group in result.groups:
        some = "" if len(result.groups) == 1 else f", {escape(group)} classes"
        caption = "N: real samples per class; after an arm's name: synthetic samples per class"
        if group == AMONG_RARE:
            caption = f"{AMONG_RARE_NOTE}. {caption}"
        table = Table("N", "augmentation", title=f"Top-1 accuracy, %{some}", caption=caption)
        table.add_column("top-1", justify="right")
        table.add_column(f"difference to {BASELINE}", justify="right")
        for count in result.counts:
            for series in result.series:
                key = (group, count, series)
                accuracy, difference = result.accuracy.get(key), result.differences.get(key)
                if accuracy is not None:
                    figures = _text(accuracy, ".1f"), _text(difference, "+.1f")
                    table.add_row(count_name(count), escape(_name(series, accuracy)), *figures)
            table.add_section()
        console.print(table)
    print_test_warnings(
        console,
        simulated=result.data_kinds.get("test") == "simulated",
        shared_writers=result.test.writers_shared,
    )
    print_lines(result.advice)
    for generator in result.generators:
        print_lines(generator.cost)
    if not any(ARMS[series.arm].pretrained for series in result.series if series.arm in ARMS):
        console.print(
            "[dim]not measured: starting from a recogniser pretrained on other or on simulated "
            "characters; see --init-from and hwgen simulate[/]"
        )
    print_lines(f"written: {result.folder / result.NAME}")


def _name(series: Series, accuracy: Estimate) -> str:
    """`classical+synthetic 100`, and the steps where there are several numbers of them."""
    amount = f" {series.amount}" if series.amount else ""
    steps = f", {series.steps:,} steps" if series.steps else ""
    best = f", best: {accuracy.best_steps:,} steps" if accuracy.best_steps else ""
    return f"{series.arm_name}{amount}{steps}{best}"


def _text(value: Estimate | None, form: str) -> str:
    """`65.3 (64.1 to 66.5)`."""
    if value is None:
        return ""
    low, high = (format(100 * limit, form) for limit in (value.low, value.high))
    return f"{100 * value.mean:{form}} [dim]({low} to {high})[/]"
