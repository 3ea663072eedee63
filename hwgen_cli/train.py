"""`hwgen train`: a generator trained on a store, into a run directory."""

from __future__ import annotations

from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwgen.generators.adversarial.recipe import LOSSES
from hwgen.generators.base import all_kinds
from hwgen_cli.completion import one_of
from hwgen_cli.options import (
    TRAINING,
    Device,
    Precision,
    out_option,
    recogniser_option,
    seed_option,
    strokes_option,
)
from hwgen_cli.output import leave_stopped, print_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from hwgen.generators.base import GeneratorKind
    from hwgen.store import Store

DEFAULT = "glyph-32"

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
        help="Length of training in real images (pairs of images for a deformation model).",
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
        help="Number of real images between two snapshots, each with a grid of samples.",
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
    strokes_option("Stroke data of the store's characters, for a refiner.", panel=GAN),
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


def train(
    store: StoreArgument,
    out: Annotated[Path, out_option("RUN", "Run directory to write, or to resume.")],
    preset: Preset = None,
    images: Images = None,
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
    dry_run: DryRun = False,
) -> None:
    """Train a generator on a store: a conditional GAN, a refiner, or a model of deformations.

    Ctrl-C saves a checkpoint; rerun the command to resume. A directory with a run of another
    recipe is refused, and the differences are listed.

    With --recogniser every snapshot gets a score: purity (fraction read as its label) times
    variety (within a class, relative to real samples), lowered by the distance of the
    features to real ones. Use the best snapshot with hwgen synthesize --snapshot best.

    A refiner (--preset refiner-32 --strokes FILE) learns to make simulated characters look like
    the store's. hwgen synthesize then makes any character that has strokes, with or without
    samples in the store. With --also it learns from several stores, such as few scans and much pen
    ink; hwgen synthesize --domain chooses whose look the samples have.

    --init-from RUN continues a finished run on another store, such as 20 samples of one writer:
    its generator and discriminator are where the new run starts.

    A deformation model (--preset deformation-32) learns from pairs of samples of one class how
    handwriting varies. hwgen synthesize --real then deforms samples of any class.

    torchrun --nproc-per-node N -m hwgen_cli train ... trains on N GPUs, which share each batch.

    Example: hwgen train train --preset glyph-32 --out runs/first
    """
    from hwgen.sources.strokes.hanzi_writer import HanziWriter
    from hwgen.store import Store

    kind, name, make_recipe = _chosen(preset, init_from)
    conditional = "false" if unconditional else None
    given: dict[str, tuple[str, object]] = {
        "--snapshot-every": ("every", snapshot_every),
        "--loss": ("loss", loss),
        "--unconditional": ("conditional", conditional),
        "--recogniser": ("score", recogniser),
        "--on-collapse": ("on_collapse", None if on_collapse is OnCollapse.STOP else on_collapse),
        "--cuda-graphs": ("cuda_graphs", cuda_graphs or None),
        "--precision": ("precision", precision if precision != "auto" else None),
        "--strokes": ("strokes", strokes),
        "--also": ("also", also or None),
        "--init-from": ("init_from", init_from),
        "--domain": ("domain", domain),
    }
    _refuse_options(kind, name, given)
    typed = {"images": images, "batch": batch, "every": snapshot_every, "conditional": conditional}
    changes = _changes(change or [], before={"loss": loss}, after=typed)
    recipe, opened = make_recipe(changes), Store(store)
    options: dict[str, Any] = {
        "on_collapse": on_collapse.value,
        "cuda_graphs": cuda_graphs,
        "precision": precision,
        "strokes": None if strokes is None else HanziWriter(strokes),
        "also": [Store(one) for one in also or ()],
        "init_from": init_from,
        "domain": domain,
    }
    options = {name: value for name, value in options.items() if name in kind.options}
    _train(
        kind,
        name,
        recipe,
        opened,
        out,
        recogniser=recogniser,
        seed=seed,
        device=device,
        options=options,
        dry_run=dry_run,
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


def _changes(
    texts: list[str], before: Mapping[str, object], after: Mapping[str, object]
) -> dict[str, str]:
    """Changes of a recipe by --set, and by options that it overrides, or that override it."""
    from hwgen.errors import InputError

    for text in texts:
        if "=" not in text:
            raise InputError(f"--set {text} is not FIELD=VALUE", remedy="Example: --set loss.a=-1")
    given = [(name, value) for name, _, value in (text.partition("=") for text in texts)]
    items = [*before.items(), *given, *after.items()]
    return {name: str(value) for name, value in items if value is not None}


def _refuse_options(
    kind: GeneratorKind, name: str, given: Mapping[str, tuple[str, object]]
) -> None:
    from hwgen.errors import InputError

    names = [
        option
        for option, (setting, value) in given.items()
        if value is not None and setting not in kind.options
    ]
    if names:
        has = "has" if len(names) == 1 else "have"
        raise InputError(
            f"{', '.join(names)} {has} no effect with "
            + (f"--preset {name}" if name in kind.presets else f"a {name}"),
            remedy=f"Leave {'it' if len(names) == 1 else 'them'} out",
        )


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
    kind: GeneratorKind,
    preset: str,
    recipe: Any,
    store: Store,
    out: Path,
    *,
    recogniser: Path | None,
    seed: int,
    device: str,
    options: Mapping[str, Any],
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
        if recogniser is not None:
            options = {**options, "score": _scorer(recogniser, store, recipe.size, device)}
        if dry_run:
            kind.check(store, out, recipe, seed=seed, device=device, ranks=ranks, **options)
            _show_plan(kind, preset, recipe, store, options)
            return
        if warning := kind.warning(recipe, store, **options):
            print_lines(f"warning: {warning}", stderr=True, quiet=not ranks.first)
        with bar(preset, kind.unit, shown=ranks.first) as advance, interruptible() as stop:

            def show(done: float, total: float, note: str) -> None:
                nonlocal finished
                finished = done == total
                advance(done, total, note)

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
    _finish(out, stopped, quiet=quiet)


def _scorer(recogniser: Path, store: Store, size: int, device: str) -> Any:
    from hwgen.compute.devices import pick_device
    from hwgen.compute.tensor_files import file_hash
    from hwgen.evaluation.snapshot_score import Scorer
    from hwgen.recogniser.inference import Recogniser

    reader = Recogniser.load(recogniser, pick_device(device))
    return Scorer(reader, store, size, name=file_hash(recogniser))


def _finish(run: Path, stopped: bool, *, quiet: bool = False) -> None:
    if stopped:
        leave_stopped(run, quiet=quiet)
    print_lines(f"{run}: finished", stderr=True, quiet=quiet)
