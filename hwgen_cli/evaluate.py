"""In: the options of `hwgen evaluate`. Out: evaluation.json, pictures, a table on the screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN_CLASSES = 10
_SHOWN_MISREADINGS = 4


def evaluate(
    synthetic: Annotated[
        Path, typer.Argument(metavar="STORE", help="The synthetic characters to judge.")
    ],
    real: Annotated[
        Path,
        typer.Option("--real", metavar="STORE", help="What the generator was trained on."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Directory of evaluation.json and pictures.")
    ],
    real_test: Annotated[
        Path | None,
        typer.Option(
            metavar="STORE",
            help="Real characters the generator did not see: what real ones get. Without it, "
            "halves of --real.",
        ),
    ] = None,
    recogniser: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The judge, a recogniser-*.safetensors of a benchmark; without it one is "
            "trained on --real and kept in --out.",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="The run, or the exported model, that it was drawn from: says what that learnt "
            "from.",
        ),
    ] = None,
    reader: Annotated[
        str | None, typer.Option(metavar="rapidocr", help="A second, independent reader.")
    ] = None,
    cas: Annotated[
        bool,
        typer.Option(
            "--cas", help="Train on the set alone and on --real; read --real-test with both."
        ),
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option("--cas-steps", min=1, help="Optimiser steps of a recogniser trained here."),
    ] = None,
    size: Annotated[
        int, typer.Option(min=16, max=256, help="Side of what such a recogniser reads, pixels.")
    ] = 32,
    samples: Annotated[
        int, typer.Option(min=1, help="Most samples a side that are compared as sets.")
    ] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of samples and training.")] = 0,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where to work.")] = "auto",
    precision: Annotated[
        str, typer.Option(metavar="auto|bf16|fp32", help="Of training; reading is in fp32.")
    ] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print evaluation.json instead.")] = False,
) -> None:
    """Judge a synthetic set: legible, varied, like real ones, no copies?

    Each figure stands beside the floor: what real characters get in place of the
    synthetic ones. Ctrl-C keeps the recognisers that are finished; the same command
    goes on.

    Example: hwgen evaluate synthetic --real train --real-test test --run runs/first --out judged
    """
    import json as json_module

    from rich.console import Console

    from hwgen.compute.devices import keep_freed_memory, pick_device
    from hwgen.evaluation.evaluate import EPOCHS, FILE, Settings
    from hwgen.evaluation.evaluate import evaluate as run_evaluation
    from hwgen.evaluation.ocr_engines import load_ocr_engine
    from hwgen.progress import Control
    from hwgen.recogniser.inference import Recogniser
    from hwgen.recogniser.network import RecogniserRecipe
    from hwgen.recogniser.training import steps_of
    from hwgen.runs.models import run_or_model
    from hwgen.store import Store
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    keep_freed_memory()
    where = pick_device(device)
    second = None if reader is None else load_ocr_engine(reader)
    opened = Store(real)
    if steps is None:
        steps = steps_of(EPOCHS, opened, RecogniserRecipe(size=size))
    with bar("evaluate", "pictures") as advance, interruptible() as stop:
        result = run_evaluation(
            Store(synthetic),
            opened,
            out=out,
            settings=Settings(
                recipe=RecogniserRecipe(size=size, steps=steps),
                samples=samples,
                seed=seed,
                train_on_synthetic=cas,
                precision=precision,
            ),
            device=where,
            real_test=None if real_test is None else Store(real_test),
            recogniser=None if recogniser is None else Recogniser.load(recogniser, where),
            recogniser_file=recogniser,
            run=None if run is None else run_or_model(run),
            ocr_engine=second,
            control=Control(progress=advance, stop=stop),
        )
    if result is None:
        stopped = f"{out}: stopped, the same command goes on"
        Console(stderr=True).print(stopped, markup=False, soft_wrap=True, highlight=False)
        raise typer.Exit(130)
    if json:
        print(json_module.dumps(result, ensure_ascii=False, indent=1))
    else:
        _show(result, out, FILE, Console())


def _show(result: dict[str, Any], out: Path, file: str, console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"The {result['synthetic']['count']:,} samples, beside real ones")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("real", justify="right")
    table.add_column("better")
    for figure in result["figures"].values():
        value, floor = (_text(figure[key], figure["unit"]) for key in ("value", "floor"))
        table.add_row(figure["title"], value, floor, figure["better"])
    console.print(table)
    if result["worst"]:
        table = Table(title="Classes read worst")
        table.add_column("class")
        table.add_column("right, %", justify="right")
        table.add_column("read as (times)")
        for entry in result["worst"][:_SHOWN_CLASSES]:
            misread = list(entry["read_as"].items())[:_SHOWN_MISREADINGS]
            table.add_row(
                escape(entry["label"]),
                f"{100 * entry['accuracy']:.1f}",
                "  ".join(f"{escape(label)} ({times})" for label, times in misread),
            )
        console.print(table)
    for note in result["notes"]:
        console.print(note, markup=False, highlight=False)
    for name in (file, *result["pictures"]):
        console.print(f"written: {out / name}", highlight=False, markup=False, soft_wrap=True)


def _text(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "share":
        return f"{100 * value:.2f} %"
    return f"{value:,.0f}" if unit == "count" else f"{value:.3f}"
