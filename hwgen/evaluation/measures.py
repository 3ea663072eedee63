"""In: what was measured. Out: the figures of an evaluation, each beside its real-to-real floor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hwgen.evaluation.metrics.diversity import diversity
from hwgen.evaluation.metrics.frechet import frechet_distance
from hwgen.evaluation.metrics.intervals import wilson_interval
from hwgen.evaluation.metrics.near_copies import Copies
from hwgen.evaluation.metrics.precision_recall import compare_manifolds
from hwgen.evaluation.metrics.two_sample import nearest_neighbour_test
from hwgen.evaluation.set_statistics import SETS, SPACES, SetStatistics


class Meaning(NamedTuple):
    """How a figure is to be read.

    Attributes:
        title: what it is called.
        unit: "share" (shown in percent), "ratio", "distance" or "count".
        better: which values are better.
        meaning: one sentence.
    """

    title: str
    unit: str
    better: str
    meaning: str


MEANINGS = {
    "purity": Meaning(
        "read as its label (purity)",
        "share",
        "higher",
        "Share that the recogniser reads as the label they were made for.",
    ),
    "diversity_pixels": Meaning(
        "variety within a class, pixels",
        "share",
        "near the floor",
        "Standard deviation of each pixel, of the real one's; below: too alike; noise raises it.",
    ),
    "diversity_features": Meaning(
        "variety within a class, features",
        "share",
        "near the floor",
        "Size of a class's cloud of features, of the real one's.",
    ),
    "frechet": Meaning(
        "Fréchet distance",
        "distance",
        "lower",
        "Of the two sets of features as Gaussians; depends on the number of samples.",
    ),
    "precision": Meaning(
        "precision", "share", "higher", "Share of the set that lies where real samples lie."
    ),
    "recall": Meaning(
        "recall", "share", "higher", "Share of real samples that lie where the set lies."
    ),
    "density": Meaning(
        "density", "ratio", "higher", "How densely real samples surround the set's; may exceed 1."
    ),
    "coverage": Meaning(
        "coverage", "share", "higher", "Share of real samples with one of the set close by."
    ),
    "nearest_neighbour": Meaning(
        "1-NN two-sample accuracy",
        "share",
        "near 50 %",
        "How often the nearest neighbour tells which set a sample is from; 50 % is chance.",
    ),
    "copies_pixels": Meaning(
        "too near to a real one, pixels",
        "share",
        "at most the floor",
        "Share nearer to a real sample than all but the nearest 1 % of real samples are to others.",
    ),
    "copies_features": Meaning(
        "too near to a real one, features",
        "share",
        "at most the floor",
        "The same by features, which also see copies that were moved or thickened.",
    ),
    "nearer_pixels": Meaning(
        "nearer to learnt than new, pixels",
        "share",
        "near the floor",
        "Copies are nearer to what was learnt from than to other real samples; the floor: samples "
        "of --real themselves.",
    ),
    "nearer_features": Meaning(
        "nearer to learnt than new, features",
        "share",
        "near the floor",
        "The same by features.",
    ),
    "exact_copies": Meaning(
        "exact copies of a real sample", "count", "0", "All pixels equal at the compared size."
    ),
    "train_on_synthetic": Meaning(
        "trained on it alone, real top-1",
        "share",
        "higher",
        "Trained on the set alone, read real test samples; beside it: trained on --real.",
    ),
    "second_reader": Meaning(
        "read as label by a second reader",
        "share",
        "higher",
        "By an OCR engine that saw none of these data; beside it: real samples of equal size.",
    ),
}


def figure(name: str, value: float, floor: float | None, **more: float | None) -> dict[str, Any]:
    """One figure as plain JSON: {"value", "floor", "title", "unit", "better", "meaning"}."""
    return {"value": value, "floor": floor, **more, **MEANINGS[name]._asdict()}


def set_figures(reading: SetStatistics, purity: float) -> dict[str, dict[str, Any]]:
    """Figures of the whole set by name.

    Args:
        reading: of the set.
        purity: share read as its label.
    """
    count = len(reading.read_as)
    limits = wilson_interval(round(purity * count), count)
    floor = reading.floor_right / reading.floor_count if reading.floor_count else None
    figures = {"purity": figure("purity", purity, floor, low=limits.low, high=limits.high)}
    for space in SPACES:
        sides = reading.deviations[space]
        found = diversity(sides["synthetic"], sides["real"])
        other = diversity(sides["floor"], sides["real"])
        if found is not None:
            name = f"diversity_{space}"
            figures[name] = figure(name, found.ratio, None if other is None else other.ratio)
    synthetic, real, floor_features = (reading.matched(side) for side in SETS)
    measured = [_compare(real, other) for other in (synthetic, floor_features)]
    for name in measured[0]:
        figures[name] = figure(name, *(values[name] for values in measured))
    return figures


def _compare(real: Any, other: Any) -> dict[str, float]:
    manifolds = compare_manifolds(real, other)
    return {
        "frechet": frechet_distance(real, other),
        "precision": manifolds.precision,
        "recall": manifolds.recall,
        "density": manifolds.density,
        "coverage": manifolds.coverage,
        "nearest_neighbour": nearest_neighbour_test(real, other).accuracy,
    }


def copy_figures(copies: Mapping[str, Copies | None]) -> dict[str, dict[str, Any]]:
    """Figures of the copy test by name.

    Args:
        copies: by space; None where no class could be compared.
    """
    figures = {}
    for space, found in copies.items():
        if found is not None:
            name = f"copies_{space}"
            figures[name] = figure(name, found.share, found.floor)
            if found.nearer is not None:
                name = f"nearer_{space}"
                figures[name] = figure(name, found.nearer, found.nearer_floor)
    pixels = copies["pixels"]
    if pixels is not None:
        figures["exact_copies"] = figure("exact_copies", pixels.exact, None)
    return figures
