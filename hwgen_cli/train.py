"""In: the options of `hwgen train`. Out: a run directory, with progress on the screen."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwgen.generators.deformation.recipe import PRESETS as DEFORMATIONS
from hwgen.generators.gan.presets import LOSSES, PRESETS
from hwgen_cli.completion import one_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rich.console import Console

    from hwgen.generators.deformation.recipe import DeformationRecipe
    from hwgen.generators.gan.presets import Recipe
    from hwgen.store import Store


class OnCollapse(Enum):
    """What to do when a run collapses; see hwgen.generators.gan.training.train."""

    STOP = "stop"
    ROLLBACK = "rollback"
    IGNORE = "ignore"


def train(
    store: Annotated[Path, typer.Argument(help="Real handwriting: a store.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The run directory.")],
    preset: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"One of {', '.join([*PRESETS, *DEFORMATIONS])}.",
            autocompletion=one_of([*PRESETS, *DEFORMATIONS]),
        ),
    ] = "glyph-32",
    images: Annotated[
        int | None, typer.Option(min=1, help="Real pictures to show in all; the preset's if not.")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Pictures a step.")] = None,
    every: Annotated[
        int | None, typer.Option(min=1, help="Real pictures between two snapshots and grids.")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help=f"One of {', '.join(LOSSES)}.", autocompletion=one_of(LOSSES)
        ),
    ] = None,
    unconditional: Annotated[
        bool, typer.Option("--unconditional", help="Train without labels.")
    ] = False,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Any recipe field, such as loss.a=-1."),
    ] = None,
    recogniser: Annotated[
        Path | None,
        typer.Option(help="Scores every snapshot; a recogniser-*.safetensors of a benchmark."),
    ] = None,
    on_collapse: Annotated[
        OnCollapse,
        typer.Option(help="When all samples of a class become alike, or illegible."),
    ] = OnCollapse.STOP,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, order and noise.")] = 0,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where to train.")] = "auto",
    precision: Annotated[
        str, typer.Option(metavar="auto|bf16|fp32", help="auto: bf16 where the hardware has it.")
    ] = "auto",
    cuda_graphs: Annotated[
        bool,
        typer.Option(
            "--cuda-graphs", help="Replay steps on a GPU: faster at small batches; experimental."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show recipe, parameters, memory and steps; leave.")
    ] = False,
) -> None:
    """Train a conditional LSGAN on a store; or a deformation model, which bends real samples.

    Ctrl-C saves and leaves; the same command goes on. A changed recipe is refused,
    with the differences.

    With --recogniser the best snapshot is known, see synthesize --checkpoint best: purity (the
    share read as its label) x variety within a class (at most the real one), less for a distance
    of the features from real ones.

    A collapse is told from the variety of the samples at fixed noise, and from the scores. Then
    the run stops, with the last good checkpoint kept; or goes back to that, and on with other
    noise and half the learning rates, up to 3 times (rollback); or goes on all the same (ignore).

    torchrun --nproc-per-node N -m hwgen_cli train ... trains the same on N GPUs or
    processes, which share each batch.

    A deformation model (--preset deformation-32) learns from pairs of samples of one class how
    they vary; --images counts pairs. What it has learnt bends samples of any characters, see
    synthesize --from.

    Example: hwgen train hwdb.store --preset glyph-32 --out runs/first
    """
    from rich.console import Console

    from hwgen.compute.distributed import first_to_say
    from hwgen.generators.gan.presets import change as change_recipe
    from hwgen.generators.gan.presets import preset as find_preset
    from hwgen.store import Store

    changes = _changes(change or [])
    typed = {"images": images, "batch": batch, "every": every}
    if preset in DEFORMATIONS:
        meaningless = {
            "every": every,
            "loss": loss,
            "unconditional": unconditional,
            "recogniser": recogniser,
            "on-collapse": None if on_collapse is OnCollapse.STOP else on_collapse,
            "precision": None if precision == "auto" else precision,
            "cuda-graphs": cuda_graphs,
        }
        bending = _deformation(preset, meaningless, images, batch, changes)
        if dry_run:
            _show_deformation(preset, bending, Store(store), Console())
        else:
            _train_deformation(Store(store), out, preset, bending, seed, device)
        return
    changes |= {name: str(value) for name, value in typed.items() if value is not None}
    if unconditional:
        changes["conditional"] = "false"
    recipe = change_recipe(find_preset(preset, also=DEFORMATIONS), {**_loss(loss), **changes})
    opened = Store(store)
    if dry_run:
        if first_to_say("plan"):
            _show_plan(recipe, opened, Console())
    else:
        _train(opened, out, recipe, recogniser, on_collapse, seed, device, precision, cuda_graphs)


def _changes(texts: list[str]) -> dict[str, str]:
    from hwgen.errors import InputError

    for text in texts:
        if "=" not in text:
            raise InputError(f"--set {text} is not FIELD=VALUE", remedy="Such as --set loss.a=-1")
    return dict(text.split("=", 1) for text in texts)


def _loss(name: str | None) -> dict[str, str]:
    from hwgen.generators.gan.presets import loss_named

    if name is None:
        return {}
    chosen = loss_named(name)
    fields = {"kind": chosen.kind, "a": chosen.a, "b": chosen.b, "c": chosen.c}
    return {f"loss.{field}": str(value) for field, value in fields.items()}


def _deformation(
    preset: str,
    meaningless: Mapping[str, Any],
    images: int | None,
    batch: int | None,
    changes: Mapping[str, str],
) -> DeformationRecipe:
    """The recipe that the options say."""
    from hwgen.errors import InputError
    from hwgen.generators.deformation.recipe import recipe_from_json, recipe_to_json
    from hwgen.schema import with_changes

    given = [f"--{name}" for name, value in meaningless.items() if value]
    if given:
        raise InputError(
            f"{', '.join(given)} cannot be with --preset {preset}",
            remedy="They are of a GAN; --images, --batch, --set, --seed and --device are of both",
        )
    typed = {**changes} if batch is None else {"batch": str(batch), **changes}
    recipe = recipe_from_json(with_changes(recipe_to_json(DEFORMATIONS[preset]), typed))
    if images is None:
        return recipe
    return replace(recipe, steps=max(1, images // recipe.batch))


def _show_deformation(
    preset: str, recipe: DeformationRecipe, store: Store, console: Console
) -> None:
    from rich.markup import escape
    from rich.table import Table

    from hwgen.generators.deformation.network import DeformationNet
    from hwgen.generators.deformation.recipe import recipe_to_json

    table = Table("field", "value", title=f"Recipe {preset}")
    for field, value in recipe_to_json(recipe).items():
        table.add_row(field, escape(str(value)))
    console.print(table)
    parameters = sum(parameter.numel() for parameter in DeformationNet(recipe).parameters())
    table = Table("figure", "value", title="Plan")
    table.add_row("records", f"{len(store):,}")
    table.add_row("parameters", f"{parameters:,}")
    table.add_row("pairs", f"{recipe.steps * recipe.batch:,}")
    table.add_row("memory: pictures", f"{len(store) * recipe.size**2 / 2**20:,.0f} MiB")
    console.print(table)


def _train_deformation(
    store: Store, out: Path, preset: str, recipe: DeformationRecipe, seed: int, device: str
) -> None:
    import os

    from hwgen.compute.devices import keep_freed_memory
    from hwgen.errors import InputError
    from hwgen.generators.deformation.training import train_deformation
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError("a deformation model learns in one process", remedy="Leave torchrun out")
    keep_freed_memory()
    finished = False
    with bar(preset, "pairs") as advance, interruptible() as stop:

        def show(done: int, total: int, means: Mapping[str, float]) -> None:
            nonlocal finished
            finished = done == total
            unbent = means["unbent"]  # 0 where the samples of each class are all the same
            share = f"{means['distance'] / unbent:.1%}" if unbent else "not a share"
            advance(done, total, f"distance {share} of unbent  KL {means['kl']:.1f}")

        run = train_deformation(
            store, out, recipe, seed=seed, device=device, progress=show, stop=stop
        )
        stopped = stop() and not finished
    _say_done(run.path, stopped)


def _show_plan(recipe: Recipe, store: Store, console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    from hwgen.generators.gan.estimate import plan
    from hwgen.generators.gan.presets import recipe_to_json
    from hwgen.schema import flatten

    table = Table("field", "value", title=escape(f"Recipe {recipe.preset}"))
    for field, value in flatten(recipe_to_json(recipe)).items():
        table.add_row(field, escape(str(value)))
    console.print(table)
    planned = plan(recipe, store)
    table = Table("figure", "value", title="Plan")
    table.add_row("classes", f"{len(store.charset):,}")
    table.add_row("records", f"{len(store):,}")
    table.add_row("parameters of G", f"{planned.parameters_g:,}")
    table.add_row("parameters of D", f"{planned.parameters_d:,}")
    table.add_row("steps", f"{recipe.steps:,}")
    table.add_row("epochs", f"{planned.epochs:.1f}")
    table.add_row("memory: weights, optimiser, average", f"{planned.state_bytes / 2**20:,.0f} MiB")
    table.add_row("memory: pictures", f"{planned.images_bytes / 2**20:,.0f} MiB")
    table.add_row("disk: checkpoint", f"{planned.checkpoint_bytes / 2**20:,.0f} MiB")
    table.add_row("disk: each snapshot", f"{planned.snapshot_bytes / 2**20:,.0f} MiB")
    console.print(table)


def _train(
    store: Store,
    out: Path,
    recipe: Recipe,
    recogniser: Path | None,
    on_collapse: OnCollapse,
    seed: int,
    device: str,
    precision: str,
    cuda_graphs: bool,
) -> None:
    from hwgen.compute.devices import keep_freed_memory, pick_device
    from hwgen.compute.distributed import join
    from hwgen.compute.tensor_files import file_hash
    from hwgen.evaluation.snapshot_score import Scorer
    from hwgen.generators.gan.training import Progress
    from hwgen.generators.gan.training import train as run_training
    from hwgen.recogniser.inference import Recogniser
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    keep_freed_memory()
    with join(device) as ranks:
        score = None
        if recogniser is not None:
            reader = Recogniser.load(recogniser, pick_device(device))
            score = Scorer(reader, store, recipe.size, name=file_hash(recogniser))
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
                seed=seed,
                device=device,
                precision=precision,
                score=score,
                on_collapse=on_collapse.value,
                progress=show,
                stop=stop,
                ranks=ranks,
                cuda_graphs=cuda_graphs,
            )
        stopped = ranks.any(stop())
        quiet = not ranks.first
    _say_done(run.path, stopped, quiet=quiet)


def _say_done(run: Path, stopped: bool, *, quiet: bool = False) -> None:
    from rich.console import Console

    done = f"{run}: " + ("stopped, the same command goes on" if stopped else "finished")
    Console(stderr=True, quiet=quiet).print(done, markup=False, soft_wrap=True, highlight=False)
    if stopped:
        raise typer.Exit(130)
