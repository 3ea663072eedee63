"""`hwgen evaluate`: a synthetic set compared with real samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwgen_cli.options import (
    RECOGNISER,
    Device,
    Json,
    Precision,
    RecogniserSize,
    Steps,
    out_option,
    recogniser_option,
    seed_option,
)
from hwgen_cli.output import leave_stopped, print_json, print_lines, print_worst_classes

if TYPE_CHECKING:
    from hwgen.results.evaluation import Evaluation
    from hwgen_cli.terminal import Console

SyntheticArgument = Annotated[
    Path, typer.Argument(metavar="STORE", help="Store of synthetic samples to evaluate.")
]
Real = Annotated[
    Path,
    typer.Option(
        "--real",
        metavar="STORE",
        help="Store of the real samples that the generator was trained on.",
    ),
]
RealTest = Annotated[
    Path | None,
    typer.Option(
        "--real-test",
        metavar="STORE",
        show_default="halves of --real",
        help="Store of real samples that the generator was not trained on, as a reference.",
    ),
]
Recogniser = Annotated[
    Path | None,
    recogniser_option(
        "It reads the samples. Without one, a recogniser is trained on --real and saved in --out.",
        RECOGNISER,
    ),
]
Run = Annotated[
    Path | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="Run or exported model that generated the samples. It records the store that it "
        "was trained on, which should be --real.",
    ),
]
OcrEngine = Annotated[
    str | None,
    typer.Option(
        "--ocr-engine",
        metavar="rapidocr",
        rich_help_panel=RECOGNISER,
        help="Independent OCR engine that also reads the samples.",
    ),
]
Cas = Annotated[
    bool,
    typer.Option(
        "--cas",
        rich_help_panel=RECOGNISER,
        help="Also measure the classification accuracy score: recognisers trained on the "
        "synthetic set alone and on --real read --real-test.",
    ),
]
Samples = Annotated[
    int,
    typer.Option(
        "--samples",
        min=1,
        metavar="N",
        help="Maximum number of samples taken from each set for measures that compare sets.",
    ),
]


def evaluate(
    synthetic: SyntheticArgument,
    real: Real,
    out: Annotated[Path, out_option("DIR")],
    real_test: RealTest = None,
    run: Run = None,
    recogniser: Recogniser = None,
    ocr_engine: OcrEngine = None,
    cas: Cas = False,
    steps: Steps = None,
    size: RecogniserSize = None,
    samples: Samples = 10_000,
    seed: Annotated[int, seed_option("the choice of samples and for training")] = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    json: Json = False,
) -> None:
    """Evaluate a synthetic set: is it legible, varied, like real samples, and free of copies?

    Each measure is also computed for real samples in place of the synthetic ones, as a
    reference. Writes evaluation.json and images. Rerun the command to resume after Ctrl-C, also in
    the middle of the training of a recogniser.

    Example: hwgen evaluate synthetic --real train --real-test test --run runs/first -o evaluation
    """
    from dataclasses import replace

    from hwgen.compute.devices import keep_freed_memory, pick_device
    from hwgen.evaluation.evaluate import EPOCHS, Settings
    from hwgen.evaluation.evaluate import evaluate as run_evaluation
    from hwgen.evaluation.ocr_engines import load_ocr_engine
    from hwgen.progress import Control
    from hwgen.recogniser.network import recogniser_named
    from hwgen.recogniser.training import steps_for
    from hwgen.runs.models import run_or_model
    from hwgen.store import Store
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar
    from hwgen_cli.reading import open_reader
    from hwgen_cli.terminal import Console

    keep_freed_memory()
    where = pick_device(device)
    engine = None if ocr_engine is None else load_ocr_engine(ocr_engine)
    opened = Store(real)
    reader = None if recogniser is None else open_reader(recogniser, where, opened)
    recipe = recogniser_named("default", size)
    with bar("Evaluating", "images") as advance, interruptible() as stop:
        result = run_evaluation(
            Store(synthetic),
            opened,
            out=out,
            settings=Settings(
                recipe=replace(recipe, steps=steps or steps_for(EPOCHS, opened, recipe)),
                samples=samples,
                seed=seed,
                train_on_synthetic=cas,
                precision=precision,
            ),
            device=where,
            real_test=None if real_test is None else Store(real_test),
            recogniser=reader,
            run=None if run is None else run_or_model(run),
            ocr_engine=engine,
            control=Control(advance, stop),
        )
    if result is None:
        leave_stopped(out)
    if json:
        print_json(result.to_json())
    else:
        _show(result, Console())


def _show(result: Evaluation, console: Console) -> None:
    from rich.table import Table

    table = Table(title=f"{result.synthetic.count:,} synthetic samples and real ones")
    table.add_column("measure")
    table.add_column("synthetic", justify="right")
    table.add_column("real", justify="right")
    table.add_column("better")
    for figure in result.figures.values():
        value, reference = (_text(v, figure.unit) for v in (figure.value, figure.reference))
        table.add_row(figure.title, value, reference, figure.better)
    console.print(table)
    print_worst_classes(console, "Classes with the lowest accuracy", result.worst)
    print_lines(*result.notes)
    print_lines(*(f"written: {result.folder / name}" for name in (result.NAME, *result.images)))


def _text(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "share":
        return f"{100 * value:.2f} %"
    return f"{value:,.0f}" if unit == "count" else f"{value:.3f}"
