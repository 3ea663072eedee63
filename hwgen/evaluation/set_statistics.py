"""Predictions, features, variety and copy tests of a synthetic set and of real ones.

Classes are processed one after the other. Only one class is in memory at a time, plus the features
of the matched samples: from every set the same number of each class, so that the compared sets
have one size and one mixture of classes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hwgen.evaluation.images import as_points, first_occurrences, images_at, records_by_class
from hwgen.evaluation.metrics.diversity import feature_deviation
from hwgen.evaluation.metrics.near_copies import CopyTest
from hwgen.evaluation.metrics.nearest_neighbours import Points
from hwgen.evaluation.settings import Stores
from hwgen.imaging.pixel_deviation import evenly_spaced_records, pixel_deviation
from hwgen.recogniser.class_mapping import map_classes
from hwgen.recogniser.reader import ClassIds, Features, Reader
from hwgen.record import Image
from hwgen.store import Store

SETS = ("synthetic", "real", "reference")
"""The synthetic set is compared with the real one; the reference, other real samples, likewise."""

SPACES = ("pixels", "features")

_NO_RECORDS = np.empty(0, np.int64)


@dataclass
class SetStatistics:
    """What is measured per class and sample, before it is summed up in figures.

    Attributes:
        probability: of its own label, for each synthetic sample: float32 [N]; 0 where `labels` is
            -1.
        predictions: the most probable class of each, an id of the reader: int64 [N].
        labels: the label of each, an id of the reader, or -1 where it is not read: int64 [N].
        reference_correct: samples of the reference that are classified as their label.
        reference_count: samples of the reference.
        deviations: within-class deviation by space, set and label.
        features: of the matched samples, by set a list of float32 [n, hidden] per class.
        records: their record numbers, likewise; the reference counts in its own store.
        copy_tests: by space.
        classes: number of classes with synthetic and real samples.
        repeated: real samples left out as exact repetitions of another one of their class.
    """

    probability: npt.NDArray[np.float32]
    predictions: ClassIds
    labels: ClassIds
    reference_correct: int = 0
    reference_count: int = 0
    deviations: dict[str, dict[str, dict[str, float]]] = field(
        default_factory=lambda: {space: {name: {} for name in SETS} for space in SPACES}
    )
    features: dict[str, list[Features]] = field(default_factory=lambda: {name: [] for name in SETS})
    records: dict[str, list[ClassIds]] = field(default_factory=lambda: {name: [] for name in SETS})
    copy_tests: dict[str, CopyTest] = field(
        default_factory=lambda: {space: CopyTest() for space in SPACES}
    )
    classes: int = 0
    repeated: int = 0

    @property
    def read(self) -> ClassIds:
        """Numbers of the synthetic samples whose label the reader has, int64 [n]."""
        return np.flatnonzero(self.labels >= 0)

    @property
    def matched(self) -> int:
        """Number of matched samples of each set."""
        return sum(map(len, self.records["synthetic"]))

    def matched_features(self, name: str) -> Features:
        """Features of the matched samples of a set, float32 [n, hidden]; all sets have one n."""
        return np.concatenate(self.features[name])

    def matched_records(self, name: str) -> ClassIds:
        """Their record numbers, int64 [n], class by class."""
        return np.concatenate(self.records[name])


def counts_by_label(store: Store) -> dict[str, int]:
    """Number of records of each class that has any."""
    counts = zip(store.charset, store.manifest.class_counts, strict=True)
    return {label: count for label, count in counts if count}


def images_to_read(synthetic: Store, real: Store, real_test: Store | None) -> int:
    """Number of images that `collect_statistics` reads."""
    present = counts_by_label(synthetic)
    others = [real] if real_test is None else [real, real_test]
    counts = [counts_by_label(store) for store in others]
    return len(synthetic) + sum(of.get(label, 0) for of in counts for label in present)


def most_matched(synthetic: Store, real: Store, real_test: Store | None, max_samples: int) -> int:
    """Matched samples per set of `collect_statistics`, unless real samples repeat each other."""
    own = counts_by_label(synthetic)
    others = [counts_by_label(store) for store in (real, real_test) if store is not None]
    if real_test is None:
        others = [{label: count // 2 for label, count in others[0].items()}]
    per_class = _max_per_class(max_samples, len(own))
    return sum(
        min(per_class, count, *(of.get(label, 0) for of in others)) for label, count in own.items()
    )


def _max_per_class(max_samples: int, classes: int) -> int:
    return max(1, max_samples // max(1, classes))


def collect_statistics(
    synthetic: Store,
    real: Store,
    real_test: Store | None,
    reader: Reader,
    *,
    max_samples: int,
    seed: int,
    readable: Collection[str] | None = None,
    progress: Callable[[int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> SetStatistics | None:
    """Read the synthetic store, and of the real ones the same classes, as far as they have them.

    Args:
        synthetic: the evaluated store, whose classes may be others than those of the real ones.
        real: training store of the generator.
        real_test: other real samples, the reference; None splits `real` into two random halves,
            "real" and "reference".
        reader: gives predictions and features.
        max_samples: maximum number of matched samples per set.
        seed: of the halves and of the choice of matched samples.
        readable: labels of which predictions count, all of them of the reader; None for all that
            the reader has.
        progress: called with the number of images read.
        stop: asked before each class whether to stop.

    Returns:
        None if `stop` returned True.
    """
    stores = [synthetic, real, *([] if real_test is None else [real_test])]
    records = [_records_by_label(store) for store in stores]
    present = [id for id, label in enumerate(synthetic.charset) if label in records[0]]
    max_per_class = _max_per_class(max_samples, len(present))
    places = map_classes(reader, synthetic.charset, [])
    if readable is not None:
        places[[label not in readable for label in synthetic.charset]] = -1
    size = Stores(synthetic, real, real_test).size_for(reader)
    statistics = SetStatistics(
        np.zeros(len(synthetic), np.float32),
        np.empty(len(synthetic), np.int64),
        labels=places[synthetic.labels],
    )
    done = 0
    for class_id in present:
        if stop is not None and stop():
            return None
        rng, label = np.random.default_rng((seed, class_id)), synthetic.charset[class_id]
        numbers = [by_label.get(label, _NO_RECORDS) for by_label in records]
        own, *found = (
            _read(store, some, reader, size, int(places[class_id]))
            for store, some in zip(stores, numbers, strict=True)
        )
        unique = [part.without_repeats() for part in found]
        statistics.repeated += sum(map(len, found)) - sum(map(len, unique))
        training, held_out = unique[0], unique[1] if len(unique) > 1 else None
        if held_out is None:
            mixed = rng.permutation(len(training))
            base, reference = training.take(mixed[::2]), training.take(mixed[1::2])
        else:
            base, reference = training, held_out
        _add_predictions(statistics, int(places[class_id]), own, reference)
        _add_copy_tests(statistics, class_id, own, training, held_out)
        sets = dict(zip(SETS, (own, base, reference), strict=True))
        _add_deviations(statistics, label, sets)
        _add_matched(statistics, sets, max_per_class, rng)
        done += sum(map(len, numbers))
        if progress is not None:
            progress(done)
    return statistics


def _records_by_label(store: Store) -> dict[str, ClassIds]:
    """Record numbers of each class that has any."""
    found = zip(store.charset, records_by_class(store), strict=True)
    return {label: records for label, records in found if len(records)}


@dataclass(frozen=True)
class _Samples:
    """Samples of one class.

    Attributes:
        records: numbers in the store.
        images: at the size of comparison.
        features: of the reader.
        read_as: the most probable class, an id of the reader, int64 [n].
        probability: of their label, float32 [n]; 0 if the reader does not have it.
    """

    records: ClassIds
    images: Image
    features: Features
    read_as: ClassIds
    probability: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.records)

    def take(self, indices: npt.NDArray[np.int64]) -> _Samples:
        return _Samples(
            self.records[indices],
            self.images[indices],
            self.features[indices],
            self.read_as[indices],
            self.probability[indices],
        )

    def without_repeats(self) -> _Samples:
        return self.take(first_occurrences(self.images))

    def points(self) -> dict[str, Points]:
        """By space: float32 [n, d]; pixels in [0, 1]."""
        return {"pixels": as_points(self.images), "features": self.features}


def _read(store: Store, records: ClassIds, reader: Reader, size: int, label: int) -> _Samples:
    images = images_at(store, records, size)
    probabilities, features = reader.reading(images)
    own = np.zeros(len(images), np.float32) if label < 0 else probabilities[:, label]
    return _Samples(records, images, features, probabilities.argmax(axis=1), own)


def _add_predictions(
    statistics: SetStatistics, label: int, own: _Samples, reference: _Samples
) -> None:
    statistics.probability[own.records] = own.probability
    statistics.predictions[own.records] = own.read_as
    if label < 0:
        return
    statistics.reference_correct += int((reference.read_as == label).sum())
    statistics.reference_count += len(reference)


def _add_copy_tests(
    statistics: SetStatistics,
    class_id: int,
    own: _Samples,
    training: _Samples,
    held_out: _Samples | None,
) -> None:
    statistics.classes += len(training) > 0
    samples, originals = own.points(), training.points()
    others = None if held_out is None else held_out.points()
    for space, test in statistics.copy_tests.items():
        test.add(
            class_id,
            samples[space],
            originals[space],
            None if others is None else others[space],
            sample_records=own.records,
            training_records=training.records,
        )


def _add_deviations(statistics: SetStatistics, label: str, sets: dict[str, _Samples]) -> None:
    for name, part in sets.items():
        if len(part) > 1:
            few = evenly_spaced_records(np.zeros(len(part), np.int64), 0)
            pixels, features = part.images[few], part.features[few]
            statistics.deviations["pixels"][name][label] = pixel_deviation(pixels)
            statistics.deviations["features"][name][label] = feature_deviation(features)


def _add_matched(
    statistics: SetStatistics,
    sets: dict[str, _Samples],
    max_per_class: int,
    rng: np.random.Generator,
) -> None:
    """Choose equally many samples of each set, at most `max_per_class`."""
    count = min(max_per_class, *map(len, sets.values()))
    for name, part in sets.items():
        chosen = part.take(np.sort(rng.permutation(len(part))[:count]))
        statistics.features[name].append(chosen.features)
        statistics.records[name].append(chosen.records)
