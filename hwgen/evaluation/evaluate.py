"""Evaluation of a synthetic store.

In: a synthetic store, a real one, a recogniser. Out: evaluation.json with figures, each beside its
reference, the same figure for other real samples in place of the synthetic ones; contact sheets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwgen.errors import InputError
from hwgen.evaluation.contact_sheets import SHEETS, save_best_and_worst, save_nearest_pairs
from hwgen.evaluation.images import images_at
from hwgen.evaluation.measures import Measured
from hwgen.evaluation.metrics.precision_recall import K
from hwgen.evaluation.ocr_engines import OcrEngine
from hwgen.evaluation.provenance import TrainedGenerator, training_data
from hwgen.evaluation.result import ReadBy, evaluation_of
from hwgen.evaluation.set_statistics import (
    SetStatistics,
    collect_statistics,
    counts_by_label,
    images_to_read,
    most_matched,
)
from hwgen.evaluation.settings import EPOCHS, Settings, Stores
from hwgen.progress import NO_CONTROL, Control
from hwgen.recogniser.cached_training import CachedTraining
from hwgen.recogniser.class_mapping import map_classes
from hwgen.recogniser.doubt import doubt_of_store
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.reader import ClassIds, Reader, top_k_accuracy
from hwgen.recogniser.store_checks import check_alike, check_real, check_separate
from hwgen.results.evaluation import Evaluation
from hwgen.store import Store

__all__ = ["EPOCHS", "Settings", "evaluate"]

OCR_SAMPLES = 1_000
"""Most samples per set that an OCR engine reads."""


def evaluate(
    synthetic: Store,
    real: Store,
    *,
    out: Path,
    settings: Settings,
    device: torch.device,
    real_test: Store | None = None,
    recogniser: Reader | None = None,
    run: TrainedGenerator | None = None,
    ocr_engine: OcrEngine | None = None,
    control: Control = NO_CONTROL,
) -> Evaluation | None:
    """Evaluate a synthetic store, and write `out`/evaluation.json and contact sheets.

    Args:
        synthetic: the evaluated store; it may have further classes than the others, or be real.
        real: training store of the generator.
        out: output directory, also of recognisers trained here, which a second call reuses.
        settings: see Settings.
        device: where recognisers are trained and run.
        real_test: other real samples, the reference; None uses halves of `real`, which gives too
            good figures if the recogniser was trained on it.
        recogniser: reads the samples; it may have other classes, and samples of those that it
            lacks do not count for purity. None trains a recogniser on `real`.
        run: run or exported model that made `synthetic`; names the generator's training data.
        ocr_engine: reads some of the synthetic samples too, and equally many real ones.
        control: progress in images; asked to stop before each training step and each class.

    Returns:
        The content of evaluation.json; None if it was stopped.

    Raises:
        InputError: a store does not fit the others, the recogniser, `run` or the settings, or is
            empty; or without a recogniser there are too few samples of common classes.
        CharsetError: real stores have different classes, or the recogniser none of the set's.
        RecipeChangedError: `out` holds a recogniser that was trained with other settings.
        RunError: `out` is not a directory, or a recogniser in it is damaged.
    """
    stores = Stores(synthetic, real, real_test)
    readable = _check(stores, settings, recogniser)
    generator_data = training_data(synthetic, run)
    Evaluation.check_folder(out, SHEETS)
    out.mkdir(parents=True, exist_ok=True)
    jobs = _trainings(stores, settings, out, device, needed=recogniser is None)
    for job in jobs:  # before any work
        job.check()
    training_work = sum(job.recipe.steps * job.recipe.batch for job in jobs)
    total = training_work + images_to_read(synthetic, real, real_test)
    trained = _train(jobs, total, control)
    if trained is None:
        return None
    epochs = None
    if recogniser is None:
        recogniser = trained["real"]
        epochs = settings.recipe.steps * settings.recipe.batch / len(real)
    statistics = collect_statistics(
        synthetic,
        real,
        real_test,
        recogniser,
        max_samples=settings.samples,
        seed=settings.seed,
        readable=readable,
        progress=lambda done: control.progress(training_work + done, total, "reading"),
        stop=control.stop,
    )
    if statistics is None:
        return None
    measured = Measured.of(
        statistics,
        real_top1=_real_top1(trained, real_test) if settings.train_on_synthetic else {},
        ocr=None if ocr_engine is None else _read_with(ocr_engine, stores, statistics),
    )
    return evaluation_of(
        stores,
        settings,
        measured,
        read_by=ReadBy(
            recogniser,
            trained_here=tuple(trained),
            epochs=epochs,
            doubt=doubt_of_store(recogniser, real if real_test is None else real_test),
            ocr_engine=None if ocr_engine is None else ocr_engine.name,
        ),
        generator_data=generator_data,
        images=_save_sheets(out, stores, measured, stores.size_for(recogniser)),
    ).save(out)


def _check(stores: Stores, settings: Settings, recogniser: Reader | None) -> Set[str]:
    """Refuse stores that would give the result another meaning.

    Returns:
        Classes of the synthetic samples whose predictions count.
    """
    synthetic, real, real_test = stores.synthetic, stores.real, stores.real_test
    if settings.train_on_synthetic and real_test is None:
        raise InputError(
            "training on the synthetic set needs other real characters as test data",
            remedy="Give them as --real-test",
        )
    references = [real] if real_test is None else [real, real_test]
    for store in references:
        check_real(store, what="the reference", remedy="Give a store of real handwriting")
    if real_test is not None:
        check_separate(real_test, real, of="--real")
    trains = recogniser is None or settings.train_on_synthetic
    size = settings.recipe.smallest if trains else 1
    same: dict[str, Any] = {"channels": real.channels, "size": size, "owner": str(real.path)}
    check_alike(references, charset=real.charset, **same)
    # Recognisers that are compared by their accuracy have the same classes.
    charset = real.charset if settings.train_on_synthetic else synthetic.charset
    check_alike([synthetic], charset=charset, **same)
    if recogniser is not None:
        for store in (synthetic, *references):
            recogniser.check(store.size, store.channels)
        known = recogniser.charset
        if not (readable := {label for label in counts_by_label(synthetic) if label in known}):
            map_classes(recogniser, synthetic.charset, _present(synthetic))  # names them all
        return readable
    shared = counts_by_label(real).keys() & counts_by_label(synthetic).keys()
    if not shared:
        raise InputError(
            f"none of its classes has real samples in {real.path}",
            where=str(synthetic.path),
            remedy="Give --recogniser, which reads samples of classes without real ones",
        )
    matched = most_matched(synthetic, real, real_test, settings.samples)
    if matched <= K:
        halved = "" if real_test else " (without --real-test the real store is halved)"
        raise InputError(
            f"at most {matched} samples of each set can be compared{halved}, too few for {K} "
            "nearest neighbours",
            where=str(synthetic.path),
            remedy=f"Give stores that share {K + 1} samples or more of common classes, and "
            f"--samples of at least {K + 1}; or --recogniser, which reads samples of classes "
            "without real ones",
        )
    # A recogniser that is trained here learns nothing of classes without real samples.
    return shared


def _present(store: Store) -> list[int]:
    return [class_id for class_id, count in enumerate(store.manifest.class_counts) if count]


def _trainings(
    stores: Stores, settings: Settings, out: Path, device: torch.device, *, needed: bool
) -> list[CachedTraining]:
    """The recognisers to be trained, that on the real store first.

    Args:
        stores: of the evaluation.
        settings: of the evaluation.
        out: where they are cached.
        device: where they are trained.
        needed: whether one is needed to read the sets.
    """
    arms = {"real": stores.real} if needed or settings.train_on_synthetic else {}
    if settings.train_on_synthetic:
        arms["synthetic"] = stores.synthetic
    return [
        CachedTraining(
            arm=arm,
            stores={arm: store},
            recipe=settings.recipe,
            seed=settings.seed,
            folder=out,
            device=device,
            precision=settings.precision,
        )
        for arm, store in arms.items()
    ]


def _train(
    jobs: Sequence[CachedTraining], total: int, control: Control
) -> dict[str, Recogniser] | None:
    """Train or load the recognisers, by arm; None if it was stopped."""
    trained: dict[str, Recogniser] = {}
    before = 0
    for job in jobs:

        def report(
            step: int, _: int, loss: float, job: CachedTraining = job, before: int = before
        ) -> None:
            note = f"training on the {job.arm} store, loss {loss:.3f}"
            control.progress(before + step * job.recipe.batch, total, note)

        recogniser = job.run(report, control.stop)
        if recogniser is None:
            return None
        trained[job.arm] = recogniser
        before += job.recipe.steps * job.recipe.batch
    return trained


def _real_top1(trained: Mapping[str, Recogniser], real_test: Store | None) -> dict[str, float]:
    """Top-1 accuracy on real test samples by training arm."""
    if real_test is None:
        return {}
    return {
        arm: top_k_accuracy(recogniser.top_k(real_test.image_blocks(), 1), real_test.labels)
        for arm, recogniser in trained.items()
    }


def _read_with(
    ocr_engine: OcrEngine, stores: Stores, statistics: SetStatistics
) -> tuple[float, float | None]:
    """Fraction of some samples that an OCR engine reads as their label.

    Returns:
        That of matched synthetic samples and that of the reference, read at the same size; or that
        of all synthetic samples and None, where none are matched.
    """
    reference = stores.real if stores.real_test is None else stores.real_test
    size = min(stores.synthetic.size, reference.size)

    def correct(store: Store, records: ClassIds) -> float:
        count = min(len(records), OCR_SAMPLES)
        # Records are in class order: evenly spaced ones are of all classes.
        records = records[np.arange(count) * len(records) // count]
        texts, labels = ocr_engine(images_at(store, records, size)), store.labels[records]
        return sum(t == store.charset[c] for t, c in zip(texts, labels, strict=True)) / count

    if not statistics.matched:
        return correct(stores.synthetic, np.argsort(stores.synthetic.labels, kind="stable")), None
    return (
        correct(stores.synthetic, statistics.matched_records("synthetic")),
        correct(reference, statistics.matched_records("reference")),
    )


def _save_sheets(out: Path, stores: Stores, measured: Measured, size: int) -> list[str]:
    """Save all contact sheets; their file names."""
    names = save_best_and_worst(out, measured.statistics, stores.synthetic, size)
    for space, found in measured.copies.items():
        if found is not None:
            names.append(
                save_nearest_pairs(
                    out,
                    space,
                    found.pairs,
                    synthetic=stores.synthetic,
                    real=stores.real,
                    size=size,
                )
            )
    return names
