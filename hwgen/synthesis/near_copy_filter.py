"""A filter of samples that rejects near copies of real samples.

Too near is defined as in `hwgen evaluate` (hwgen.evaluation.metrics.near_copies): nearer to a real
sample of the class than all but the nearest 1 % of real samples are to each other, in pixels and,
with a recogniser, in its features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError
from hwgen.evaluation.images import (
    as_points,
    averaged,
    first_occurrences,
    images_at,
    records_by_class,
)
from hwgen.evaluation.metrics.near_copies import Spacing, limit_of
from hwgen.evaluation.metrics.nearest_neighbours import Points, nearest
from hwgen.progress import NO_CONTROL, Control
from hwgen.recogniser.reader import Reader
from hwgen.record import Image, check_channels
from hwgen.store import Store

SIZE = 32
"""Image size of the comparison without a recogniser, pixels."""

CACHED_CLASSES = 256
"""Most classes with their real samples in memory."""

ClassIds = npt.NDArray[np.int64]


@dataclass(frozen=True)
class NearLimit:
    """Distances that are too near, in pixels or in features.

    Attributes:
        limit: in units of a class.
        units: of each class that has one.
        default_unit: of the other classes, with one real sample or equal ones: the median unit.
    """

    limit: float
    units: Mapping[int, float]
    default_unit: float

    @classmethod
    def of(cls, spacings: Mapping[int, Spacing]) -> NearLimit:
        """From the spacings of at least one class, by class id."""
        units = {class_id: spacing.unit for class_id, spacing in spacings.items()}
        limit = limit_of([spacing.distances for spacing in spacings.values()])
        return cls(limit, units, float(np.median(list(units.values()))))

    def distance(self, class_id: int) -> float:
        """Smaller distances are too near."""
        return self.limit * self.units.get(class_id, self.default_unit)


class RealPoints:
    """The real samples of each class as points, without exact repetitions.

    Args:
        real: their store.
        charset: class order of the samples that are compared with them.
        class_ids: which classes; None for all. Those without a real sample are left out.
        size: of the samples, pixels.
        channels: of the samples.
        recogniser: adds its features as a second space; it need not know the classes.

    Attributes:
        class_ids: classes with a real sample.

    Raises:
        CharsetError: no class has a real sample.
        InputError: the real images or the samples are smaller than what the recogniser reads, or
            their channels differ.
    """

    def __init__(
        self,
        real: Store,
        charset: Charset,
        class_ids: Sequence[int] | None,
        *,
        size: int,
        channels: int,
        recogniser: Reader | None,
    ) -> None:
        smaller = min(size, real.size)
        self._size = recogniser.size_for(smaller) if recogniser else min(SIZE, smaller)
        check_channels(real.channels, channels, str(real.path))
        if recogniser:
            recogniser.check(smaller, channels)
        known, records = real.charset, records_by_class(real)
        ids = range(len(charset)) if class_ids is None else class_ids
        found = {i: records[known.id(charset[i])] for i in ids if charset[i] in known}
        self._records = {class_id: own for class_id, own in found.items() if len(own)}
        if not self._records:
            raise CharsetError(
                "has no sample of the requested classes",
                where=str(real.path),
                remedy="Give the store that the generator was trained on",
            )
        self._real, self._recogniser = real, recogniser
        self.class_ids = tuple(self._records)
        self.content_sha256 = real.manifest.content_sha256
        self.of_class = lru_cache(CACHED_CLASSES)(self._of_class)

    def points(self, images: Image) -> dict[str, Points]:
        """Images as points, float32 [N, d] by space.

        Args:
            images: uint8 [N, S, S(, 3)], N >= 1.
        """
        small = averaged(images, self._size)
        found = {"pixels": as_points(small)}
        if self._recogniser is not None:
            found["features"] = self._recogniser.features(small)
        return found

    def _of_class(self, class_id: int) -> dict[str, Points]:
        images = images_at(self._real, self._records[class_id], self._size)
        return self.points(images[first_occurrences(images)])


class NearCopyFilter:
    """Accepts samples that are not too near to a real sample of their class.

    Samples of a class without real samples are all accepted.

    Args:
        real: the real samples.
        limits: by space.
    """

    def __init__(self, real: RealPoints, limits: Mapping[str, NearLimit]) -> None:
        self._real, self._limits = real, dict(limits)

    @classmethod
    def of(
        cls,
        real: Store,
        charset: Charset,
        class_ids: Sequence[int] | None = None,
        *,
        size: int,
        channels: int,
        recogniser: Reader | None = None,
        control: Control = NO_CONTROL,
    ) -> NearCopyFilter | None:
        """Measure the distances between the real samples.

        Args:
            real: the samples may be copies of these.
            charset: class order of the samples.
            class_ids: classes of the samples; None for all.
            size: of the samples, pixels.
            channels: of the samples.
            recogniser: also compare its features; it need not know the classes.
            control: progress in classes; asked to stop before each class.

        Returns:
            None if it was stopped.

        Raises:
            CharsetError: the store has no sample of these classes.
            InputError: its images or the samples are too small for the recogniser, their channels
                differ, or no class has two different real samples.
        """
        points = RealPoints(
            real, charset, class_ids, size=size, channels=channels, recogniser=recogniser
        )
        spacings: dict[str, dict[int, Spacing]] = {}
        for done, class_id in enumerate(points.class_ids, 1):
            if control.stop():
                return None
            for space, own in points.of_class(class_id).items():
                spacing = Spacing.of(own)
                if spacing is not None:
                    spacings.setdefault(space, {})[class_id] = spacing
            control.progress(done, len(points.class_ids), "")
        if not spacings:
            raise InputError(
                "no class has two different samples, so there is no distance to compare with",
                where=str(real.path),
            )
        return cls(points, {space: NearLimit.of(found) for space, found in spacings.items()})

    @property
    def settings(self) -> Mapping[str, Any]:
        """Hash of the data, and the limits by space, which also depend on the recogniser."""
        return {
            "no_copies": self._real.content_sha256,
            "limits": {space: round(near.limit, 6) for space, near in self._limits.items()},
        }

    def __call__(self, images: Image, class_ids: ClassIds) -> npt.NDArray[np.bool_]:
        """Whether each sample is accepted, bool [N].

        Args:
            images: uint8 [N, S, S(, 3)].
            class_ids: int64 [N], positions in `charset`.
        """
        accepted = np.ones(len(images), np.bool_)
        samples = self._real.points(images) if len(images) else {}
        for class_id in set(class_ids.tolist()).intersection(self._real.class_ids):
            own = class_ids == class_id
            real = self._real.of_class(class_id)
            for space, near in self._limits.items():
                distances = nearest(samples[space][own], real[space])[0][:, 0]
                accepted[own] &= distances >= near.distance(class_id)
        return accepted
