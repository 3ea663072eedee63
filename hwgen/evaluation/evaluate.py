"""In: a synthetic store, a real one, a recogniser. Out: evaluation.json and pictures.

Every figure stands beside its floor: the same figure for real samples in place of the synthetic
ones, which come from a store that is not the training store or, without one, from a half of it.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hwgen
from hwgen.compute.tensor_files import file_hash
from hwgen.errors import InputError, RunError
from hwgen.evaluation.contact_sheets import save_best_and_worst, save_nearest_pairs
from hwgen.evaluation.images import images_at
from hwgen.evaluation.measures import copy_figures, figure, set_figures
from hwgen.evaluation.metrics.diversity import diversity
from hwgen.evaluation.metrics.near_copies import QUANTILE
from hwgen.evaluation.metrics.precision_recall import K
from hwgen.evaluation.notes import knows, notes
from hwgen.evaluation.ocr_engines import OcrEngine
from hwgen.evaluation.provenance import TrainedGenerator, generator_data
from hwgen.evaluation.set_statistics import SetStatistics, collect_statistics, images_to_read
from hwgen.evaluation.worst_classes import worst_classes
from hwgen.io.json_files import write_json
from hwgen.io.locks import only_one
from hwgen.recogniser.cached_training import Training
from hwgen.recogniser.inference import Recogniser, hits
from hwgen.recogniser.network import RecogniserRecipe, recipe_to_json
from hwgen.recogniser.store_checks import check_alike, check_real, describe_store, learnt_from
from hwgen.store import Store

FORMAT = "hwgen-evaluation"
FORMAT_VERSION = 1
FILE = "evaluation.json"

SAMPLES = 10_000
"""Most samples a side whose features are compared as sets."""

SECOND_READER_SAMPLES = 1_000
"""Most samples a side that a second reader reads."""

EPOCHS = 5.0
"""Passes over the real store of a recogniser that is trained here, if not told otherwise."""

Progress = Callable[[float, float, str], None]
"""Called with pictures read and trained on, their total, and a short note."""


@dataclass(frozen=True)
class Settings:
    """How a set is evaluated.

    Attributes:
        samples: most matched samples a side, see hwgen.evaluation.set_statistics.
        seed: of the choice of samples, and of every recogniser that is trained.
        recipe: of every recogniser that is trained.
        train_on_synthetic: whether to train one on the synthetic set and one on the real one.
        precision: of their training.
    """

    recipe: RecogniserRecipe
    samples: int = SAMPLES
    seed: int = 0
    train_on_synthetic: bool = False
    precision: str = "auto"


def evaluate(
    synthetic: Store,
    real: Store,
    *,
    out: Path,
    settings: Settings,
    device: torch.device,
    real_test: Store | None = None,
    recogniser: Recogniser | None = None,
    recogniser_file: Path | None = None,
    run: TrainedGenerator | None = None,
    ocr_engine: OcrEngine | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> dict[str, Any] | None:
    """Judge a synthetic set, and write `out`/evaluation.json and pictures.

    Args:
        synthetic: the set; real characters may take its place, to see what they get.
        real: the real characters that the generator learnt from.
        out: directory of the results and of recognisers trained here, which a second call reuses.
        settings: how.
        device: where to read and train.
        real_test: real characters that the generator did not see; the floor. None takes halves of
            `real`, which a recogniser that was trained on them knows by heart.
        recogniser: the judge; None trains one on `real`.
        recogniser_file: its file, by which a set says who filtered it.
        run: or the exported model, that the set was drawn from: knows what the generator was
            trained on.
        ocr_engine: reads a part of the set, and as many real samples.
        progress: told of the work done.
        stop: asked before each training step and each class; trained recognisers are kept.

    Returns:
        What is in evaluation.json, plain JSON; None if `stop` said so.

    Raises:
        InputError: the stores are no real ones, hold the same samples, are empty, too small for the
            recogniser, share no class or too few samples; the set is not of `run`;
            train_on_synthetic without `real_test`.
        CharsetError: the classes differ.
        RecipeChangedError: `out` holds a recogniser that was trained otherwise.
        RunError: `out` is no directory, or a recogniser in it cannot be read.
    """
    recipe = settings.recipe if recogniser is None else recogniser.recipe
    _check(synthetic, real, real_test, recogniser, recipe, settings)
    data = generator_data(synthetic, run)
    if out.exists() and not out.is_dir():
        raise RunError("is not a directory", where=str(out), remedy="Give another --out")
    out.mkdir(parents=True, exist_ok=True)

    def training(arm: str, store: Store) -> Training:
        shared = settings.seed, out, device, settings.precision
        return Training(arm, store, settings.recipe, *shared)

    needed = [training("real", real)] if recogniser is None or settings.train_on_synthetic else []
    needed += [training("synthetic", synthetic)] if settings.train_on_synthetic else []
    reading_total = images_to_read(synthetic, real, real_test)
    total = reading_total + len(needed) * settings.recipe.steps * settings.recipe.batch
    done = 0

    # Recognisers
    trained: dict[str, Recogniser] = {}
    for job in needed:

        def report(step: int, _: int, loss: float, job: Training = job, before: int = done) -> None:
            if progress is not None:
                note = f"training on the {job.arm} store, loss {loss:.3f}"
                progress(before + step * job.recipe.batch, total, note)

        result = job.run(report, stop)
        if result is None:
            return None
        trained[job.arm] = result
        done += job.recipe.steps * job.recipe.batch
    judge = trained["real"] if recogniser is None else recogniser
    file = needed[0].path if recogniser is None else recogniser_file

    # SetStatistics
    def read(pictures: int) -> None:
        if progress is not None:
            progress(done + pictures, total, "reading and comparing")

    reading = collect_statistics(
        synthetic,
        real,
        real_test,
        judge,
        samples=settings.samples,
        seed=settings.seed,
        progress=read,
        stop=stop,
    )
    if reading is None:
        return None

    # Figures
    labels = synthetic.labels
    purity = hits(reading.read_as[:, None], labels)
    copies = {space: test.result() for space, test in reading.copies.items()}
    figures = set_figures(reading, purity) | copy_figures(copies)
    if settings.train_on_synthetic and real_test is not None:
        top1 = {
            arm: hits(reader.best(real_test.image_blocks(), 1), real_test.labels)
            for arm, reader in trained.items()
        }
        figures["train_on_synthetic"] = figure(
            "train_on_synthetic", top1["synthetic"], top1["real"]
        )
    if ocr_engine is not None:
        floor_store = real if real_test is None else real_test
        pair = (("synthetic", synthetic), ("floor", floor_store))
        size = min(store.size for _, store in pair)
        shares = [_second_opinion(ocr_engine, store, reading, side, size) for side, store in pair]
        figures["second_reader"] = figure("second_reader", *shares)

    # Results
    pictures = save_best_and_worst(out, reading, synthetic, recipe.size)
    pictures += [
        save_nearest_pairs(out, space, found.pairs, synthetic, real, recipe.size)
        for space, found in copies.items()
        if found is not None
    ]
    saw = learnt_from(judge.provenance)
    value = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "settings": {
            "samples": settings.samples,
            "seed": settings.seed,
            "k": K,
            "copy_quantile": QUANTILE,
            "size": recipe.size,
            "trained_here": sorted(trained),
            "recipe": recipe_to_json(settings.recipe) if trained else None,
            "second_reader": None if ocr_engine is None else ocr_engine.name,
        },
        "versions": {
            "hwgen": hwgen.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "synthetic": {
            **describe_store(synthetic),
            "provenance": str(synthetic.manifest.origin.get("provenance", "")),
        },
        "real": describe_store(real),
        "real_test": None if real_test is None else describe_store(real_test),
        "judge": {
            "trained_on": sorted(saw),
            "generator_data": data,
            "sha256": None if file is None else file_hash(file),
            "learnt_with_generator": knows(saw, data),
            "learnt_from_real": knows(saw, real.manifest.content_sha256),
        },
        "compared": {
            "classes": reading.classes,
            "samples": len(reading.matched("synthetic")),
            "repeated": reading.repeated,
        },
        "notes": notes(
            synthetic,
            real,
            real_test,
            judge=None if file is None else file_hash(file),
            saw=saw,
            data=data,
            epochs=None if recogniser else recipe.steps * recipe.batch / len(real),
            compared=len(reading.matched("synthetic")),
            repeated=reading.repeated,
        ),
        "figures": figures,
        "per_class": _per_class(reading, synthetic),
        "worst": worst_classes([reading.read_as[:, None]], labels, synthetic.charset),
        "copies": {space: None if c is None else asdict(c) for space, c in copies.items()},
        "pictures": pictures,
    }
    plain: dict[str, Any] = json.loads(json.dumps(value))
    with only_one(out / f"{FILE}.lock", wait=True, tidy=True):
        write_json(out / FILE, plain)
    return plain


def _check(
    synthetic: Store,
    real: Store,
    real_test: Store | None,
    recogniser: Recogniser | None,
    recipe: RecogniserRecipe,
    settings: Settings,
) -> None:
    """Raise for whatever would make the result mean something else than it says."""
    if settings.train_on_synthetic and real_test is None:
        raise InputError(
            "a recogniser trained on the synthetic set needs other real characters to read",
            remedy="Give them as --real-test",
        )
    measures = [real, *([real_test] if real_test else [])]
    for store in measures:
        check_real(store, what="the measure", remedy="Only real handwriting can be the measure")
    if real_test and real_test.manifest.content_sha256 == real.manifest.content_sha256:
        raise InputError(
            "holds exactly the samples of --real",
            where=str(real_test.path),
            remedy="Give other real characters as --real-test, or none",
        )
    judge = real if recogniser is None else recogniser
    check_alike(
        [*measures, synthetic],
        charset=judge.charset,
        channels=judge.channels,
        size=recipe.size,
        whose=str(real.path) if recogniser is None else "the recogniser",
    )


def _second_opinion(
    reader: OcrEngine, store: Store, reading: SetStatistics, side: str, size: int
) -> float:
    """Share of some matched samples that a second reader reads as their label."""
    numbers = np.concatenate(reading.numbers[side])
    count = min(len(numbers), SECOND_READER_SAMPLES)
    # The numbers go class by class: these are of all classes.
    numbers = numbers[np.arange(count) * len(numbers) // count]
    texts = reader(images_at(store, numbers, size))
    labels = store.labels[numbers]
    return sum(t == store.charset[c] for t, c in zip(texts, labels, strict=True)) / count


def _per_class(reading: SetStatistics, synthetic: Store) -> dict[str, dict[str, float]]:
    """By figure and label."""
    labels = synthetic.labels
    right = reading.read_as == labels
    out = {
        "purity": {
            synthetic.charset[class_id]: float(right[labels == class_id].mean())
            for class_id in np.unique(labels).tolist()
        }
    }
    for space, sides in reading.deviations.items():
        found = diversity(sides["synthetic"], sides["real"])
        out[f"diversity_{space}"] = {} if found is None else found.per_class
    return out
