"""The content of evaluation.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from hwgen.evaluation.measures import Measured, figures
from hwgen.evaluation.metrics.diversity import diversity
from hwgen.evaluation.metrics.near_copies import QUANTILE
from hwgen.evaluation.metrics.precision_recall import K
from hwgen.evaluation.notes import notes, was_trained_on
from hwgen.evaluation.set_statistics import SetStatistics, counts_by_label
from hwgen.evaluation.settings import Settings, Stores
from hwgen.evaluation.worst_classes import worst_classes
from hwgen.recogniser.network import recipe_to_json
from hwgen.recogniser.reader import Reader
from hwgen.recogniser.store_checks import describe_store, training_hashes
from hwgen.results.evaluation import Compared, Evaluation, Judge, LeftOut, PerClass
from hwgen.results.version import versions
from hwgen.store import Store


@dataclass(frozen=True)
class ReadBy:
    """What read the sets.

    Attributes:
        reader: it.
        trained_here: "real" and "synthetic", where such a recogniser was trained here.
        epochs: training epochs on the real store if it was trained here; else None.
        doubt: a warning where it hardly reads real samples, "" for none.
        ocr_engine: name of the OCR engine that read some samples too; None for none.
    """

    reader: Reader
    trained_here: tuple[str, ...]
    epochs: float | None
    doubt: str
    ocr_engine: str | None


def evaluation_of(
    stores: Stores,
    settings: Settings,
    measured: Measured,
    *,
    read_by: ReadBy,
    generator_data: Sequence[str],
    images: Sequence[str],
) -> Evaluation:
    """The content of evaluation.json.

    Args:
        stores: that were compared.
        settings: of the evaluation.
        measured: what was found.
        read_by: what read the sets.
        generator_data: content hashes of the generator's training stores, the last one first; ()
            if not known.
        images: file names of the contact sheets.
    """
    statistics, synthetic, real_test = measured.statistics, stores.synthetic, stores.real_test
    compared = statistics.matched
    recogniser_data = training_hashes(read_by.reader.provenance)
    read, left_out = statistics.read, _left_out(stores, statistics)
    return Evaluation(
        settings=_settings(stores, settings, read_by),
        versions=versions(torch=torch.__version__, numpy=np.__version__),
        synthetic=replace(
            describe_store(synthetic),
            provenance=str(synthetic.manifest.origin.get("provenance", "")),
        ),
        real=describe_store(stores.real),
        real_test=None if real_test is None else describe_store(real_test),
        judge=Judge(
            trained_on=tuple(sorted(recogniser_data)),
            generator_data=generator_data[0] if generator_data else None,
            sha256=read_by.reader.sha256,
            learnt_with_generator=was_trained_on(recogniser_data, generator_data),
            learnt_from_real=was_trained_on(recogniser_data, [stores.real.manifest.content_sha256]),
            classifier=read_by.reader.facts or None,
        ),
        compared=Compared(statistics.classes, compared, statistics.repeated),
        notes=tuple(
            notes(
                synthetic,
                stores.real,
                real_test,
                doubt=read_by.doubt,
                recogniser_file=read_by.reader.sha256,
                recogniser_data=recogniser_data,
                generator_data=generator_data,
                epochs=read_by.epochs,
                compared=compared,
                repeated=statistics.repeated,
                copies=measured.copies["pixels"],
                left_out=left_out,
            )
        ),
        figures=figures(measured),
        per_class=_per_class(statistics, synthetic),
        left_out=left_out,
        worst=worst_classes(
            [statistics.predictions[read, None]], statistics.labels[read], read_by.reader.charset
        ),
        copies={
            space: None if found is None else found.to_json()
            for space, found in measured.copies.items()
        },
        images=tuple(images),
    )


def _settings(stores: Stores, settings: Settings, read_by: ReadBy) -> dict[str, Any]:
    return {
        "samples": settings.samples,
        "seed": settings.seed,
        "k": K,
        "copy_quantile": QUANTILE,
        "size": stores.size_for(read_by.reader),
        "trained_here": sorted(read_by.trained_here),
        "recipe": recipe_to_json(settings.recipe) if read_by.trained_here else None,
        "second_reader": read_by.ocr_engine,
    }


def _left_out(stores: Stores, statistics: SetStatistics) -> LeftOut | None:
    """Classes of the synthetic store that were not read, or not compared."""
    own = counts_by_label(stores.synthetic)
    references = [counts_by_label(s) for s in (stores.real, stores.real_test) if s is not None]
    read = {stores.synthetic.charset[c] for c in stores.synthetic.labels[statistics.read].tolist()}
    found = LeftOut(
        unread={label: n for label, n in own.items() if label not in read},
        without_real={
            label: n for label, n in own.items() if any(label not in of for of in references)
        },
    )
    return found if found.unread or found.without_real else None


def _per_class(statistics: SetStatistics, synthetic: Store) -> PerClass:
    """Figures by label."""
    read = statistics.read
    labels = synthetic.labels[read]
    correct = (statistics.predictions == statistics.labels)[read]
    diversities = {}
    for space, deviations in statistics.deviations.items():
        found = diversity(deviations["synthetic"], deviations["real"])
        diversities[space] = {} if found is None else found.per_class
    return PerClass(
        purity={
            synthetic.charset[class_id]: float(correct[labels == class_id].mean())
            for class_id in np.unique(labels).tolist()
        },
        diversity_pixels=diversities["pixels"],
        diversity_features=diversities["features"],
    )
