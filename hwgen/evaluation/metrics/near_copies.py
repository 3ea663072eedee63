"""In: samples and training samples, class by class. Out: whether the samples are copies of them.

A sample that is much nearer to a training sample than training samples are to each other is a
copy. Distances are in units of the class: the median distance of its training samples to their
nearest ones, so that characters of few strokes and of many are told by one limit.

A smooth or typical sample is near to everything, copied or not. What tells it from a copy is held
out data: how often a sample is nearer to the training data than to those (Meehan, Chaudhuri &
Dasgupta 2020, section 3), beside how often a training sample is, to the others of its kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hwgen.evaluation.metrics.nearest_neighbours import Points, nearest

QUANTILE = 0.01
"""Of the real-to-real distances: nearer than this is too near."""

PAIRS = 24
"""The nearest pairs that are kept, to be looked at."""


@dataclass(frozen=True)
class Pair:
    """A sample and the training sample of its class that is nearest to it.

    Attributes:
        class_id: of both.
        sample: its record number.
        training: likewise.
        distance: in units of the class, see above.
    """

    class_id: int
    sample: int
    training: int
    distance: float


@dataclass(frozen=True)
class Copies:
    """What `CopyTest.result` found.

    Attributes:
        quantile: of the real-to-real distances that is the limit.
        limit: a distance in units of the class.
        share: of the samples that are nearer than that to a training sample.
        floor: the same of held out samples where there are some, else `quantile`.
        exact: samples at distance 0.
        median: of the samples' distances; 1 is the real one.
        nearer: share of samples nearer to a training sample than to any of as many held out ones;
            None without held out samples.
        nearer_floor: the same of training samples, which are not compared with themselves.
        samples: how many were compared.
        pairs: the nearest ones, nearest first.
    """

    quantile: float
    limit: float
    share: float
    floor: float
    exact: int
    median: float
    nearer: float | None
    nearer_floor: float | None
    samples: int
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Spacing:
    """How far apart the training samples of a class are.

    Attributes:
        unit: the median of their distances to their nearest ones.
        distances: these distances in that unit, float64 [m].
    """

    unit: float
    distances: npt.NDArray[np.float64]

    @classmethod
    def of(cls, training: Points) -> Spacing | None:
        """None where there is no unit: of fewer than two samples, or of equal ones.

        Args:
            training: float32 [m, d].
        """
        if len(training) < 2:
            return None
        distances = nearest(training, training, itself=True)[0][:, 0]
        unit = float(np.median(distances))
        return cls(unit, distances / unit) if unit else None


def limit_of(distances: Sequence[npt.NDArray[np.float64]], quantile: float = QUANTILE) -> float:
    """What is too near, from the classes' `Spacing.distances`: their quantile."""
    return float(np.quantile(np.concatenate(distances), quantile))


@dataclass
class CopyTest:
    """Takes classes one after the other, and forgets their samples.

    Attributes:
        quantile: of the real-to-real distances that is the limit.
    """

    quantile: float = QUANTILE
    _samples: list[npt.NDArray[np.float64]] = field(default_factory=list)
    _real: list[npt.NDArray[np.float64]] = field(default_factory=list)
    _held_out: list[npt.NDArray[np.float64]] = field(default_factory=list)
    _nearer: list[npt.NDArray[np.float64]] = field(default_factory=list)
    _nearer_floor: list[npt.NDArray[np.float64]] = field(default_factory=list)
    _pairs: list[Pair] = field(default_factory=list)

    def add(
        self,
        class_id: int,
        samples: Points,
        training: Points,
        held_out: Points | None = None,
        *,
        sample_numbers: npt.NDArray[np.int64],
        training_numbers: npt.NDArray[np.int64],
    ) -> bool:
        """One class; left out where it has no unit, such as with one training sample.

        Args:
            class_id: which.
            samples: float32 [n, d], n >= 1.
            training: float32 [m, d], all different: one that stands twice has no distance.
            held_out: float32 [h, d], real samples that the generator did not see, if there are.
            sample_numbers: int64 [n], the record numbers, for `Pair`.
            training_numbers: int64 [m], likewise.

        Returns:
            Whether the class was compared.
        """
        spacing = Spacing.of(training)
        if spacing is None:
            return False
        unit = spacing.unit
        distances, places = (found[:, 0] for found in nearest(samples, training))
        self._samples.append(distances / unit)
        self._real.append(spacing.distances)
        for row in np.argsort(distances, kind="stable")[:PAIRS].tolist():
            numbers = int(sample_numbers[row]), int(training_numbers[places[row]])
            self._pairs.append(Pair(class_id, *numbers, float(distances[row] / unit)))
        self._pairs = sorted(self._pairs, key=lambda pair: pair.distance)[:PAIRS]
        if held_out is not None and len(held_out):
            self._held_out.append(nearest(held_out, training)[0][:, 0] / unit)
            # Of equal numbers, since the nearest of many is nearer.
            count = min(len(training), len(held_out))
            seen, unseen = _thin(training, count), _thin(held_out, count)
            self._nearer.append(_first(nearest(samples, seen)[0], nearest(samples, unseen)[0]))
            if count > 1:
                others = nearest(seen, seen, itself=True)[0]
                unseen = _thin(held_out, count - 1)
                self._nearer_floor.append(_first(others, nearest(seen, unseen)[0]))
        return True

    def result(self) -> Copies | None:
        """Over all classes so far; None where none could be compared."""
        if not self._samples:
            return None
        samples = np.concatenate(self._samples)
        limit = limit_of(self._real, self.quantile)
        held_out = np.concatenate(self._held_out) if self._held_out else None
        return Copies(
            quantile=self.quantile,
            limit=limit,
            share=float((samples < limit).mean()),
            floor=self.quantile if held_out is None else float((held_out < limit).mean()),
            exact=int((samples == 0).sum()),
            median=float(np.median(samples)),
            nearer=_mean(self._nearer),
            nearer_floor=_mean(self._nearer_floor),
            samples=len(samples),
            pairs=tuple(self._pairs),
        )


def _thin(points: Points, count: int) -> Points:
    """`count` of the points, evenly spread."""
    return points[np.arange(count) * len(points) // count]


def _first(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Where distance a is the smaller one: 1; where equal: a half; float64 [n] of [n, 1]."""
    return ((a < b) + 0.5 * (a == b))[:, 0]


def _mean(parts: list[npt.NDArray[np.float64]]) -> float | None:
    return float(np.concatenate(parts).mean()) if parts else None
