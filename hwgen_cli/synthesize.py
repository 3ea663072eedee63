"""In: the options of `hwgen synthesize`. Out: a synthetic store, files and a contact sheet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from hwgen.store import Store
    from hwgen.synthesis.filters import SampleFilter
    from hwgen.synthesis.sampling import Sampler

PER_CLASS = 50

WORST, SHOWN = 10, 40
"""Most classes in the table of yields, and in the warning."""


def synthesize(
    run: Annotated[
        Path,
        typer.Argument(help="A run directory of hwgen train, or a model folder of hwgen export."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The new store.")],
    per_class: Annotated[
        int | None, typer.Option(min=1, show_default="50", help="Samples a class.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Of a run without labels: pictures in all.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="N|CHARACTERS|FILE",
            help="A number (the first so many), characters, or a file. Where digits are classes, "
            "say first:10 or characters:10.",
        ),
    ] = None,
    bend: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="STORE",
            help="Of a deformation run: the real samples to bend. Their classes need not be those "
            "that it learnt from.",
        ),
    ] = None,
    checkpoint: Annotated[
        str, typer.Option(metavar="last|best|IMAGES", help="Which snapshot of the run.")
    ] = "last",
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another set.")] = 0,
    judge: Annotated[
        Path | None,
        typer.Option(
            "--filter",
            metavar="RECOGNISER",
            help="Keep what it reads as its label; a recogniser-*.safetensors of a benchmark.",
        ),
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            show_default="0.7",
            help="Of the filter: least probability of the label.",
        ),
    ] = None,
    min_margin: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            show_default="0",
            help="Of the filter: least distance to the next class's probability.",
        ),
    ] = None,
    no_copies: Annotated[
        Path | None,
        typer.Option(
            metavar="STORE",
            help="Reject what is nearer to one of these real samples than they are to each other, "
            "but for the nearest 1 %: in pixels, and in features of the --filter.",
        ),
    ] = None,
    max_tries: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default="10",
            help="Of --filter and --no-copies: most samples drawn for each one wanted.",
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="At a time; does not change the set.")] = 512,
    png: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write PNG files, a folder a class.")
    ] = None,
    gnt: Annotated[Path | None, typer.Option(metavar="DIR", help="Also write a GNT file.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Also draw a contact sheet.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print counts and yields as JSON.")
    ] = False,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where to draw.")] = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a store that is there.")
    ] = False,
) -> None:
    """Draw labelled synthetic characters into a store; of a run without labels, pictures.

    The same seed gives the same set on any batch size, also after an interruption:
    the same command goes on.

    With --filter, a sample stays if the recogniser reads it as its label, with --no-copies if it
    is no copy of a real one; further ones of the same class take the place of the others. A class
    that is not full after --max-tries keeps what passed and is named in a warning, and the command
    succeeds; yield.json in the store holds the yield of each class.

    torchrun --nproc-per-node N -m hwgen_cli synthesize ... draws the same set on N GPUs or
    processes.

    Example: hwgen synthesize runs/first --out synthetic.store --classes 3740 --per-class 50

    Example: hwgen synthesize runs/scenes --out synthetic.store --count 50000

    Example: hwgen synthesize runs/bend --from few.store --out bent.store --per-class 100
    """
    from rich.console import Console

    from hwgen.charset import select_classes
    from hwgen.compute.devices import keep_freed_memory
    from hwgen.compute.distributed import join
    from hwgen.errors import InputError
    from hwgen.exports import export_store
    from hwgen.imaging.contact_sheets import save_sheet
    from hwgen.progress import Control
    from hwgen.store.contact_sheets import sheet_of_store
    from hwgen.synthesis.filters import FilterChain
    from hwgen.synthesis.synthesize import MAX_TRIES
    from hwgen.synthesis.synthesize import synthesize as run_synthesis
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    thresholds = _thresholds(judge, min_confidence, min_margin)
    if max_tries is not None and judge is None and no_copies is None:
        raise InputError(
            "--max-tries is of a filter, and there is none",
            remedy="Give --filter RECOGNISER or --no-copies STORE",
        )
    keep_freed_memory()
    with join(device) as ranks:
        sampler = _sampler(run, bend, checkpoint, device)
        class_ids = None if classes is None else select_classes(classes, sampler.charset)
        wanted = _per_class(per_class, count, sampler)
        with interruptible() as stop:
            judges = _judges(
                judge, thresholds, no_copies, sampler, class_ids, device, ranks.first, stop
            )
            store = None
            if not ranks.any(judges is None):
                with bar("synthesize", "characters", shown=ranks.first) as advance:
                    store = run_synthesis(
                        sampler,
                        out,
                        per_class=wanted,
                        class_ids=class_ids,
                        seed=seed,
                        batch=batch,
                        sample_filter=FilterChain(judges) if judges else None,
                        max_tries=max_tries or MAX_TRIES,
                        overwrite=overwrite,
                        control=Control(advance, stop),
                        ranks=ranks,
                    )
    console = Console(stderr=True, quiet=not ranks.first)
    if store is None:
        console.print(
            f"{out}: stopped, the same command goes on",
            markup=False,
            soft_wrap=True,
            highlight=False,
        )
        raise typer.Exit(130)
    if not ranks.first:
        return
    console.print(
        f"{out}: {len(store):,} characters", markup=False, soft_wrap=True, highlight=False
    )
    if judges:
        _show_yields(store, console)
    if png is not None:
        export_store(store, "folder", png)
        console.print(
            f"{png}: {len(store):,} PNG files", markup=False, soft_wrap=True, highlight=False
        )
    if gnt is not None:
        export_store(store, "gnt", gnt)
        console.print(
            f"{gnt}: {len(store):,} records", markup=False, soft_wrap=True, highlight=False
        )
    if sheet is not None:
        save_sheet(sheet, sheet_of_store(store), 12)
        console.print(f"{sheet}", markup=False, soft_wrap=True)
    if as_json:
        _print_json(store)


def _per_class(per_class: int | None, count: int | None, sampler: Sampler) -> int:
    """Samples of each class; pictures without labels are all of one."""
    from hwgen.charset import UNLABELLED
    from hwgen.errors import InputError

    if count is None:
        return PER_CLASS if per_class is None else per_class
    if per_class is not None or sampler.charset != UNLABELLED:
        raise InputError(
            "--count is for a run without labels, and instead of --per-class",
            remedy="Leave it out, and give --per-class",
        )
    return count


def _thresholds(
    judge: Path | None, confidence: float | None, margin: float | None
) -> dict[str, float]:
    """Those that were given; without a filter there must be none."""
    from hwgen.errors import InputError

    given = {"min_confidence": confidence, "min_margin": margin}
    if judge is None and any(v is not None for v in given.values()):
        raise InputError(
            "--min-confidence and --min-margin are of a filter, and there is none",
            remedy="Give --filter RECOGNISER",
        )
    return {name: value for name, value in given.items() if value is not None}


def _sampler(run: Path, bend: Path | None, checkpoint: str, device: str) -> Sampler:
    """A GAN, or a deformation model with the samples that it bends."""
    from hwgen.errors import InputError
    from hwgen.generators.deformation.sampling import DeformationSampler
    from hwgen.generators.deformation.training import KIND
    from hwgen.generators.gan.sampling import Sampler as GanSampler
    from hwgen.runs.models import kind_at
    from hwgen.store import Store

    if kind_at(run) != KIND:
        if bend is not None:
            raise InputError(
                "is no deformation run, so that it bends no samples",
                where=str(run),
                remedy="Leave --from out",
            )
        return GanSampler.load(run, checkpoint, device)
    if bend is None:
        raise InputError(
            "is a deformation run, which bends real samples",
            where=str(run),
            remedy="Give them: --from STORE",
        )
    if checkpoint != "last":
        raise InputError(
            "a deformation run has one set of weights", remedy="Leave --checkpoint out"
        )
    return DeformationSampler.load(run, Store(bend), device)


def _judges(
    file: Path | None,
    thresholds: dict[str, float],
    no_copies: Path | None,
    sampler: Sampler,
    class_ids: list[int] | None,
    device: str,
    shown: bool,
    stop: Callable[[], bool],
) -> list[SampleFilter] | None:
    """What samples must pass, in this order; None if `stop` said so."""
    from hwgen.compute.devices import pick_device
    from hwgen.progress import Control
    from hwgen.store import Store
    from hwgen.synthesis.near_copy_filter import NearCopyFilter
    from hwgen.synthesis.recogniser_filter import RecogniserFilter
    from hwgen_cli.progress import bar

    judges: list[SampleFilter] = []
    recogniser = None
    if file is not None:
        reads = RecogniserFilter(
            file,
            sampler.charset,
            class_ids,
            size=sampler.size,
            channels=sampler.channels,
            device=pick_device(device),
            **thresholds,
        )
        judges, recogniser = [reads], reads.recogniser
    if no_copies is not None:
        with bar("read real samples", "classes", shown=shown) as advance:
            differs = NearCopyFilter.of(
                Store(no_copies),
                sampler.charset,
                class_ids,
                size=sampler.size,
                channels=sampler.channels,
                recogniser=recogniser,
                control=Control(advance, stop),
            )
        if differs is None:
            return None
        judges.append(differs)
    return judges


def _show_yields(store: Store, console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    from hwgen.synthesis.acceptance import FILE, read_acceptance

    found = read_acceptance(store)
    classes = found.classes
    table = Table(
        "class", "drawn", "passed", "yield", "kept", title=f"Of all {found.rate:.1%} passed"
    )
    for label in sorted(classes, key=lambda label: classes[label].rate)[:WORST]:
        one = classes[label]
        table.add_row(
            escape(label), f"{one.drawn}", f"{one.passed}", f"{one.rate:.1%}", f"{one.kept}"
        )
    console.print(table)
    if found.short:
        short = "".join(found.short[:SHOWN]) + ("…" if len(found.short) > SHOWN else "")
        console.print(
            f"warning: {len(found.short)} of {len(classes)} classes have fewer than "
            f"{found.per_class} samples: {short}. They keep what passed. Raise --max-tries, "
            f"lower the thresholds, or train longer; all counts are in {store.path / FILE}",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )


def _print_json(store: Store) -> None:
    from hwgen.io.json_files import read_json
    from hwgen.synthesis.acceptance import FILE, read_acceptance

    manifest = store.manifest
    yields = None
    if "filter" in manifest.origin:
        read_acceptance(store)  # refuses what is damaged
        yields = read_json(store.path / FILE)
    counts = dict(zip(manifest.charset, manifest.class_counts, strict=True))
    head = {"store": str(store.path), "characters": len(store), "class_counts": counts}
    typer.echo(json.dumps({**head, "yield": yields}, ensure_ascii=False))
