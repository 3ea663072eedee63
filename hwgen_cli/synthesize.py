"""`hwgen synthesize`: a store of synthetic samples from a trained generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwgen_cli.options import (
    FILTER,
    GENERATOR,
    HARDWARE,
    Classes,
    Device,
    Json,
    Overwrite,
    Sheet,
    Snapshot,
    out_option,
    recogniser_option,
    seed_option,
    strokes_option,
)
from hwgen_cli.output import leave_stopped, print_json, print_lines

if TYPE_CHECKING:
    from hwgen.generators.samplers import Sampler
    from hwgen.store import Store
    from hwgen.synthesis.filters import SampleFilter

PER_CLASS = 50
MAX_HAND = 999_999

SHOWN_CLASSES = 10
SHOWN_SHORT = 40
"""Rows in the table of acceptance rates, and classes in the warning."""

RunArgument = Annotated[
    Path,
    typer.Argument(
        metavar="RUN", help="Run directory of hwgen train, or folder of hwgen export-model."
    ),
]
PerClass = Annotated[
    int | None,
    typer.Option(
        "--per-class",
        min=1,
        metavar="N",
        rich_help_panel="Classes and samples",
        show_default=str(PER_CLASS),
        help="Number of samples per class.",
    ),
]
Count = Annotated[
    int | None,
    typer.Option(
        "--count",
        min=1,
        metavar="N",
        rich_help_panel="Classes and samples",
        help="Number of samples in total, for a GAN that was trained without labels.",
    ),
]
Real = Annotated[
    Path | None,
    typer.Option(
        "--real",
        metavar="STORE",
        rich_help_panel=GENERATOR,
        help="Store of real samples that a deformation model deforms; their classes may differ "
        "from those that it was trained on.",
    ),
]
Strokes = Annotated[
    Path | None,
    strokes_option(
        "Stroke data for a refiner.",
        default="those that it was trained with",
        panel=GENERATOR,
    ),
]
Hand = Annotated[
    int | None,
    typer.Option(
        "--hand",
        min=0,
        max=MAX_HAND,
        metavar="N",
        rich_help_panel=GENERATOR,
        help="For a refiner: number of the simulated writer who writes all samples. By default "
        "each sample has a writer at random.",
    ),
]
Domain = Annotated[
    str | None,
    typer.Option(
        "--domain",
        metavar="NAME|NUMBER",
        rich_help_panel=GENERATOR,
        show_default="the first",
        help="For a refiner of several stores (hwgen train --also): the store whose look the "
        "samples have, by the name of its folder or its number in the order of the command.",
    ),
]
Recogniser = Annotated[
    Path | None,
    recogniser_option(
        "It reads each sample; samples that it does not read as their label are replaced.", FILTER
    ),
]
MinConfidence = Annotated[
    float | None,
    typer.Option(
        "--min-confidence",
        min=0,
        max=1,
        metavar="FRACTION",
        rich_help_panel=FILTER,
        show_default="0.7",
        help="Minimum probability that --recogniser gives the label.",
    ),
]
MinMargin = Annotated[
    float | None,
    typer.Option(
        "--min-margin",
        min=0,
        max=1,
        metavar="FRACTION",
        rich_help_panel=FILTER,
        show_default="0",
        help="Minimum difference between the probability of the label and that of the most "
        "probable other class.",
    ),
]
NoCopiesOf = Annotated[
    Path | None,
    typer.Option(
        "--no-copies-of",
        metavar="STORE",
        rich_help_panel=FILTER,
        help="Store of real samples that must not be copied. A sample is replaced if it is closer "
        "to a real one than 99 % of the real samples are to their nearest neighbour, in pixels or, "
        "with --recogniser, in its features.",
    ),
]
MaxTries = Annotated[
    int | None,
    typer.Option(
        "--max-tries",
        min=1,
        metavar="N",
        rich_help_panel=FILTER,
        show_default="10",
        help="With --recogniser or --no-copies-of: maximum number of samples generated for each "
        "one in the store.",
    ),
]
Batch = Annotated[
    int,
    typer.Option(
        "--batch",
        min=1,
        metavar="N",
        rich_help_panel=HARDWARE,
        help="Number of images per batch. The samples do not depend on it.",
    ),
]
Png = Annotated[
    Path | None,
    typer.Option("--png", metavar="DIR", help="Also write PNG files, one folder per class."),
]
Gnt = Annotated[Path | None, typer.Option("--gnt", metavar="DIR", help="Also write GNT files.")]


@dataclass(frozen=True)
class _Filter:
    """Options of the filter."""

    recogniser: Path | None
    min_confidence: float | None
    min_margin: float | None
    no_copies_of: Path | None
    max_tries: int | None

    def __post_init__(self) -> None:
        """Refuse options that have no effect without another one."""
        from hwgen.errors import InputError

        thresholds = (self.min_confidence, self.min_margin)
        if self.recogniser is None and any(value is not None for value in thresholds):
            raise InputError(
                "--min-confidence and --min-margin need a recogniser",
                remedy="Give one as --recogniser, or leave them out",
            )
        if self.max_tries is not None and self.recogniser is None and self.no_copies_of is None:
            raise InputError(
                "--max-tries has no effect without a filter",
                remedy="Give --recogniser FILE or --no-copies-of STORE, or leave it out",
            )

    @property
    def thresholds(self) -> dict[str, float]:
        """Those that were given, as the library names them."""
        given = {"min_confidence": self.min_confidence, "min_margin": self.min_margin}
        return {name: value for name, value in given.items() if value is not None}


def synthesize(
    run: RunArgument,
    out: Annotated[Path, out_option("STORE")],
    per_class: PerClass = None,
    count: Count = None,
    classes: Classes = None,
    seed: Annotated[int, seed_option("the samples")] = 0,
    snapshot: Snapshot = "last",
    real: Real = None,
    strokes: Strokes = None,
    hand: Hand = None,
    domain: Domain = None,
    recogniser: Recogniser = None,
    min_confidence: MinConfidence = None,
    min_margin: MinMargin = None,
    no_copies_of: NoCopiesOf = None,
    max_tries: MaxTries = None,
    batch: Batch = 512,
    device: Device = "auto",
    png: Png = None,
    gnt: Gnt = None,
    sheet: Sheet = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Generate a store of labelled synthetic samples.

    The same seed gives the same samples, also after an interruption: rerun the command to resume.
    torchrun --nproc-per-node N -m hwgen_cli synthesize ... generates them on N GPUs.

    With a filter (--recogniser, --no-copies-of) rejected samples are replaced by further ones of
    the same class. A class that is still not full after --max-tries has fewer samples and is named
    in a warning. yield.json in the store has the acceptance rate of each class.

    Example: hwgen synthesize runs/first --out synthetic --classes 3740 --per-class 50

    Example: hwgen synthesize runs/scenes --out synthetic --count 50000

    Example: hwgen synthesize runs/deformation --real few --out deformed --per-class 100
    """
    from hwgen.compute.devices import keep_freed_memory
    from hwgen.compute.distributed import join
    from hwgen.progress import Control
    from hwgen.synthesis.filters import FilterChain
    from hwgen.synthesis.synthesize import MAX_TRIES
    from hwgen.synthesis.synthesize import synthesize as run_synthesis
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    chosen = _Filter(recogniser, min_confidence, min_margin, no_copies_of, max_tries)
    own = {"hand": hand, "domain": domain}
    _check_outputs(out, png, gnt, sheet, overwrite=overwrite)
    keep_freed_memory()
    store = None
    with join(device) as ranks:
        sampler, class_ids = _sampler(
            run, classes, own, strokes=strokes, snapshot=snapshot, real=real, device=device
        )
        _say_snapshot(run, snapshot, quiet=not ranks.first)
        amount = _per_class(per_class, count, sampler)
        _check_gnt(gnt, sampler, class_ids, run)  # before the work
        with interruptible() as stop:
            filters = _filters(
                chosen, sampler, class_ids, device=device, shown=ranks.first, stop=stop
            )
            if not ranks.any(filters is None):
                with bar("Synthesizing", "images", shown=ranks.first) as advance:
                    store = run_synthesis(
                        sampler,
                        out,
                        per_class=amount,
                        class_ids=class_ids,
                        seed=seed,
                        batch=batch,
                        sample_filter=FilterChain(filters) if filters else None,
                        max_tries=max_tries or MAX_TRIES,
                        overwrite=overwrite,
                        inputs=[path for path in (real, no_copies_of) if path],
                        control=Control(advance, stop),
                        ranks=ranks,
                    )
    if store is None:
        leave_stopped(out, quiet=not ranks.first)
    if ranks.first:
        print_lines(f"{out}: {len(store):,} images", stderr=True)
        if filters:
            _show_acceptance(store)
        _write_more(store, png=png, gnt=gnt, sheet=sheet, overwrite=overwrite)
        if json:
            print_json(_summary(store))


def _sampler(
    run: Path,
    classes: str | None,
    options: Mapping[str, object],
    *,
    strokes: Path | None,
    snapshot: str,
    real: Path | None,
    device: str,
) -> tuple[Sampler, list[int] | None]:
    """The generator, and the ids of the classes that `--classes` stands for; None for all."""
    from hwgen.charset import select_classes
    from hwgen.generators.base import load_generator, requested_classes
    from hwgen.sources.strokes.hanzi_writer import HanziWriter
    from hwgen.store import Store

    charset = requested_classes(run, classes)
    sampler = load_generator(
        run,
        snapshot=snapshot,
        source=None if real is None else Store(real),
        device=device,
        charset=charset,
        strokes=None if strokes is None else HanziWriter(strokes),
        **options,
    )
    if classes is None or charset is not None:
        return sampler, None
    return sampler, select_classes(classes, sampler.charset)


def _say_snapshot(run: Path, snapshot: str, *, quiet: bool) -> None:
    """Say which snapshot is the best, and its score."""
    from hwgen.runs import Run
    from hwgen.runs.snapshots import best_scores

    if snapshot == "best":
        images, score = max(best_scores(Run(run)).items(), key=lambda item: item[1])
        line = f"best snapshot: after {images:,} images, score {score:.3f} of at most 1"
        print_lines(line, stderr=True, quiet=quiet)


def _check_gnt(gnt: Path | None, sampler: Sampler, class_ids: list[int] | None, run: Path) -> None:
    """Refuse classes that GNT cannot hold."""
    from hwgen.exports.gnt import check_gnt

    if gnt is None:
        return
    ids = range(len(sampler.charset)) if class_ids is None else class_ids
    check_gnt((sampler.charset[number] for number in ids), sampler.channels, str(run))


def _per_class(per_class: int | None, count: int | None, sampler: Sampler) -> int:
    """Samples per class; all samples of a run without labels are of one class."""
    from hwgen.charset import UNLABELLED
    from hwgen.errors import InputError

    if count is None:
        return PER_CLASS if per_class is None else per_class
    if per_class is not None or sampler.charset != UNLABELLED:
        raise InputError(
            "--count is for a GAN that was trained without labels",
            remedy="Give --per-class instead",
        )
    return count


def _filters(
    chosen: _Filter,
    sampler: Sampler,
    class_ids: list[int] | None,
    *,
    device: str,
    shown: bool,
    stop: Callable[[], bool],
) -> list[SampleFilter] | None:
    """The filters that samples must pass, in this order; None if `stop` returned True."""
    from hwgen.compute.devices import pick_device
    from hwgen.progress import Control
    from hwgen.store import Store
    from hwgen.synthesis.near_copy_filter import NearCopyFilter
    from hwgen.synthesis.recogniser_filter import RecogniserFilter
    from hwgen_cli.progress import bar

    filters: list[SampleFilter] = []
    recogniser = None
    if chosen.recogniser is not None:
        recogniser_filter = RecogniserFilter(
            chosen.recogniser,
            sampler.charset,
            class_ids,
            size=sampler.size,
            channels=sampler.channels,
            device=pick_device(device),
            **chosen.thresholds,
        )
        filters, recogniser = [recogniser_filter], recogniser_filter.recogniser
    if chosen.no_copies_of is not None:
        with bar("Reading real samples", "classes", shown=shown) as advance:
            near_copy_filter = NearCopyFilter.of(
                Store(chosen.no_copies_of),
                sampler.charset,
                class_ids,
                size=sampler.size,
                channels=sampler.channels,
                recogniser=recogniser,
                control=Control(advance, stop),
            )
        if near_copy_filter is None:
            return None
        filters.append(near_copy_filter)
    return filters


def _show_acceptance(store: Store) -> None:
    from rich.table import Table

    from hwgen.synthesis.acceptance import FILE, read_acceptance
    from hwgen_cli.terminal import Console, escape

    report = read_acceptance(store)
    classes = report.classes
    table = Table(
        "class",
        "generated",
        "accepted",
        "acceptance rate",
        "in the store",
        title=f"Accepted: {report.rate:.1%} of all samples",
    )
    for label in sorted(classes, key=lambda label: classes[label].rate)[:SHOWN_CLASSES]:
        one = classes[label]
        table.add_row(
            escape(label), f"{one.drawn}", f"{one.passed}", f"{one.rate:.1%}", f"{one.kept}"
        )
    Console(stderr=True).print(table)
    if report.short:
        short = "".join(report.short[:SHOWN_SHORT]) + (
            "…" if len(report.short) > SHOWN_SHORT else ""
        )
        print_lines(
            f"warning: {len(report.short)} of {len(classes)} classes have fewer than "
            f"{report.per_class} samples: {short}. Raise --max-tries, lower the thresholds, or "
            f"train longer; all counts are in {store.path / FILE}",
            stderr=True,
        )


def _check_outputs(
    out: Path, png: Path | None, gnt: Path | None, sheet: Path | None, *, overwrite: bool
) -> None:
    """Refuse places where outputs beside the store cannot be written, before the work."""
    from hwgen.exports.staging import check_place
    from hwgen.imaging.contact_sheets import check_sheet
    from hwgen.io.outputs import check_apart
    from hwgen.store import is_store

    check_apart({"--out": out, "--png": png, "--gnt": gnt, "--sheet": sheet})
    for folder in (png, gnt):
        if folder is not None:
            check_place(folder, overwrite=overwrite, may_be_finished=is_store(out))
    check_sheet(sheet)


def _write_more(
    store: Store, *, png: Path | None, gnt: Path | None, sheet: Path | None, overwrite: bool
) -> None:
    from hwgen.exports import export_store
    from hwgen.imaging.contact_sheets import save_sheet
    from hwgen.store.contact_sheets import sheet_of_store

    if png is not None:
        export_store(store, "folder", png, overwrite=overwrite)
        print_lines(f"{png}: {len(store):,} PNG files", stderr=True)
    if gnt is not None:
        export_store(store, "gnt", gnt, overwrite=overwrite)
        print_lines(f"{gnt}: {len(store):,} records", stderr=True)
    if sheet is not None:
        save_sheet(sheet, sheet_of_store(store), 12)
        print_lines(f"{sheet}: contact sheet", stderr=True)


def _summary(store: Store) -> dict[str, Any]:
    from hwgen.io.json_files import read_json
    from hwgen.synthesis.acceptance import FILE, read_acceptance

    manifest = store.manifest
    acceptance = None
    if "filter" in manifest.origin:
        read_acceptance(store)  # raises if the file is damaged
        acceptance = read_json(store.path / FILE)
    counts = dict(zip(manifest.charset, manifest.class_counts, strict=True))
    head = {"store": str(store.path), "characters": len(store), "class_counts": counts}
    return {**head, "yield": acceptance}
