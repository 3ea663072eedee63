"""`hwgen benchmark`: recognisers trained with and without synthetic samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwgen_cli.number_lists import budgets_of
from hwgen_cli.options import (
    RECOGNISER,
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
from hwgen_cli.output import (
    leave_stopped,
    print_json,
    print_lines,
    print_test_warnings,
    print_worst_classes,
)

if TYPE_CHECKING:
    from hwgen.results.benchmark import Benchmark
    from hwgen.results.parts import Interval
    from hwgen_cli.terminal import Console

DEFAULT_EPOCHS = 20.0

Steps = Annotated[
    str | None,
    typer.Option(
        "--steps",
        metavar="N|converged",
        rich_help_panel=RECOGNISER,
        help="Number of optimiser steps for each recogniser. converged tries 1,000, 2,000, 4,000 "
        "steps and so on with one recogniser of each arm, without a tenth of the training store, "
        "until twice as many gain less than 0.3 points on that tenth, and for 32,000 at most "
        "(converged:64000 for 64,000); all recognisers of the arm are then trained for the best "
        "number, on the whole store.",
    ),
]
Synthetic = Annotated[
    Path | None,
    typer.Option("--synthetic", metavar="STORE", help="Store of synthetic samples to measure."),
]
Seeds = Annotated[
    int,
    typer.Option(
        "--seeds",
        min=1,
        metavar="N",
        rich_help_panel=RECOGNISER,
        help="Number of recognisers to train on each training set, with consecutive random seeds.",
    ),
]
FirstSeed = Annotated[
    int,
    typer.Option(
        "--first-seed",
        min=0,
        metavar="N",
        rich_help_panel=RECOGNISER,
        help="Random seed of the first of these recognisers. Several machines can each train one "
        "seed into the same output directory; a last command with all seeds then only tests them.",
    ),
]
Epochs = Annotated[
    float | None,
    typer.Option(
        "--epochs",
        metavar="N",
        rich_help_panel=RECOGNISER,
        show_default=f"{DEFAULT_EPOCHS:g}",
        help="Length of training in passes over the training store, in place of --steps.",
    ),
]


def benchmark(
    train: Train,
    test: Test,
    out: Annotated[Path, out_option("DIR")],
    synthetic: Synthetic = None,
    recogniser_preset: RecogniserPreset = "default",
    size: RecogniserSize = None,
    steps: Steps = None,
    epochs: Epochs = None,
    seeds: Seeds = 3,
    first_seed: FirstSeed = 0,
    init_from: InitFrom = None,
    device: Device = "auto",
    precision: Precision = "auto",
    json: Json = False,
) -> None:
    """Compare recognisers trained on real, on real and synthetic, and on synthetic samples.

    All are trained for the same number of steps and tested on the same real samples. Of real and
    synthetic samples, each makes half of a batch. With --synthetic the result also has purity (how
    many synthetic samples the recogniser trained on real ones reads as their label) and variety
    (within a class, relative to real ones).

    Writes benchmark.json and the recognisers, recogniser-*.safetensors, which other commands take
    as --recogniser and --init-from. To pretrain a recogniser give stores of simulated samples in
    place of real ones. Rerun the command to resume after Ctrl-C, also in the middle of a training.

    Example: hwgen benchmark --train train --test test --synthetic synthetic --out benchmark
    """
    from dataclasses import replace

    from hwgen.compute.devices import keep_freed_memory, pick_device
    from hwgen.experiments.benchmark import benchmark as run
    from hwgen.progress import Control
    from hwgen.recogniser.network import recogniser_named
    from hwgen.recogniser.pretrained import load_pretrained
    from hwgen.recogniser.training import steps_for
    from hwgen.store import Store
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar
    from hwgen_cli.terminal import Console

    _check_length(steps, epochs)
    recipe = recogniser_named(recogniser_preset, size)
    real, where = Store(train), pick_device(device)
    budgets = sorted(budgets_of(steps)) if steps is not None else []
    length = budgets[0] if budgets else steps_for(epochs or DEFAULT_EPOCHS, real, recipe)
    keep_freed_memory()
    with bar("Training recognisers", "steps") as advance, interruptible() as stop:
        result = run(
            real,
            Store(test),
            None if synthetic is None else Store(synthetic),
            recipe=replace(recipe, steps=length),
            seeds=range(first_seed, first_seed + seeds),
            out=out,
            device=where,
            init_from=None if init_from is None else load_pretrained(init_from, where),
            precision=precision,
            budgets=budgets if len(budgets) > 1 else (),
            control=Control(advance, stop),
        )
    if result is None:
        leave_stopped(out)
    if json:
        print_json(result.to_json())
    else:
        _show(result, Console())


def _check_length(steps: str | None, epochs: float | None) -> None:
    from hwgen.errors import InputError

    if steps is not None and epochs is not None:
        raise InputError(
            "--steps and --epochs both set the length of training", remedy="Give one of them"
        )
    if epochs is not None and epochs <= 0:
        raise InputError(f"--epochs must be above 0, found {epochs:g}")


def _show(result: Benchmark, console: Console) -> None:
    from rich.table import Table

    settings, network, test = result.settings, result.network, result.stores["test"]
    console.print(
        f"recogniser: {network.parameters:,} parameters, {network.flops / 1e6:,.1f} MFLOPs "
        f"per image, {_steps(result)} steps of {settings['recipe']['batch']} "
        f"samples on {settings['device']} in {settings['precision']}",
        highlight=False,
    )
    table = Table(title=f"Accuracy on {test.count:,} {test.data_kind} test samples, %")
    base = result.trained_on
    last = ("seeds", "steps") if any(arm.search for arm in result.arms.values()) else ("seeds",)
    for column in ("trained on", "top-1", "top-5", f"top-1, difference to {base}", *last):
        table.add_column(column, justify="left" if column == "trained on" else "right")
    for name, arm in result.arms.items():
        difference = result.differences.get(f"{name} - real")
        table.add_row(
            result.shown(name),
            _percent(arm.top1),
            _percent(arm.top5),
            "" if difference is None else _percent(difference, "+.2f"),
            str(len(arm.trials)),
            *([] if arm.search is None else [f"{arm.search.best:,}"]),
        )
    console.print(table)
    _show_writers(result, console)
    _show_searches(result, console)
    _show_synthetic(result, console)
    print_worst_classes(
        console, f"Worst classes of the recognisers trained on {base} samples", result.worst
    )
    print_test_warnings(
        console,
        simulated=test.data_kind == "simulated",
        shared_writers=None if result.writers_shared is None else len(result.writers_shared),
    )
    print_lines(result.verdict, f"written: {result.folder / result.NAME}")


def _show_writers(result: Benchmark, console: Console) -> None:
    from rich.table import Table

    found = {name: arm.by_writer for name, arm in result.arms.items()}
    table = Table("trained on", title="Top-1 by writer of the test samples, %")
    for column in ("lowest", "highest", "mean over writers"):
        table.add_column(column, justify="right")
    for name, one in found.items():
        if one is not None:
            ends = (f"{100 * end(one.per_writer.values()):.1f}" for end in (min, max))
            table.add_row(result.shown(name), *ends, _percent(one.top1, ".1f"))
    if table.row_count:
        console.print(table)


def _steps(result: Benchmark) -> str:
    """`12,000`, or `4,000 to 8,000` where each arm has its own."""
    found = {arm.search.best for arm in result.arms.values() if arm.search is not None}
    found = found or {result.settings["recipe"]["steps"]}
    low, high = min(found), max(found)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _show_searches(result: Benchmark, console: Console) -> None:
    """Accuracy by training steps, where the number of steps was chosen."""
    from rich.table import Table

    found = {name: arm.search for name, arm in result.arms.items() if arm.search is not None}
    if not found:
        return
    numbers = sorted({steps for search in found.values() for steps in search.steps})
    table = Table("trained on", title="Accuracy on held-out samples by training steps, %")
    for steps in numbers:
        table.add_column(f"{steps:,}", justify="right")
    for name, search in found.items():
        known = dict(zip(search.steps, search.held_out, strict=True))
        cells = [f"{100 * known[steps]:.1f}" if steps in known else "" for steps in numbers]
        table.add_row(result.shown(name), *cells)
    console.print(table)


def _show_synthetic(result: Benchmark, console: Console) -> None:
    from rich.table import Table

    if result.purity is None or result.synthetic is None:
        return
    ratio = None if result.diversity is None else result.diversity.ratio
    table = Table(title=f"The {result.synthetic.count:,} synthetic samples, %")
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_row("purity: read as their label", _percent(result.purity.top1))
    table.add_row(
        f"variety within a class, relative to {result.trained_on} samples",
        "not known" if ratio is None else f"{100 * ratio:.1f}",
    )
    console.print(table)


def _percent(interval: Interval, form: str = ".2f") -> str:
    """`97.31 (97.10 to 97.52)`, or the mean alone where one seed gives no interval."""
    text = format(100 * interval.mean, form)
    if interval.low is None or interval.high is None:
        return text
    return f"{text} ({format(100 * interval.low, form)} to {format(100 * interval.high, form)})"
