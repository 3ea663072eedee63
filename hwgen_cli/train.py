"""`hwgen train`: a generator trained on a store, into a run directory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwgen.generators.deformation.recipe import PRESETS as DEFORMATIONS
from hwgen.generators.gan.presets import LOSSES, PRESETS
from hwgen_cli.completion import one_of
from hwgen_cli.options import (
    TRAINING,
    Device,
    Precision,
    out_option,
    recogniser_option,
    seed_option,
)
from hwgen_cli.output import leave_stopped, print_lines

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from hwgen.generators.deformation.recipe import DeformationRecipe
    from hwgen.generators.gan.presets import Recipe
    from hwgen.store import Store

GAN = "GAN"
"""Panel of the options that presets of other generators do not have."""


class OnCollapse(str, Enum):
    """What to do at a mode collapse; see hwgen.generators.gan.training.train."""

    STOP = "stop"
    ROLLBACK = "rollback"
    IGNORE = "ignore"


StoreArgument = Annotated[
    Path, typer.Argument(metavar="STORE", help="Store of real samples to train on.")
]
Preset = Annotated[
    str,
    typer.Option(
        "--preset",
        metavar="PRESET",
        help=f"Generator to train: {', '.join([*PRESETS, *DEFORMATIONS])}.",
        autocompletion=one_of([*PRESETS, *DEFORMATIONS]),
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
    typer.Option("--unconditional", rich_help_panel=GAN, help="Train without labels."),
]
Recogniser = Annotated[
    Path | None,
    recogniser_option("It scores every snapshot, so that the best one is known.", GAN),
]
OnCollapseOption = Annotated[
    OnCollapse,
    typer.Option(
        "--on-collapse",
        rich_help_panel=GAN,
        help="Reaction to a mode collapse: stop; rollback to the last good snapshot and continue "
        "with other noise and half the learning rates, up to 3 times; or ignore it.",
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
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Print recipe, parameters, memory and steps, and exit without training."
    ),
]


def train(
    store: StoreArgument,
    out: Annotated[Path, out_option("RUN", "Run directory to write, or to resume.")],
    preset: Preset = "glyph-32",
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
    device: Device = "auto",
    precision: Precision = "auto",
    dry_run: DryRun = False,
) -> None:
    """Train a generator on a store: a conditional GAN, or a model of deformations.

    Ctrl-C saves a checkpoint; rerun the command to resume. A directory with a run of another
    recipe is refused, and the differences are listed.

    With --recogniser every snapshot gets a score: purity (fraction read as its label) times
    diversity (variety within a class, relative to real samples), lowered by the distance of the
    features to real ones. Use the best snapshot with hwgen synthesize --snapshot best.

    A deformation model (--preset deformation-32) learns from pairs of samples of one class how
    handwriting varies, and then deforms samples of any class: hwgen synthesize --real.

    torchrun --nproc-per-node N -m hwgen_cli train ... trains on N GPUs, which share each batch.

    Example: hwgen train train --preset glyph-32 --out runs/first
    """
    from hwgen.store import Store

    changes = _changes(change or [])
    if preset in DEFORMATIONS:
        _refuse_gan_options(
            preset,
            {
                "--snapshot-every": snapshot_every is not None,
                "--loss": loss is not None,
                "--unconditional": unconditional,
                "--recogniser": recogniser is not None,
                "--on-collapse": on_collapse is not OnCollapse.STOP,
                "--cuda-graphs": cuda_graphs,
                "--precision": precision != "auto",
            },
        )
        bending = _deformation(preset, images, batch, changes)
        if dry_run:
            _show_deformation(preset, bending, Store(store))
        else:
            _train_deformation(Store(store), out, preset, bending, seed=seed, device=device)
        return
    typed = {"images": images, "batch": batch, "every": snapshot_every}
    changes |= {name: str(value) for name, value in typed.items() if value is not None}
    if unconditional:
        changes["conditional"] = "false"
    recipe = _recipe(preset, {**_loss(loss), **changes})
    if dry_run:
        _show_plan(recipe, Store(store))
        return
    settings = _Settings(seed, device, precision, recogniser, on_collapse, cuda_graphs)
    _train(Store(store), out, recipe, settings)


@dataclass(frozen=True)
class _Settings:
    """Options that are not part of the recipe of a GAN."""

    seed: int
    device: str
    precision: str
    recogniser: Path | None
    on_collapse: OnCollapse
    cuda_graphs: bool


def _changes(texts: list[str]) -> dict[str, str]:
    from hwgen.errors import InputError

    for text in texts:
        if "=" not in text:
            raise InputError(f"--set {text} is not FIELD=VALUE", remedy="Example: --set loss.a=-1")
    return dict(text.split("=", 1) for text in texts)


def _loss(name: str | None) -> dict[str, str]:
    from hwgen.generators.gan.presets import loss_named

    if name is None:
        return {}
    chosen = loss_named(name)
    fields = {"kind": chosen.kind, "a": chosen.a, "b": chosen.b, "c": chosen.c}
    return {f"loss.{field}": str(value) for field, value in fields.items()}


def _recipe(preset: str, changes: Mapping[str, str]) -> Recipe:
    from hwgen.generators.gan.presets import change
    from hwgen.generators.gan.presets import preset as find_preset

    return change(find_preset(preset, also=DEFORMATIONS), changes)


def _refuse_gan_options(preset: str, given: Mapping[str, bool]) -> None:
    from hwgen.errors import InputError

    names = [name for name, is_given in given.items() if is_given]
    if names:
        raise InputError(
            f"--preset {preset} does not have {', '.join(names)}",
            remedy="Leave them out; they are options of GANs",
        )


def _deformation(
    preset: str, images: int | None, batch: int | None, changes: Mapping[str, str]
) -> DeformationRecipe:
    from hwgen.generators.deformation.recipe import recipe_from_json, recipe_to_json
    from hwgen.schema import with_changes

    typed = {**changes} if batch is None else {"batch": str(batch), **changes}
    recipe = recipe_from_json(with_changes(recipe_to_json(DEFORMATIONS[preset]), typed))
    if images is None:
        return recipe
    return replace(recipe, steps=max(1, images // recipe.batch))


def _show_deformation(preset: str, recipe: DeformationRecipe, store: Store) -> None:
    from hwgen.generators.deformation.network import DeformationNet
    from hwgen.generators.deformation.recipe import recipe_to_json

    parameters = sum(parameter.numel() for parameter in DeformationNet(recipe).parameters())
    _print_tables(
        preset,
        recipe_to_json(recipe),
        {
            "records": f"{len(store):,}",
            "parameters": f"{parameters:,}",
            "pairs": f"{recipe.steps * recipe.batch:,}",
            "memory: images": f"{len(store) * recipe.size**2 / 2**20:,.0f} MiB",
        },
    )


def _train_deformation(
    store: Store, out: Path, preset: str, recipe: DeformationRecipe, *, seed: int, device: str
) -> None:
    import os

    from hwgen.compute.devices import keep_freed_memory
    from hwgen.errors import InputError
    from hwgen.generators.deformation.training import train_deformation
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(
            "a deformation model is trained in one process", remedy="Leave out torchrun"
        )
    keep_freed_memory()
    finished = False
    with bar(preset, "pairs") as advance, interruptible() as stop:

        def show(done: int, total: int, means: Mapping[str, float]) -> None:
            nonlocal finished
            finished = done == total
            unbent = means["unbent"]  # 0 where all samples of each class are equal
            ratio = f"{means['distance'] / unbent:.1%}" if unbent else "undefined"
            advance(done, total, f"distance {ratio} of undeformed  KL {means['kl']:.1f}")

        run = train_deformation(
            store, out, recipe, seed=seed, device=device, progress=show, stop=stop
        )
        stopped = stop() and not finished
    _finish(run.path, stopped)


def _show_plan(recipe: Recipe, store: Store) -> None:
    from hwgen.compute.distributed import first_to_say
    from hwgen.generators.gan.estimate import plan
    from hwgen.generators.gan.presets import recipe_to_json
    from hwgen.schema import flatten

    if not first_to_say("plan"):
        return
    planned = plan(recipe, store)
    sizes = {
        "memory: weights, optimiser, average": planned.state_bytes,
        "memory: images": planned.images_bytes,
        "disk: checkpoint": planned.checkpoint_bytes,
        "disk: each snapshot": planned.snapshot_bytes,
    }
    _print_tables(
        recipe.preset,
        flatten(recipe_to_json(recipe)),
        {
            "classes": f"{len(store.charset):,}",
            "records": f"{len(store):,}",
            "parameters of G": f"{planned.parameters_g:,}",
            "parameters of D": f"{planned.parameters_d:,}",
            "steps": f"{recipe.steps:,}",
            "epochs": f"{planned.epochs:.1f}",
            **{name: f"{size / 2**20:,.0f} MiB" for name, size in sizes.items()},
        },
    )


def _print_tables(preset: str, recipe: Mapping[str, Any], figures: Mapping[str, str]) -> None:
    from rich.console import Console
    from rich.table import Table

    for title, names, rows in (
        (f"Recipe {preset}", ("field", "value"), recipe),
        ("Plan", ("figure", "value"), figures),
    ):
        table = Table(*names, title=title)
        for name, value in rows.items():
            table.add_row(name, str(value))
        Console(markup=False).print(table)


def _train(store: Store, out: Path, recipe: Recipe, settings: _Settings) -> None:
    from hwgen.compute.devices import keep_freed_memory
    from hwgen.compute.distributed import join
    from hwgen.generators.gan.training import Progress
    from hwgen.generators.gan.training import train as run_training
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    keep_freed_memory()
    with join(settings.device) as ranks:
        score = _scorer(settings, store, recipe.size)
        with (
            bar(recipe.preset, "images", shown=ranks.first) as advance,
            interruptible() as stop,
        ):

            def show(progress: Progress) -> None:
                m = progress.measured
                note = (
                    f"D {m['loss_d']:.3f}  G {m['loss_g']:.3f}  "
                    f"D(real) {m['d_real']:+.2f}  D(fake) {m['d_fake']:+.2f}"
                )
                advance(progress.images, progress.total, note)

            run = run_training(
                store,
                out,
                recipe,
                seed=settings.seed,
                device=settings.device,
                precision=settings.precision,
                score=score,
                on_collapse=settings.on_collapse.value,
                progress=show,
                stop=stop,
                ranks=ranks,
                cuda_graphs=settings.cuda_graphs,
            )
        stopped, quiet = ranks.any(stop()), not ranks.first
    _finish(run.path, stopped, quiet=quiet)


def _scorer(settings: _Settings, store: Store, size: int) -> Any:
    from hwgen.compute.devices import pick_device
    from hwgen.compute.tensor_files import file_hash
    from hwgen.evaluation.snapshot_score import Scorer
    from hwgen.recogniser.inference import Recogniser

    if settings.recogniser is None:
        return None
    reader = Recogniser.load(settings.recogniser, pick_device(settings.device))
    return Scorer(reader, store, size, name=file_hash(settings.recogniser))


def _finish(run: Path, stopped: bool, *, quiet: bool = False) -> None:
    if stopped:
        leave_stopped(run, quiet=quiet)
    print_lines(f"{run}: finished", stderr=True, quiet=quiet)
