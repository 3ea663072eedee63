"""In: the protocol's options of `hwgen benchmark`. Out: lift.json, a plot, tables on the screen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from hwgen.experiments.lift.experiment import Protocol
    from hwgen.experiments.lift.generators import Generator
    from hwgen.recogniser.network import RecogniserRecipe
    from hwgen.results.lift import Estimate, Lift
    from hwgen.store import Store


class Kind(Enum):
    """See hwgen.experiments.lift.experiment.Protocol."""

    FEW_SHOT = "few-shot"
    RARE = "rare"


class JudgedOn(Enum):
    """See hwgen.experiments.lift.experiment.Protocol."""

    TEST = "test"
    HELD_OUT = "held-out"


COUNTS = {Kind.FEW_SHOT: "5,10,20,50,all", Kind.RARE: "1,3,5,10"}
"""Real samples a class, where the user says nothing."""

TESTED_ON_SIMULATED = "the test store is simulated: the figures say nothing of real handwriting"


@dataclass(frozen=True)
class Options:
    """What was typed, None where nothing was; see the help of `hwgen benchmark`."""

    counts: str | None
    draws: int | None
    arms: str | None
    amount: str | None
    generator: str | None
    generator_images: int | None
    start: Path | None
    share: float | None
    judge_on: JudgedOn | None
    held_out: int | None
    plot: Path | None

    def given(self) -> list[str]:
        """Names of the options that were typed and that a protocol alone has."""
        typed = (name for name, value in vars(self).items() if value is not None)
        return [f"--{name.replace('_', '-')}" for name in typed if name != "start"]


def run_lift(
    kind: Kind,
    options: Options,
    train: Path,
    test: Path,
    out: Path,
    *,
    recipe: RecogniserRecipe,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Run a protocol, or go on with it, and show what came out."""
    from rich.console import Console

    from hwgen.compute.devices import keep_freed_memory, pick_device
    from hwgen.experiments.lift.experiment import run_protocol
    from hwgen.recogniser.inference import Recogniser
    from hwgen.results.lift import LIFT_FILE, read_lift
    from hwgen.store import Store
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    protocol = _protocol(kind, options, recipe)
    real, where = Store(train), pick_device(device)
    generator = _generator(options, real, device)
    start = None if options.start is None else Recogniser.load(options.start, where)
    keep_freed_memory()
    with bar("Protocol", "cells") as advance, interruptible() as stop:
        result = run_protocol(
            real,
            Store(test),
            protocol,
            generator,
            out,
            device=where,
            start=start,
            precision=precision,
            progress=advance,
            stop=stop,
        )
    if result is None:
        Console(stderr=True).print(
            f"{out}: stopped, the same command goes on",
            markup=False,
            soft_wrap=True,
            highlight=False,
        )
        raise typer.Exit(130)
    lift = read_lift(out / LIFT_FILE)
    if options.plot is not None:
        from hwgen.report.lift_plots import save_lift_png

        save_lift_png(lift, options.plot)
    if as_json:
        typer.echo((out / LIFT_FILE).read_text("utf-8"))
    else:
        _show(lift, Console())


def _protocol(kind: Kind, options: Options, recipe: RecogniserRecipe) -> Protocol:
    from dataclasses import replace

    from hwgen.errors import InputError
    from hwgen.experiments.lift.experiment import STARTED_STRONG_VIEWS, STRONG_VIEWS, Protocol
    from hwgen.experiments.lift.subsets import ALL
    from hwgen.experiments.lift.trials import ARMS

    if options.share is not None:
        recipe = replace(recipe, mixing=replace(recipe.mixing, share=options.share))
    if options.plot is not None and options.plot.suffix != ".png":
        raise InputError(f"--plot {options.plot} is not the name of a PNG file")
    if options.judge_on is JudgedOn.HELD_OUT and options.held_out == 0:
        raise InputError("--judge-on held-out with --held-out 0 leaves nothing to judge on")
    typed: dict[str, Any] = {
        "draws": options.draws,
        "arms": None if options.arms is None else tuple(_parts(options.arms)),
        "amounts": None if options.amount is None else _numbers("--amount", options.amount),
        "held_out": options.held_out,
        "judged_on": None if options.judge_on is None else options.judge_on.value,
    }
    protocol = Protocol(
        kind=kind.value,
        counts=_numbers("--counts", options.counts or COUNTS[kind], all=ALL),
        recipe=recipe,
        strong_views=STRONG_VIEWS,
        started_strong_views=STARTED_STRONG_VIEWS,
        **{name: value for name, value in typed.items() if value is not None},
    )
    if options.start is not None and not any(ARMS[arm].pretrained for arm in protocol.arms):
        raise InputError(
            "no arm starts from the recogniser that --start names",
            remedy="Add one: --arms classical,pretrained,pretrained+synthetic",
        )
    return protocol


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _numbers(option: str, text: str, **words: int) -> tuple[int, ...]:
    """Numbers with commas between them, each one once; some words stand for a number."""
    from hwgen.errors import InputError

    parts = _parts(text)
    good = [
        part in words or (part.isascii() and part.isdigit() and int(part) > 0) for part in parts
    ]
    if not all(good) or len(set(parts)) < len(parts):
        also = "".join(f" or {word}" for word in words)
        raise InputError(
            f"{option} {text} is no list of different numbers above 0{also}",
            remedy=f"Such as {option} 10,50",
        )
    return tuple(words[part] if part in words else int(part) for part in parts)


def _generator(options: Options, train: Store, device: str) -> Generator:
    """A deformation model or a GAN that learns from each draw, or a model that has learnt."""
    from dataclasses import replace

    from hwgen.errors import InputError
    from hwgen.experiments.lift.generators import DeformationGenerator, GanGenerator
    from hwgen.generators.deformation.recipe import PRESETS as DEFORMATIONS
    from hwgen.generators.deformation.sampling import DeformationSampler
    from hwgen.generators.gan.presets import preset
    from hwgen.runs.models import is_model, run_or_model

    name, images = options.generator or "deformation-32", options.generator_images
    if name in DEFORMATIONS:
        recipe = DEFORMATIONS[name]
        if images is not None:
            recipe = replace(recipe, steps=max(1, images // recipe.batch))
        return DeformationGenerator(recipe, device=device)
    place = Path(name)
    if not (place / "run.json").is_file() and not is_model(place):
        gan = preset(name, also=DEFORMATIONS)
        if images is not None:
            gan = replace(gan, images=images, every=min(gan.every, images))
        return GanGenerator(gan, device)
    if images is not None:
        raise InputError("has learnt already, so that --generator-images says nothing", where=name)
    learnt = run_or_model(place)
    if learnt.kind == "gan":
        raise InputError(
            "is a GAN's run, which may have seen more samples than the recogniser gets",
            where=name,
            remedy=f"Give its preset instead: --generator {learnt.recipe.get('preset', 'PRESET')}",
        )
    if not learnt.data.get("content_sha256"):
        raise InputError(
            "does not tell what it learnt from, which may be the test samples",
            where=name,
            remedy="Give a run of hwgen train, or a model of one",
        )
    DeformationSampler.load(place, train, "cpu")  # tells now, not in an hour, what does not fit
    return DeformationGenerator(learnt=place, device=device)


def _show(lift: Lift, console: Console) -> None:
    from rich.table import Table

    from hwgen.experiments.lift.trials import ARMS
    from hwgen.results.lift import BASELINE, LIFT_FILE, count_name

    for group in lift.groups:
        some = "" if len(lift.groups) == 1 else f", {group} classes"
        caption = "N: real samples a class; behind a name: synthetic ones"
        table = Table("N", "trained with", title=f"Top-1, %{some}", caption=caption)
        table.add_column("top-1", justify="right")
        table.add_column(f"more than {BASELINE}", justify="right")
        for count in lift.counts:
            for series in lift.series:
                key = (group, count, series)
                figures = (lift.accuracy.get(key), ".1f"), (lift.differences.get(key), "+.1f")
                name = f"{series.arm} {series.amount or ''}".rstrip()
                table.add_row(count_name(count), name, *(_text(*one) for one in figures))
            table.add_section()
        console.print(table)
    if lift.made.get("test") == "simulated":
        console.print(f"[yellow]warning:[/] {TESTED_ON_SIMULATED}")
    if lift.writers_shared:
        console.print(
            "[yellow]warning:[/] writers in both the train and the test store: "
            f"{lift.writers_shared}; the figures flatter"
        )
    console.print(lift.advice, markup=False, highlight=False)
    if not any(ARMS[series.arm].pretrained for series in lift.series if series.arm in ARMS):
        console.print(
            "[dim]not tried: to start from a recogniser of other characters, which simulated ones "
            "may be; see --start and hwgen simulate[/]"
        )
    console.print(
        f"written: {lift.path / LIFT_FILE}", markup=False, highlight=False, soft_wrap=True
    )


def _text(value: Estimate | None, form: str) -> str:
    """`65.3 (64.1 to 66.5)`."""
    if value is None:
        return ""
    low, high = (format(100 * limit, form) for limit in (value.low, value.high))
    return f"{100 * value.mean:{form}} [dim]({low} to {high})[/]"
