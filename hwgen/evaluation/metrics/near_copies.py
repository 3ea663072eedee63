"""Copy test: whether samples are nearer to training samples than real samples are to each other.

Distances are in units of the class, the median distance of its training samples to their nearest
neighbours, so that one limit fits characters of few and of many strokes.

Smooth or typical samples are near to everything, copied or not. Held-out data separate them from
copies: how often a sample is nearer to the training data than to held-out data (Meehan, Chaudhuri &
Dasgupta 2020, section 3), compared with how often a training sample is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hwgen.evaluation.metrics.nearest_neighbours import Points, nearest

QUANTILE = 0.01
"""A sample is too near below this quantile of the real-to-real distances."""

PAIRS = 24
"""Number of nearest pairs that are kept for the contact sheet."""


@dataclass(frozen=True)
class Pair:
    """A sample and the nearest training sample of its class.

    Attributes:
        class_id: of both.
        sample: record number of the sample.
        training: record number of the training sample.
        distance: in units of the class.
    """

    class_id: int
    sample: int
    training: int
    distance: float


@dataclass(frozen=True)
class CopyResult:
    """Result of a `CopyTest`.

    Attributes:
        quantile: of the real-to-real distances, which gives the limit.
        limit: distances below it are too near, in units of the class.
        fraction: of the samples that are too near to a training sample.
        reference_fraction: of the held-out samples that are; `quantile` without held-out samples.
        exact: number of samples at distance 0.
        median: of the samples' distances; 1 for real samples.
        nearer: fraction of samples that are nearer to a training sample than to any of equally many
            held-out samples; None without held-out samples.
        reference_nearer: the same for training samples, each compared with the others.
        samples: number of samples compared.
        pairs: the nearest pairs, the nearest first.
    """

    quantile: float
    limit: float
    fraction: float
    reference_fraction: float
    exact: int
    median: float
    nearer: float | None
    reference_nearer: float | None
    samples: int
    pairs: tuple[Pair, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON under the names of evaluation.json."""
        return {
            "quantile": self.quantile,
            "limit": self.limit,
            "share": self.fraction,
            "floor": self.reference_fraction,
            "exact": self.exact,
            "median": self.median,
            "nearer": self.nearer,
            "nearer_floor": self.reference_nearer,
            "samples": self.samples,
            "pairs": [asdict(pair) for pair in self.pairs],
        }


@dataclass(frozen=True)
class Spacing:
    """Distances of the training samples of a class to their nearest neighbours.

    Attributes:
        unit: their median.
        distances: in that unit, float64 [m].
    """

    unit: float
    distances: npt.NDArray[np.float64]

    @classmethod
    def of(cls, training: Points) -> Spacing | None:
        """None for fewer than two samples, or where the median distance is 0.

        Args:
            training: float32 [m, d].
        """
        if len(training) < 2:
            return None
        distances = nearest(training, training, itself=True)[0][:, 0]
        unit = float(np.median(distances))
        return cls(unit, distances / unit) if unit else None


def limit_of(distances: Sequence[npt.NDArray[np.float64]], quantile: float = QUANTILE) -> float:
    """The distance below which a sample is too near: a quantile of `Spacing.distances`."""
    return float(np.quantile(np.concatenate(distances), quantile))


@dataclass
class CopyTest:
    """Copy test over classes, added one after the other; their samples are not kept.

    Attributes:
        quantile: of the real-to-real distances, which gives the limit.
    """

    quantile: float = QUANTILE
    _samples: list[npt.NDArray[np.float64]] = field(default_factory=list)
    _real: list[npt.NDArray[np.float64]] = field(default_factory=list)
    _held_out: list[npt.NDArray[np.float64]] = field(default_factory=list)
    _nearer: list[npt.NDArray[np.float64]] = field(default_factory=list)
    _reference_nearer: list[npt.NDArray[np.float64]] = field(default_factory=list)
    _pairs: list[Pair] = field(default_factory=list)

    def add(
        self,
        class_id: int,
        samples: Points,
        training: Points,
        held_out: Points | None = None,
        *,
        sample_records: npt.NDArray[np.int64],
        training_records: npt.NDArray[np.int64],
    ) -> bool:
        """Add a class; it is left out where `Spacing.of` is None, as for one training sample.

        Args:
            class_id: which.
            samples: float32 [n, d], n >= 1.
            training: float32 [m, d], all different: an exact repetition has no spacing.
            held_out: float32 [h, d], real samples that the generator was not trained on; or None.
            sample_records: int64 [n], record numbers for `Pair`.
            training_records: int64 [m], likewise.

        Returns:
            Whether the class was compared.
        """
        spacing = Spacing.of(training)
        if spacing is None:
            return False
        unit = spacing.unit
        distances, indices = (found[:, 0] for found in nearest(samples, training))
        self._samples.append(distances / unit)
        self._real.append(spacing.distances)
        for row in np.argsort(distances, kind="stable")[:PAIRS].tolist():
            records = int(sample_records[row]), int(training_records[indices[row]])
            self._pairs.append(Pair(class_id, *records, float(distances[row] / unit)))
        self._pairs = sorted(self._pairs, key=lambda pair: pair.distance)[:PAIRS]
        if held_out is not None and len(held_out):
            self._held_out.append(nearest(held_out, training)[0][:, 0] / unit)
            # Equally many of both: the nearest of more points is nearer.
            count = min(len(training), len(held_out))
            seen, unseen = _evenly(training, count), _evenly(held_out, count)
            self._nearer.append(_nearer(nearest(samples, seen)[0], nearest(samples, unseen)[0]))
            if count > 1:
                others = nearest(seen, seen, itself=True)[0]
                unseen = _evenly(held_out, count - 1)
                self._reference_nearer.append(_nearer(others, nearest(seen, unseen)[0]))
        return True

    def result(self) -> CopyResult | None:
        """The result over all classes added; None where none could be compared."""
        if not self._samples:
            return None
        samples = np.concatenate(self._samples)
        limit = limit_of(self._real, self.quantile)
        held_out = np.concatenate(self._held_out) if self._held_out else None
        return CopyResult(
            quantile=self.quantile,
            limit=limit,
            fraction=float((samples < limit).mean()),
            reference_fraction=self.quantile
            if held_out is None
            else float((held_out < limit).mean()),
            exact=int((samples == 0).sum()),
            median=float(np.median(samples)),
            nearer=_mean(self._nearer),
            reference_nearer=_mean(self._reference_nearer),
            samples=len(samples),
            pairs=tuple(self._pairs),
        )


def _evenly(points: Points, count: int) -> Points:
    """`count` of the points, evenly spaced."""
    return points[np.arange(count) * len(points) // count]


def _nearer(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """1 where distance a is smaller than b, 1/2 where they are equal: float64 [n] of [n, 1]."""
    return ((a < b) + 0.5 * (a == b))[:, 0]


def _mean(parts: list[npt.NDArray[np.float64]]) -> float | None:
    return float(np.concatenate(parts).mean()) if parts else None
