"""`hwgen lift`: how much synthetic samples raise accuracy, by the number of real ones per class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwgen_cli.config import Config, with_config
from hwgen_cli.lift_options import (
    COUNTS,
    Arms,
    Budgets,
    EvaluateOnOption,
    ExperimentOption,
    GeneratorImages,
    Generators,
    HeldOutPerClass,
    Kind,
    Plot,
    RareClasses,
    RealPerClass,
    Strokes,
    SyntheticFraction,
    SyntheticPerClass,
    Trials,
)
from hwgen_cli.lift_tables import show_lift
from hwgen_cli.number_lists import CONVERGED, budgets_of, numbers, parts, until_converged
from hwgen_cli.options import (
    Device,
    InitFrom,
    Json,
    Precision,
    RecogniserPreset,
    RecogniserSize,
    Test,
    Train,
    out_option,
)
from hwgen_cli.output import duration, leave_stopped, print_json, print_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from hwgen.charset import Charset
    from hwgen.experiments.lift.generators import Generator
    from hwgen.experiments.lift.plan import Experiment
    from hwgen.recogniser.network import RecogniserRecipe
    from hwgen.results.lift import Lift
    from hwgen.store import Store


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
    steps: Budgets = CONVERGED,
    init_from: InitFrom = None,
    plot: Plot = None,
    device: Device = "auto",
    precision: Precision = "auto",
    config: Config = None,
    json: Json = False,
) -> None:
    """Measure how much synthetic samples raise accuracy, for several numbers of real samples.

    For each number of real samples per class, and each trial, a generator is trained on a random
    subset of the real samples, and a recogniser on that subset with each augmentation, until more
    steps no longer help. A finished run of a refiner needs no real samples of the classes. Writes
    lift.json, which also says whether synthetic samples help. Prints before the start how long it
    takes at most.

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
    budgets = budgets_of(steps)
    recipe = _recipe(recogniser_preset, size, budgets, synthetic_fraction)
    counts = real_per_class or COUNTS[experiment]
    given: dict[str, Any] = {
        "kind": experiment.value,
        "rare": None if rare is None else _labels(rare, real.charset),
        "trials": trials,
        "arms": None if arms is None else tuple(parts(arms)),
        "real_per_class": numbers("--real-per-class", counts, {"all": ALL, "0": NONE}),
        "synthetic_per_class": numbers("--synthetic-per-class", synthetic_per_class),
        "held_out_per_class": held_out_per_class,
        "evaluate_on": None if evaluate_on is None else evaluate_on.value,
        "steps": budgets if len(budgets) > 1 else None,
        "until_converged": until_converged(steps),
    }
    plan = _experiment(recipe, given)
    _check(plot, plan, init_from)
    start = None if init_from is None else load_pretrained(init_from, where)
    real, tested, plan, left_out = _with_strokes(real, Store(test), plan, generator, strokes, out)
    models = choose_generators(
        generator, real, images=generator_images, device=device, strokes=strokes
    )
    keep_freed_memory()
    if plan.until_converged:
        print_lines(_cost(plan, models, real, where, precision), stderr=True)
    with bar("Lift", "recognisers") as advance, interruptible() as stop:
        result = run_experiment(
            real,
            tested,
            plan,
            models,
            out,
            device=where,
            init_from=start,
            precision=precision,
            control=Control(with_config(ctx, out, advance), stop),
            left_out=left_out,
        )
    _output(result or leave_stopped(out), plot, json=json)


def _recipe(
    preset: str, size: int | None, steps: tuple[int, ...], synthetic_fraction: float | None
) -> RecogniserRecipe:
    from dataclasses import replace

    from hwgen.recogniser.network import recogniser_named

    recipe = replace(recogniser_named(preset, size), steps=steps[0])
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


def _with_strokes(
    real: Store,
    test: Store,
    plan: Experiment,
    generators: Sequence[str],
    strokes: Path | None,
    out: Path,
) -> tuple[Store, Store, Experiment, tuple[str, ...]]:
    """Stores and plan without classes that a generator has no strokes of, and these classes."""
    from hwgen.experiments.lift.checks import check_stores
    from hwgen.experiments.lift.left_out import in_words, leave_out, without_rare, without_strokes

    labels = without_strokes(real.charset, generators, strokes)
    if labels:
        print_lines(in_words(labels, len(real.charset)), stderr=True)
        check_stores(real, test, plan.recipe)  # before they are copied
        plan = without_rare(plan, labels)
        real, test = leave_out(real, test, labels, out)
    return real, test, plan, labels


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


def _cost(
    plan: Experiment,
    models: Mapping[str, Generator],
    real: Store,
    device: torch.device,
    precision: str,
) -> str:
    """What a lift takes at most, before it starts."""
    from hwgen.recogniser.step_time import seconds_per_step

    trials = plan.all_trials(models)
    steps = sum(trial.steps for trial in trials)
    each = seconds_per_step(plan.recipe, real.charset, real.channels, device, precision)
    return (
        f"--steps {CONVERGED}: at most {len(trials):,} recognisers, {steps:,} training steps, "
        f"{duration(steps * each)} on this device beside what runs now, if no arm stops early. "
        "A quick look: --steps 1000"
    )


def _labels(classes: str, charset: Charset) -> tuple[str, ...]:
    from hwgen.charset import select_classes

    return charset.subset(sorted(select_classes(classes, charset))).labels


def _output(result: Lift, plot: Path | None, *, json: bool) -> None:
    from hwgen_cli.terminal import Console

    if plot is not None:
        from hwgen.report.lift_plots import save_lift_png

        save_lift_png(result, plot)
    if json:
        print_json(result.to_json())
    else:
        show_lift(result, Console())
