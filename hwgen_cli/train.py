"""`hwgen train`: a generator trained on a store, into a run directory."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwgen_cli.config import Config, Progress, with_config
from hwgen_cli.options import Device, Precision, out_option, seed_option
from hwgen_cli.output import leave_stopped, print_lines
from hwgen_cli.recipe_changes import OF_SOME_KINDS, recipe_changes
from hwgen_cli.train_options import (
    DEFAULT,
    Also,
    Batch,
    CudaGraphs,
    Domain,
    DryRun,
    Epochs,
    Images,
    InitFrom,
    LearningRate,
    Loss,
    OnCollapse,
    OnCollapseOption,
    Preset,
    Recogniser,
    Set,
    SnapshotEvery,
    Steps,
    StoreArgument,
    Strokes,
    Unconditional,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hwgen.generators.base import GeneratorKind
    from hwgen.runs import Run
    from hwgen.store import Store


def train(
    ctx: typer.Context,
    store: StoreArgument,
    out: Annotated[Path, out_option("RUN", "Run directory to write, or to resume.")],
    preset: Preset = None,
    images: Images = None,
    steps: Steps = None,
    epochs: Epochs = None,
    lr: LearningRate = None,
    batch: Batch = None,
    change: Set = None,
    seed: Annotated[int, seed_option("weights, data order and noise")] = 0,
    snapshot_every: SnapshotEvery = None,
    loss: Loss = None,
    unconditional: Unconditional = False,
    recogniser: Recogniser = None,
    on_collapse: OnCollapseOption = OnCollapse.STOP,
    cuda_graphs: CudaGraphs = False,
    strokes: Strokes = None,
    also: Also = None,
    init_from: InitFrom = None,
    domain: Domain = None,
    device: Device = "auto",
    precision: Precision = "auto",
    config: Config = None,
    dry_run: DryRun = False,
) -> None:
    """Train a generator on a store: a conditional GAN, a refiner, or a model of deformations.

    Ctrl-C saves a checkpoint; rerun the command to resume. A larger --images (or --steps, or
    --epochs) continues a run, also a finished one. A directory with a run of another recipe is
    refused, and the differences are listed.

    With --recogniser every snapshot gets a score: purity (fraction read as its label) times
    variety (within a class, relative to real samples), lowered by the distance of the features to
    real ones. Use the best snapshot with hwgen synthesize --snapshot best.

    A refiner (--preset refiner-32) makes simulated characters look like the store's, also
    characters without samples. With --also it learns from several stores, such as few scans
    and much pen ink. --init-from RUN continues a finished run on another store.

    A deformation model (--preset deformation-32) learns from pairs of samples of one class how
    handwriting varies. hwgen synthesize --real then deforms samples of any class.

    torchrun --nproc-per-node N -m hwgen_cli train ... trains on N GPUs, which share each batch.

    Example: hwgen train train --preset glyph-32 --out runs/first
    """
    from hwgen.sources.strokes.choice import stroke_data
    from hwgen.store import Store

    kind, name, make_recipe = _chosen(preset, init_from)
    fields: dict[str, object] = {
        "--images": images,
        "--steps": steps,
        "--epochs": epochs,
        "--batch": batch,
        "--lr": lr,
        "--snapshot-every": snapshot_every,
        "--loss": loss,
        "--unconditional": "false" if unconditional else None,
    }
    settings: dict[str, Any] = {
        "score": recogniser,
        "on_collapse": on_collapse.value,
        "cuda_graphs": cuda_graphs,
        "precision": precision,
        "strokes": None if strokes is None else stroke_data(strokes),
        "also": [Store(one) for one in also or ()],
        "init_from": init_from,
        "domain": domain,
    }
    _refuse_options(kind, name, fields, settings)
    opened = Store(store)
    records = len(opened) + sum(map(len, settings["also"]))
    recipe = _recipe(make_recipe, fields, change or [], records)
    settings = {option: value for option, value in settings.items() if option in kind.options}
    _train(
        ctx, kind, name, recipe, opened, out, settings, seed=seed, device=device, dry_run=dry_run
    )


def _chosen(
    preset: str | None, init_from: Path | None
) -> tuple[GeneratorKind, str, Callable[[Mapping[str, str]], Any]]:
    """The kind, the name of its preset or its title, and what makes the recipe from changes."""
    from hwgen.generators.base import get_kind, kind_of_preset
    from hwgen.runs.models import run_or_model

    if preset is None and init_from is not None:
        found = run_or_model(init_from)  # training refuses a model
        kind = get_kind(found.kind, str(init_from))
        return kind, kind.title, partial(kind.recipe_to_continue, found.recipe)
    name = preset or DEFAULT
    kind = kind_of_preset(name)
    return kind, name, partial(kind.recipe, name)


_DEFAULTS: Mapping[str, object] = {
    "score": None,
    "on_collapse": OnCollapse.STOP.value,
    "cuda_graphs": False,
    "precision": "auto",
    "strokes": None,
    "also": [],
    "init_from": None,
    "domain": None,
}
"""Settings that not every kind of generator has."""

_OPTIONS = {"score": "--recogniser"}
"""Their options, where these have other names."""


def _refuse_options(
    kind: GeneratorKind, name: str, fields: Mapping[str, object], settings: Mapping[str, object]
) -> None:
    from hwgen.errors import InputError

    names = [
        option
        for option, setting in OF_SOME_KINDS.items()
        if fields[option] is not None and setting not in kind.options
    ]
    names += [
        _OPTIONS.get(setting, f"--{setting.replace('_', '-')}")
        for setting, default in _DEFAULTS.items()
        if settings[setting] != default and setting not in kind.options
    ]
    if names:
        has = "has" if len(names) == 1 else "have"
        raise InputError(
            f"{', '.join(names)} {has} no effect with "
            + (f"--preset {name}" if name in kind.presets else f"a {name}"),
            remedy=f"Leave {'it' if len(names) == 1 else 'them'} out",
        )


def _recipe(
    make: Callable[[Mapping[str, str]], Any],
    fields: Mapping[str, object],
    texts: Sequence[str],
    records: int,
) -> Any:
    changes = recipe_changes(fields, texts)
    epochs, steps = fields["--epochs"], fields["--steps"]
    if isinstance(epochs, int):
        changes["images"] = str(epochs * records)
    elif isinstance(steps, int):
        changes["images"] = str(steps * make(changes).batch)
    return make(changes)


def _show_plan(
    kind: GeneratorKind, preset: str, recipe: Any, store: Store, options: Mapping[str, Any]
) -> None:
    from hwgen.compute.distributed import first_to_say
    from hwgen.schema import flatten

    if first_to_say("plan"):
        sizes = {"classes": f"{len(store.charset):,}", "records": f"{len(store):,}"}
        figures = {**sizes, **dict(kind.plan(recipe, store, **options))}
        _print_tables(preset, flatten(kind.recipe_to_json(recipe)), figures)


def _print_tables(preset: str, recipe: Mapping[str, Any], figures: Mapping[str, str]) -> None:
    from rich.table import Table

    from hwgen_cli.terminal import Console

    for title, names, rows in (
        (f"Recipe {preset}", ("field", "value"), recipe),
        ("Plan", ("figure", "value"), figures),
    ):
        table = Table(*names, title=title)
        for name, value in rows.items():
            table.add_row(name, str(value))
        Console(markup=False).print(table)


def _train(
    ctx: typer.Context,
    kind: GeneratorKind,
    name: str,
    recipe: Any,
    store: Store,
    out: Path,
    settings: Mapping[str, Any],
    *,
    seed: int,
    device: str,
    dry_run: bool,
) -> None:
    import os

    from hwgen.compute.devices import keep_freed_memory
    from hwgen.compute.distributed import join
    from hwgen.errors import InputError, RunError
    from hwgen.progress import Control
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    if not kind.distributed and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(f"a {kind.title} is trained in one process", remedy="Leave out torchrun")
    keep_freed_memory()
    finished = False
    with join(device) as ranks:
        options = dict(settings)
        if options.get("score") is not None:
            options["score"] = _scorer(
                options["score"], store, recipe.size, device, quiet=not ranks.first
            )
        if dry_run:
            kind.check(store, out, recipe, seed=seed, device=device, ranks=ranks, **options)
            _show_plan(kind, name, recipe, store, options)
            return
        if warning := kind.warning(recipe, store, **options):
            print_lines(f"warning: {warning}", stderr=True, quiet=not ranks.first)
        with bar(name, kind.unit, shown=ranks.first) as advance, interruptible() as stop:
            report: Progress = with_config(ctx, out, advance) if ranks.first else advance

            def show(done: float, total: float, note: str) -> None:
                nonlocal finished
                finished = done == total
                report(done, total, note)

            try:
                kind.train(
                    store,
                    out,
                    recipe,
                    seed=seed,
                    device=device,
                    control=Control(show, stop),
                    ranks=ranks,
                    **options,
                )
            except RunError:
                if not stop():  # else before the first step, from which there is nothing to save
                    raise
        stopped = ranks.any(stop()) and not ranks.any(finished)
        quiet = not ranks.first
    _finish(kind, out, stopped, quiet=quiet)


def _scorer(recogniser: Path, store: Store, size: int, device: str, *, quiet: bool) -> Any:
    from hwgen.compute.devices import pick_device
    from hwgen.evaluation.snapshot_score import Scorer
    from hwgen_cli.reading import open_reader

    return Scorer(open_reader(recogniser, pick_device(device), store, quiet=quiet), store, size)


def _finish(kind: GeneratorKind, out: Path, stopped: bool, *, quiet: bool) -> None:
    """Say where the newest grid of samples is, and what to do next."""
    from hwgen.runs import Run

    found = Run(out) if not quiet and (out / "run.json").is_file() else None
    if found is not None and (grids := found.grid_files()):
        print_lines(f"newest grid of samples: {grids[-1]}", stderr=True)
    if stopped:
        leave_stopped(out, quiet=quiet)
    print_lines(f"{out}: finished", stderr=True, quiet=quiet)
    if found is not None:
        print_lines(f"next: {_next_command(kind, found)}", stderr=True)


def _next_command(kind: GeneratorKind, run: Run) -> str:
    from hwgen.runs.snapshots import best_scores

    words = ["hwgen", "synthesize", str(run.path), "--out", "synthetic"]
    words += ["--per-class", "50"] if kind.describe(run).labelled else ["--count", "5000"]
    words += ["--real", "STORE"] if kind.needs_source else []
    words += ["--snapshot", "best"] if best_scores(run) else []
    return shlex.join(words)
