"""`hwgen synthesize`: a store of synthetic samples from a trained generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    SIMULATED,
    Batch,
    Count,
    Domain,
    Gnt,
    Hand,
    Hands,
    MaxTries,
    MinConfidence,
    MinMargin,
    NoCopiesOf,
    PerClass,
    Png,
    Real,
    Recogniser,
    RunArgument,
    Size,
    Strokes,
    Text,
)
from hwgen_cli.synthesize_text import check_options, write_image

if TYPE_CHECKING:
    from hwgen.compute.distributed import Ranks
    from hwgen.generators.samplers import Sampler
    from hwgen.store import Store


def synthesize(
    out: Annotated[Path, out_option("STORE", "Output directory; with --text, a PNG or JPEG file.")],
    run: RunArgument = SIMULATED,
    per_class: PerClass = None,
    count: Count = None,
    classes: Classes = None,
    seed: Annotated[int, seed_option("the samples")] = 0,
    snapshot: Snapshot = "last",
    real: Real = None,
    strokes: Strokes = None,
    size: Size = None,
    hand: Hand = None,
    text: Text = None,
    hands: Hands = None,
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
    """Generate a store of labelled samples, or an image of a text.

    Without RUN the samples are simulated handwriting, for which nothing needs to be trained. The
    store is marked as simulated; those of trained generators are synthetic.

    The same seed gives the same samples, also after an interruption: rerun the command to resume.
    torchrun --nproc-per-node N -m hwgen_cli synthesize ... generates them on N GPUs.

    With a filter (--recogniser, --no-copies-of) rejected samples are replaced by further ones of
    the same class. A class that is still not full after --max-tries has fewer samples and is named
    in a warning. yield.json in the store has the acceptance rate of each class.

    Example: hwgen synthesize --text 永和九年 --out text.png

    Example: hwgen synthesize --classes 永和九年 --per-class 50 --out simulated

    Example: hwgen synthesize runs/first --out synthetic --classes 3740 --per-class 50

    Example: hwgen synthesize runs/scenes --out synthetic --count 50000

    Example: hwgen synthesize runs/deformation --real few --out deformed --per-class 100
    """
    chosen = Filter(recogniser, min_confidence, min_margin, no_copies_of, max_tries)
    source = _Source(run, snapshot, real, strokes, {"domain": domain, "size": size}, device)
    if text is not None:
        others: dict[str, object] = {"--classes": classes, "--per-class": per_class}
        others |= {"--count": count, "--real": real, "--png": png, "--gnt": gnt, "--sheet": sheet}
        check_options(text, others | chosen.given, hand, hands)
        _say_snapshot(run, snapshot)
        write_image(source.open(), text, out, hand=hand, hands=hands, seed=seed, json=json)
        return

    from hwgen.compute.devices import keep_freed_memory
    from hwgen.compute.distributed import join

    _check_options(run, hands, no_copies_of)
    _check_outputs(out, png, gnt, sheet, overwrite=overwrite)
    keep_freed_memory()
    with join(device) as ranks:
        sampler, class_ids = source.load(classes, hand=hand)
        _say_snapshot(run, snapshot, quiet=not ranks.first)
        amount = _per_class(per_class, count, sampler)
        _check_gnt(gnt, sampler, class_ids, run)  # before the work
        settings = {"per_class": amount, "class_ids": class_ids, "seed": seed, "batch": batch}
        inputs = [path for path in (real, no_copies_of) if path]
        store = _write_store(
            sampler, out, chosen, ranks, device, overwrite=overwrite, inputs=inputs, **settings
        )
    if store is None:
        leave_stopped(out, quiet=not ranks.first)
    if ranks.first:
        print_lines(f"{out}: {len(store):,} images", stderr=True)
        if "filter" in store.manifest.origin:
            show_acceptance(store)
        _write_more(store, png=png, gnt=gnt, sheet=sheet, overwrite=overwrite)
        if json:
            print_json(_summary(store))


@dataclass(frozen=True)
class _Source:
    """Options of the generator."""

    run: Path
    snapshot: str
    real: Path | None
    strokes: Path | None
    own: Mapping[str, object]
    device: str

    def load(self, classes: str | None, **own: object) -> tuple[Sampler, list[int] | None]:
        """The generator, and the ids of the classes that `classes` stands for; None for all."""
        from hwgen.charset import select_classes
        from hwgen.generators.base import requested_classes

        charset = requested_classes(self.run, classes, self.strokes)
        sampler = self.open(charset=charset, **own)
        if classes is None or charset is not None:
            return sampler, None
        return sampler, select_classes(classes, sampler.charset)

    def open(self, **own: object) -> Sampler:
        """The generator; `own` are further options of hwgen.generators.base.load_generator."""
        from hwgen.generators.base import load_generator
        from hwgen.store import Store

        return load_generator(
            self.run,
            snapshot=self.snapshot,
            source=None if self.real is None else Store(self.real),
            device=self.device,
            strokes=self.strokes,
            **self.own,
            **own,
        )


def _write_store(
    sampler: Sampler, out: Path, chosen: Filter, ranks: Ranks, device: str, **settings: Any
) -> Store | None:
    """See hwgen.synthesis.synthesize.synthesize."""
    from hwgen.progress import Control
    from hwgen.synthesis.filters import FilterChain
    from hwgen.synthesis.synthesize import MAX_TRIES
    from hwgen.synthesis.synthesize import synthesize as run_synthesis
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    class_ids = settings["class_ids"]
    with interruptible() as stop:
        filters = sample_filters(
            chosen, sampler, class_ids, device=device, shown=ranks.first, stop=stop
        )
        if ranks.any(filters is None):
            return None
        with bar("Synthesizing", "images", shown=ranks.first) as advance:
            return run_synthesis(
                sampler,
                out,
                sample_filter=FilterChain(filters) if filters else None,
                max_tries=chosen.max_tries or MAX_TRIES,
                control=Control(advance, stop),
                ranks=ranks,
                **settings,
            )


def _check_options(run: Path, hands: int | None, no_copies_of: Path | None) -> None:
    """Refuse options that have no effect on a store."""
    from hwgen.errors import InputError
    from hwgen.generators.built_in import is_built_in

    if hands is not None:
        raise InputError(
            "--hands is for --text",
            remedy="Give --text TEXT, or leave it out; --hand N makes a store in one hand",
        )
    if no_copies_of is not None and is_built_in(run):
        raise InputError(
            "--no-copies-of has no effect on the simulator, which has seen no samples",
            remedy="Leave it out, or give RUN",
        )


def _say_snapshot(run: Path, snapshot: str, *, quiet: bool = False) -> None:
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
    from hwgen.inspection.sheets import save_store_sheet

    if png is not None:
        export_store(store, "folder", png, overwrite=overwrite)
        print_lines(f"{png}: {len(store):,} PNG files", stderr=True)
    if gnt is not None:
        export_store(store, "gnt", gnt, overwrite=overwrite)
        print_lines(f"{gnt}: {len(store):,} records", stderr=True)
    if sheet is not None:
        save_store_sheet(sheet, store)
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
