"""In: the options of `hwgen benchmark`. Out: benchmark.json, recognisers, tables on the screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwgen_cli.protocol import (
    COUNTS,
    TESTED_ON_SIMULATED,
    JudgedOn,
    Kind,
    Options,
    run_lift,
)

if TYPE_CHECKING:
    from rich.console import Console

DEFAULT_EPOCHS, DEFAULT_SEEDS = 20.0, 3
_PROTOCOL = "Protocol"
_SHOWN_CLASSES = 10
_SHOWN_MISREADINGS = 4


def benchmark(
    train: Annotated[
        Path, typer.Option("--train", metavar="STORE", help="Real handwriting to learn from.")
    ],
    test: Annotated[
        Path, typer.Option("--test", metavar="STORE", help="Real handwriting to be judged on.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Directory of benchmark.json and recognisers.")
    ],
    synthetic: Annotated[
        Path | None, typer.Option("--synthetic", metavar="STORE", help="Generated characters.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, show_default=str(DEFAULT_SEEDS), help="Recognisers trained on each arm."
        ),
    ] = None,
    first_seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            show_default="0",
            help="Seeds count from here. Several machines may train a seed each; with their "
            "recogniser files in one --out, the command with all seeds only reads.",
        ),
    ] = None,
    recogniser_preset: Annotated[
        str,
        typer.Option(
            metavar="default|light",
            help="Which recogniser: light takes a third of the arithmetic, and in a protocol a "
            "twelfth of the steps.",
        ),
    ] = "default",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Optimiser steps, the same on each arm.")
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(
            help=f"Steps as passes over the real training set; {DEFAULT_EPOCHS:g} if not given."
        ),
    ] = None,
    size: Annotated[
        int, typer.Option(min=16, max=256, help="Side of the pictures it reads, pixels.")
    ] = 32,
    start: Annotated[
        Path | None,
        typer.Option(
            metavar="RECOGNISER",
            help="What the recognisers start from; in a protocol, those of the pretrained arms. A "
            "recogniser-*.safetensors, also of other characters.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where to train.")] = "auto",
    precision: Annotated[
        str, typer.Option(metavar="auto|bf16|fp32", help="Of the training; reading is in fp32.")
    ] = "auto",
    json: Annotated[
        bool, typer.Option("--json", help="Print benchmark.json, or lift.json, instead.")
    ] = False,
    protocol: Annotated[
        Kind | None,
        typer.Option(
            rich_help_panel=_PROTOCOL,
            help="Learn from few samples of every class, or of the rare classes only; with and "
            "without classical augmentation and synthetic samples.",
        ),
    ] = None,
    counts: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_PROTOCOL,
            metavar="N,N,...",
            show_default="; ".join(f"{kind.value}: {text}" for kind, text in COUNTS.items()),
            help="Real samples a class; all is a number too: all that are not held out.",
        ),
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_PROTOCOL,
            min=1,
            show_default="3",
            help="How often each is repeated, with other samples and seeds.",
        ),
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_PROTOCOL,
            metavar="ARM,ARM,...",
            show_default="none,classical,synthetic,classical+synthetic",
            help="What the real samples are augmented with; also pretrained and "
            "pretrained+synthetic, both with classical augmentation, see --start. It is "
            "stronger where each real sample comes at least 25 times in the training, or 200 times "
            "in an arm that starts from --start.",
        ),
    ] = None,
    amount: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_PROTOCOL,
            metavar="N,N,...",
            show_default="100",
            help="Synthetic samples a class; several are compared, the first is advised on.",
        ),
    ] = None,
    generator: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_PROTOCOL,
            metavar="PRESET|RUN",
            show_default="deformation-32",
            help="What makes them: a deformation model or a GAN preset, that learns from the "
            "recogniser's real samples; or a finished run of a deformation model, that has learnt "
            "from other characters.",
        ),
    ] = None,
    generator_images: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_PROTOCOL,
            min=1,
            help="Real pictures (pairs of a deformation model) that it is shown; the preset's "
            "if not.",
        ),
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=_PROTOCOL,
            min=0,
            max=1,
            show_default="0.5",
            help="Of each batch that is synthetic.",
        ),
    ] = None,
    judge_on: Annotated[
        JudgedOn | None,
        typer.Option(
            rich_help_panel=_PROTOCOL,
            show_default="test",
            help="held-out: samples of --train that no draw takes, to choose settings by.",
        ),
    ] = None,
    held_out: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_PROTOCOL,
            min=0,
            show_default="40",
            help="Such samples a class.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=_PROTOCOL,
            metavar="FILE.png",
            help="Also draw the curve: accuracy, and what is won, by the number of real samples.",
        ),
    ] = None,
) -> None:
    """Measure a recogniser trained on real, on real + synthetic, and on synthetic characters.

    Each recogniser is kept when it is finished: the same command goes on after
    Ctrl-C. With --synthetic, purity (how the real-trained recogniser reads the
    synthetic set) and diversity (variety within a class) are given too.

    With --protocol: how much synthetic characters raise the accuracy, by the number of real ones a
    class, and how many to add. For each number and draw a generator learns from the drawn samples
    alone. Several processes may work on one --out.

    Example: hwgen benchmark --train train.store --test test.store --out lift --protocol few-shot
    """
    import json as json_module
    from dataclasses import replace

    from rich.console import Console

    from hwgen.compute.devices import keep_freed_memory, pick_device
    from hwgen.errors import InputError
    from hwgen.experiments.benchmark import FILE
    from hwgen.experiments.benchmark import benchmark as run
    from hwgen.recogniser.inference import Recogniser
    from hwgen.recogniser.network import recogniser_named
    from hwgen.recogniser.training import steps_of
    from hwgen.store import Store
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    recipe = replace(recogniser_named(recogniser_preset), size=size)
    options = Options(
        counts=counts,
        draws=draws,
        arms=arms,
        amount=amount,
        generator=generator,
        generator_images=generator_images,
        start=start,
        share=share,
        judge_on=judge_on,
        held_out=held_out,
        plot=plot,
    )
    plain = {"synthetic": synthetic, "seeds": seeds, "first-seed": first_seed, "epochs": epochs}
    if protocol is not None:
        stray = [f"--{name}" for name, value in plain.items() if value is not None]
        if stray:
            raise InputError(
                f"{', '.join(stray)} and --protocol do not go together",
                remedy="A protocol makes its own synthetic samples, and has --draws",
            )
        run_lift(
            protocol,
            options,
            train,
            test,
            out,
            recipe=recipe if steps is None else replace(recipe, steps=steps),
            device=device,
            precision=precision,
            as_json=json,
        )
        return
    if options.given():
        raise InputError(
            f"{', '.join(options.given())} without --protocol",
            remedy="Give --protocol few-shot or --protocol rare",
        )
    if steps is not None and epochs is not None:
        raise InputError("--steps and --epochs were both given", remedy="Give one of the two")
    if epochs is not None and epochs <= 0:
        raise InputError(f"--epochs {epochs:g} is not above 0")
    real = Store(train)
    if steps is None:
        steps = steps_of(epochs or DEFAULT_EPOCHS, real, recipe)
    recipe = replace(recipe, steps=steps)
    first, where = first_seed or 0, pick_device(device)
    keep_freed_memory()
    with bar("Training recognisers", "steps") as advance, interruptible() as stop:
        result = run(
            real,
            Store(test),
            None if synthetic is None else Store(synthetic),
            recipe=recipe,
            seeds=range(first, first + (seeds or DEFAULT_SEEDS)),
            out=out,
            device=where,
            start=None if start is None else Recogniser.load(start, where),
            precision=precision,
            progress=advance,
            stop=stop,
        )
    if result is None:
        stopped = f"{out}: stopped, the same command goes on"
        Console(stderr=True).print(stopped, markup=False, soft_wrap=True, highlight=False)
        raise typer.Exit(130)
    if json:
        print(json_module.dumps(result, ensure_ascii=False, indent=1))
    else:
        _show(result, out / FILE, Console())


def _show(result: dict[str, Any], file: Path, console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    settings, network = result["settings"], result["network"]
    console.print(
        f"{network['parameters']:,} parameters, {network['flops'] / 1e6:,.1f} MFLOPs a picture, "
        f"{settings['recipe']['steps']:,} steps of {settings['recipe']['batch']}, "
        f"{settings['device']} {settings['precision']}",
        highlight=False,
    )
    table = Table(title=f"On {result['test']['count']:,} {result['test']['made']} test samples, %")
    for column in ("trained on", "top-1", "top-5", "top-1 against real", "seeds"):
        table.add_column(column, justify="left" if column == "trained on" else "right")
    for arm, figures in result["arms"].items():
        difference = result["differences"].get(f"{arm} - real")
        table.add_row(
            arm,
            _percent(figures["top1"]),
            _percent(figures["top5"]),
            "" if difference is None else _percent(difference, "+.2f"),
            str(len(figures["runs"])),
        )
    console.print(table)
    if result["purity"] is not None:
        ratio = None if result["diversity"] is None else result["diversity"]["ratio"]
        table = Table(title=f"The {result['synthetic']['count']:,} synthetic samples, %")
        table.add_column("figure")
        table.add_column("value", justify="right")
        table.add_row("read as their label (purity)", _percent(result["purity"]["top1"]))
        table.add_row(
            "variety within a class, of the real one's (diversity)",
            "not known" if ratio is None else f"{100 * ratio:.1f}",
        )
        console.print(table)
    if result["worst"]:
        table = Table(title="Worst classes, trained on real, over all seeds")
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
    if result["test"]["made"] == "simulated":
        console.print(f"[yellow]warning:[/] {TESTED_ON_SIMULATED}")
    if result["writers_shared"]:
        console.print(
            "[yellow]warning:[/] writers in both the train and the test store: "
            f"{len(result['writers_shared'])}; the figures flatter"
        )
    console.print(f"written: {file}", markup=False, highlight=False, soft_wrap=True)


def _percent(interval: dict[str, float | None], form: str = ".2f") -> str:
    """`97.31 (97.10 to 97.52)`, or the mean alone where one seed gives no interval."""
    mean, low, high = (interval[key] for key in ("mean", "low", "high"))
    assert mean is not None
    text = format(100 * mean, form)
    if low is None or high is None:
        return text
    return f"{text} ({format(100 * low, form)} to {format(100 * high, form)})"
