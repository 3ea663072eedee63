"""In: a synthetic and a real store, and a recogniser. Out: all that is compared, class by class.

One class is in memory at a time, but for a sample of features of all classes: as many of each
class from the synthetic set as from both sides of the real one, so that sets are compared that
have one size and one mixture of classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hwgen.evaluation.images import by_class, distinct, images_at, points
from hwgen.evaluation.metrics.diversity import feature_deviation
from hwgen.evaluation.metrics.near_copies import CopyTest
from hwgen.evaluation.metrics.nearest_neighbours import Points
from hwgen.imaging.pixel_deviation import evenly_spaced_records, pixel_deviation
from hwgen.recogniser.inference import ClassIds, Features, Recogniser
from hwgen.record import Image
from hwgen.store import Store

SETS = ("synthetic", "real", "floor")
"""What is compared with the real side: the synthetic set, and other real samples: the floor."""

SPACES = ("pixels", "features")


@dataclass
class SetStatistics:
    """What the recogniser made of the sets.

    Attributes:
        probability: of its own label, each synthetic sample: float32 [N].
        read_as: the most probable class of each: int64 [N].
        floor_right: how many samples of the floor were read as their label.
        floor_count: of how many.
        deviations: variety by space, side and label.
        features: of the matched samples, a list of a class each, by side.
        numbers: their record numbers, likewise; those of the floor count in its own store.
        copies: the copy test by space.
        classes: with synthetic and real samples.
        repeated: real samples that were left out, since they repeat another one of their class.
    """

    probability: npt.NDArray[np.float32]
    read_as: ClassIds
    floor_right: int = 0
    floor_count: int = 0
    deviations: dict[str, dict[str, dict[str, float]]] = field(
        default_factory=lambda: {space: {side: {} for side in SETS} for space in SPACES}
    )
    features: dict[str, list[Features]] = field(default_factory=lambda: {side: [] for side in SETS})
    numbers: dict[str, list[ClassIds]] = field(default_factory=lambda: {side: [] for side in SETS})
    copies: dict[str, CopyTest] = field(
        default_factory=lambda: {space: CopyTest() for space in SPACES}
    )
    classes: int = 0
    repeated: int = 0

    def matched(self, side: str) -> Features:
        """Features of the matched samples of a side, float32 [n, hidden]; n is that of all."""
        return np.concatenate(self.features[side])


def images_to_read(synthetic: Store, real: Store, real_test: Store | None) -> int:
    """How many pictures `collect_statistics` reads."""
    drawn = np.array(synthetic.manifest.class_counts) > 0
    others = [real] if real_test is None else [real, real_test]
    return len(synthetic) + sum(int(np.array(s.manifest.class_counts)[drawn].sum()) for s in others)


def collect_statistics(
    synthetic: Store,
    real: Store,
    real_test: Store | None,
    recogniser: Recogniser,
    *,
    samples: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> SetStatistics | None:
    """Read the synthetic store, and the real ones as far as they have its classes.

    Args:
        synthetic: what is judged.
        real: what the generator learnt from.
        real_test: other real samples; None takes two halves of `real` for "real" and "floor".
        recogniser: knows the stores' charset.
        samples: most matched samples a side.
        seed: of the halves and of the choice.
        progress: told of the pictures read.
        stop: asked before each class.

    Returns:
        None if `stop` said so.
    """
    of_synthetic, of_real = by_class(synthetic), by_class(real)
    of_test = None if real_test is None else by_class(real_test)
    drawn = [class_id for class_id, numbers in enumerate(of_synthetic) if len(numbers)]
    most = max(1, samples // max(1, len(drawn)))
    reading = SetStatistics(
        np.empty(len(synthetic), np.float32), np.empty(len(synthetic), np.int64)
    )
    done = 0
    for class_id in drawn:
        if stop is not None and stop():
            return None
        rng = np.random.default_rng((seed, class_id))
        own = _read(synthetic, of_synthetic[class_id], recogniser)
        whole = _read(real, of_real[class_id], recogniser).distinct()
        reading.repeated += len(of_real[class_id]) - len(whole)
        if real_test is None or of_test is None:
            held_out = None
            mixed = rng.permutation(len(whole))
            base, floor = whole.take(mixed[::2]), whole.take(mixed[1::2])
        else:
            held_out = _read(real_test, of_test[class_id], recogniser).distinct()
            reading.repeated += len(of_test[class_id]) - len(held_out)
            base, floor = whole, held_out
        _judge(reading, class_id, own, floor, recogniser)
        _compare(reading, class_id, own, whole, held_out)
        sides = dict(zip(SETS, (own, base, floor), strict=True))
        label = synthetic.charset[class_id]
        for side, part in sides.items():
            part.vary(label, side, reading.deviations)
        count = min(most, *(len(part) for part in sides.values()))
        for side, part in sides.items():
            chosen = part.take(np.sort(rng.permutation(len(part))[:count]))
            reading.features[side].append(chosen.features)
            reading.numbers[side].append(chosen.numbers)
        done += sum(
            len(numbers[class_id]) for numbers in (of_synthetic, of_real, of_test) if numbers
        )
        if progress is not None:
            progress(done)
    return reading


@dataclass(frozen=True)
class _Part:
    """Samples of one class: record numbers, pictures at the recogniser's size, features."""

    numbers: ClassIds
    images: Image
    features: Features

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, places: npt.NDArray[np.int64]) -> _Part:
        return _Part(self.numbers[places], self.images[places], self.features[places])

    def distinct(self) -> _Part:
        """Without what repeats."""
        return self.take(distinct(self.images))

    def points(self) -> dict[str, Points]:
        """By space: float32 [n, d]; pixels from 0 to 1."""
        return {"pixels": points(self.images), "features": self.features}

    def vary(self, label: str, side: str, into: dict[str, dict[str, dict[str, float]]]) -> None:
        if len(self) < 2:
            return
        few = evenly_spaced_records(np.zeros(len(self), np.int64), 0)
        into["pixels"][side][label] = pixel_deviation(self.images[few])
        into["features"][side][label] = feature_deviation(self.features[few])


def _judge(
    reading: SetStatistics, class_id: int, own: _Part, floor: _Part, recogniser: Recogniser
) -> None:
    probabilities = recogniser.classify(own.features)
    reading.probability[own.numbers] = probabilities[:, class_id]
    reading.read_as[own.numbers] = probabilities.argmax(axis=1)
    if len(floor):
        right = recogniser.classify(floor.features).argmax(axis=1) == class_id
        reading.floor_right += int(right.sum())
        reading.floor_count += len(right)


def _compare(
    reading: SetStatistics, class_id: int, own: _Part, training: _Part, held_out: _Part | None
) -> None:
    reading.classes += len(training) > 0
    samples, originals = own.points(), training.points()
    others = None if held_out is None else held_out.points()
    for space, test in reading.copies.items():
        test.add(
            class_id,
            samples[space],
            originals[space],
            None if others is None else others[space],
            sample_numbers=own.numbers,
            training_numbers=training.numbers,
        )


def _read(store: Store, numbers: ClassIds, recogniser: Recogniser) -> _Part:
    images = images_at(store, numbers, recogniser.recipe.size)
    return _Part(numbers, images, recogniser.features(images))
