"""The measures of an evaluation: name, unit, meaning, and how each is computed.

A new measure is one row of MEASURES and, where it needs new data, a field of `Measured`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from hwgen.evaluation.metrics.diversity import diversity
from hwgen.evaluation.metrics.frechet import frechet_distance
from hwgen.evaluation.metrics.intervals import wilson_interval
from hwgen.evaluation.metrics.near_copies import CopyResult
from hwgen.evaluation.metrics.precision_recall import K, ManifoldComparison, compare_manifolds
from hwgen.evaluation.metrics.two_sample import nearest_neighbour_test
from hwgen.evaluation.set_statistics import SetStatistics
from hwgen.recogniser.reader import Features
from hwgen.results.evaluation import Figure


class Measurement(NamedTuple):
    """A measured value beside its reference.

    Attributes:
        value: of the synthetic set.
        reference: the same measure of real samples; None where it does not apply.
        low, high: 95 % interval of the value; None where there is none.
    """

    value: float
    reference: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Measured:
    """All that the measures are computed from.

    Attributes:
        statistics: of the sets.
        manifolds: of the synthetic set and of the reference, relative to the real set; None where
            too few samples are of common classes.
        copies: copy tests by space; None where no class could be compared.
        real_top1: top-1 accuracy on real test samples, by what the recogniser was trained on:
            "synthetic" and "real"; empty if it was not measured.
        ocr: fraction that an OCR engine reads as its label, of synthetic and of real samples, None
            where none of these are of common classes; None if it was not measured.
    """

    statistics: SetStatistics
    manifolds: tuple[ManifoldComparison, ManifoldComparison] | None
    copies: Mapping[str, CopyResult | None]
    real_top1: Mapping[str, float]
    ocr: tuple[float, float | None] | None

    @classmethod
    def of(
        cls,
        statistics: SetStatistics,
        *,
        real_top1: Mapping[str, float],
        ocr: tuple[float, float | None] | None,
    ) -> Measured:
        """Run what several measures share."""
        manifolds = None
        if statistics.matched > K:
            real = statistics.matched_features("real")
            manifolds = (
                compare_manifolds(real, statistics.matched_features("synthetic")),
                compare_manifolds(real, statistics.matched_features("reference")),
            )
        copies = {space: test.result() for space, test in statistics.copy_tests.items()}
        return cls(statistics, manifolds, copies, real_top1, ocr)


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        title: short name.
        unit: "share" (a fraction, shown in percent), "ratio", "distance" or "count"; as in
            evaluation.json.
        better: which values are better.
        meaning: one sentence.
        compute: the figure; None where it does not apply.
    """

    title: str
    unit: str
    better: str
    meaning: str
    compute: Callable[[Measured], Measurement | None]


def _purity(measured: Measured) -> Measurement:
    statistics = measured.statistics
    read = statistics.labels >= 0
    right = statistics.predictions[read] == statistics.labels[read]
    limits = wilson_interval(int(right.sum()), len(right))
    reference = (
        statistics.reference_correct / statistics.reference_count
        if statistics.reference_count
        else None
    )
    return Measurement(float(right.mean()), reference, limits.low, limits.high)


def _diversity(space: str) -> Callable[[Measured], Measurement | None]:
    def compute(measured: Measured) -> Measurement | None:
        deviations = measured.statistics.deviations[space]
        found = diversity(deviations["synthetic"], deviations["real"])
        reference = diversity(deviations["reference"], deviations["real"])
        if found is None:
            return None
        return Measurement(found.ratio, None if reference is None else reference.ratio)

    return compute


def _manifold(name: str) -> Callable[[Measured], Measurement | None]:
    def compute(measured: Measured) -> Measurement | None:
        if measured.manifolds is None:
            return None
        synthetic, reference = measured.manifolds
        return Measurement(getattr(synthetic, name), getattr(reference, name))

    return compute


def _feature_distance(
    distance: Callable[[Features, Features], float],
) -> Callable[[Measured], Measurement | None]:
    def compute(measured: Measured) -> Measurement | None:
        if measured.manifolds is None:
            return None
        real = measured.statistics.matched_features("real")
        synthetic, reference = (
            distance(real, measured.statistics.matched_features(name))
            for name in ("synthetic", "reference")
        )
        return Measurement(synthetic, reference)

    return compute


def _too_near(space: str) -> Callable[[Measured], Measurement | None]:
    def compute(measured: Measured) -> Measurement | None:
        found = measured.copies[space]
        return None if found is None else Measurement(found.fraction, found.reference_fraction)

    return compute


def _nearer(space: str) -> Callable[[Measured], Measurement | None]:
    def compute(measured: Measured) -> Measurement | None:
        found = measured.copies[space]
        if found is None or found.nearer is None:
            return None
        return Measurement(found.nearer, found.reference_nearer)

    return compute


def _exact(measured: Measured) -> Measurement | None:
    found = measured.copies["pixels"]
    return None if found is None else Measurement(found.exact, None)


def _real_top1(measured: Measured) -> Measurement | None:
    top1 = measured.real_top1
    return Measurement(top1["synthetic"], top1["real"]) if "synthetic" in top1 else None


def _ocr(measured: Measured) -> Measurement | None:
    return None if measured.ocr is None else Measurement(*measured.ocr)


MEASURES = {
    "purity": Measure(
        "read as its label (purity)",
        "share",
        "higher",
        "Fraction of samples that the recogniser reads as their label.",
        _purity,
    ),
    "diversity_pixels": Measure(
        "variety within a class, pixels",
        "share",
        "near the reference",
        "Standard deviation of each pixel within a class, relative to real samples; lower: samples "
        "too similar; noise increases it.",
        _diversity("pixels"),
    ),
    "diversity_features": Measure(
        "variety within a class, features",
        "share",
        "near the reference",
        "Standard deviation of features within a class, relative to real samples.",
        _diversity("features"),
    ),
    "frechet": Measure(
        "Fréchet distance",
        "distance",
        "lower",
        "Distance between the features of both sets as Gaussians; depends on the number of "
        "samples.",
        _feature_distance(frechet_distance),
    ),
    "precision": Measure(
        "precision",
        "share",
        "higher",
        "Fraction of the set within the manifold of real samples.",
        _manifold("precision"),
    ),
    "recall": Measure(
        "recall",
        "share",
        "higher",
        "Fraction of real samples within the manifold of the set.",
        _manifold("recall"),
    ),
    "density": Measure(
        "density",
        "ratio",
        "higher",
        "How densely real samples surround those of the set; may exceed 1.",
        _manifold("density"),
    ),
    "coverage": Measure(
        "coverage",
        "share",
        "higher",
        "Fraction of real samples with a sample of the set nearby.",
        _manifold("coverage"),
    ),
    "nearest_neighbour": Measure(
        "1-NN two-sample accuracy",
        "share",
        "near 50 %",
        "How often the nearest neighbour of a sample is of the same set; chance is 50 %.",
        _feature_distance(lambda real, other: nearest_neighbour_test(real, other).accuracy),
    ),
    "copies_pixels": Measure(
        "too near to a real sample, pixels",
        "share",
        "at most the reference",
        "Fraction nearer to a real sample than all but the nearest 1 % of real samples are to each "
        "other.",
        _too_near("pixels"),
    ),
    "nearer_pixels": Measure(
        "nearer to training than held-out, pixels",
        "share",
        "near the reference",
        "Fraction nearer to training than to other real samples, high for copies; reference: the "
        "samples of --real.",
        _nearer("pixels"),
    ),
    "copies_features": Measure(
        "too near to a real sample, features",
        "share",
        "at most the reference",
        "The same in features, which also detects copies that were moved or thickened.",
        _too_near("features"),
    ),
    "nearer_features": Measure(
        "nearer to training than held-out, features",
        "share",
        "near the reference",
        "The same in features.",
        _nearer("features"),
    ),
    "exact_copies": Measure(
        "exact copies of a real sample",
        "count",
        "0",
        "All pixels are equal at the size of comparison.",
        _exact,
    ),
    "train_on_synthetic": Measure(
        "trained on the set, real top-1",
        "share",
        "higher",
        "Accuracy on real test samples of a recogniser trained on the set alone; reference: "
        "trained on --real.",
        _real_top1,
    ),
    "second_reader": Measure(
        "read as its label by an OCR engine",
        "share",
        "higher",
        "Fraction read correctly by an OCR engine trained on none of these data; reference: real "
        "samples at the same size.",
        _ocr,
    ),
}
"""All measures by name, in the order of evaluation.json and of the tables."""


def figures(measured: Measured) -> dict[str, Figure]:
    """All figures that apply, by name."""
    found = {name: measure.compute(measured) for name, measure in MEASURES.items()}
    return {name: figure(name, one) for name, one in found.items() if one is not None}


def figure(name: str, measured: Measurement) -> Figure:
    """A measurement with the texts of its measure."""
    measure = MEASURES[name]
    return Figure(
        **measured._asdict(),
        title=measure.title,
        unit=measure.unit,
        better=measure.better,
        meaning=measure.meaning,
    )
