"""`hwgen synthesize`: a store of synthetic samples from a trained generator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hwgen_cli.options import (
    Classes,
    Device,
    Json,
    Overwrite,
    Sheet,
    Snapshot,
    out_option,
    seed_option,
)
from hwgen_cli.output import leave_stopped, print_json, print_lines
from hwgen_cli.synthesize_filter import Filter, sample_filters, show_acceptance
from hwgen_cli.synthesize_options import (
    PER_CLASS,
    Batch,
    Count,
    Domain,
    Gnt,
    Hand,
    MaxTries,
    MinConfidence,
    MinMargin,
    NoCopiesOf,
    PerClass,
    Png,
    Real,
    Recogniser,
    RunArgument,
    Strokes,
)

if TYPE_CHECKING:
    from hwgen.generators.samplers import Sampler
    from hwgen.store import Store


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

    chosen = Filter(recogniser, min_confidence, min_margin, no_copies_of, max_tries)
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
            filters = sample_filters(
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
            show_acceptance(store)
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
