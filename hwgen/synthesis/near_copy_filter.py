"""In: real samples and, perhaps, a recogniser. Out: a judge that rejects samples too near to them.

What hwgen.synthesis.synthesize.synthesize takes as `judge`. Too near is what `hwgen evaluate`
counts as such (hwgen.evaluation.metrics.near_copies): nearer to a real sample of its class than all
but the nearest 1 % of the real ones are to each other; in pixels, and in the recogniser's features
where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError
from hwgen.evaluation.images import averaged, by_class, distinct, images_at, points
from hwgen.evaluation.metrics.near_copies import Spacing, limit_of
from hwgen.evaluation.metrics.nearest_neighbours import Points, nearest
from hwgen.recogniser.inference import Recogniser
from hwgen.record import Image
from hwgen.store import Store

SIZE = 32
"""Side at which pictures are compared without a recogniser."""

CLASSES_HELD = 256
"""Classes whose real samples stay in memory."""

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Near:
    """What is too near in a space.

    Attributes:
        limit: a distance in units of a class.
        units: of each class that has one.
        otherwise: the unit of a class with one real sample, or equal ones: the others' median.
    """

    limit: float
    units: Mapping[int, float]
    otherwise: float

    @classmethod
    def of(cls, spacings: Mapping[int, Spacing]) -> Near:
        """From the spacings of at least one class."""
        units = {class_id: spacing.unit for class_id, spacing in spacings.items()}
        limit = limit_of([spacing.distances for spacing in spacings.values()])
        return cls(limit, units, float(np.median(list(units.values()))))

    def below(self, class_id: int) -> float:
        """Distances below this are too near."""
        return self.limit * self.units.get(class_id, self.otherwise)


class Originals:
    """The real samples of each class, each once, as points.

    Args:
        real: their store.
        charset: class order of what is compared with them.
        class_ids: which classes; None is all. Those without a real sample are left out.
        size: side of what is compared with them.
        channels: likewise.
        recogniser: compares features too, if given; it need not know the classes.

    Attributes:
        class_ids: those with a real sample.

    Raises:
        CharsetError: there is no sample of these classes.
        InputError: the pictures of either side are smaller than those that the recogniser reads, or
            have other channels.
    """

    def __init__(
        self,
        real: Store,
        charset: Charset,
        class_ids: Sequence[int] | None,
        *,
        size: int,
        channels: int,
        recogniser: Recogniser | None,
    ) -> None:
        smaller = min(size, real.size)
        self._size = recogniser.recipe.size if recogniser else min(SIZE, smaller)
        if smaller < self._size or real.channels != channels:
            raise InputError(
                f"has pictures of {real.size} pixels with {real.channels} channels, the samples "
                f"have {size} and {channels}, and are compared at {self._size}",
                where=str(real.path),
                remedy="Give the store that the generator was trained on",
            )
        known, numbers = real.charset, by_class(real)
        wanted = range(len(charset)) if class_ids is None else class_ids
        found = {i: numbers[known.id(charset[i])] for i in wanted if charset[i] in known}
        self._numbers = {class_id: own for class_id, own in found.items() if len(own)}
        if not self._numbers:
            raise CharsetError(
                "has no sample of the classes that are drawn",
                where=str(real.path),
                remedy="Give the store that the generator was trained on",
            )
        self._real, self._recogniser = real, recogniser
        self.class_ids = tuple(self._numbers)
        self.content_sha256 = real.manifest.content_sha256
        self.of_class = lru_cache(CLASSES_HELD)(self._of_class)

    def points(self, images: Image) -> dict[str, Points]:
        """Pictures as points, float32 [N, d] by space.

        Args:
            images: uint8 [N, S, S(, 3)], N >= 1.
        """
        small = averaged(images, self._size)
        found = {"pixels": points(small)}
        if self._recogniser is not None:
            found["features"] = self._recogniser.features(small)
        return found

    def _of_class(self, class_id: int) -> dict[str, Points]:
        images = images_at(self._real, self._numbers[class_id], self._size)
        return self.points(images[distinct(images)])


class NearCopyFilter:
    """Lets pass what is not too near to a real sample of its class.

    A class without real samples lets everything pass.

    Args:
        originals: the real samples.
        near: what is too near, by space.
    """

    def __init__(self, originals: Originals, near: Mapping[str, Near]) -> None:
        self._originals, self._near = originals, dict(near)

    @classmethod
    def of(
        cls,
        real: Store,
        charset: Charset,
        class_ids: Sequence[int] | None = None,
        *,
        size: int,
        channels: int,
        recogniser: Recogniser | None = None,
        progress: Callable[[int, int], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> NearCopyFilter | None:
        """Look how near the real samples are to each other.

        Args:
            real: what the samples might be copies of.
            charset: class order of the samples.
            class_ids: the classes that will be judged; None is all.
            size: side of the samples.
            channels: of the samples.
            recogniser: compares features too, if given; it need not know the classes.
            progress: told of the classes read, and how many there are.
            stop: asked before each class.

        Returns:
            None if `stop` said so.

        Raises:
            CharsetError: the store has no sample of these classes.
            InputError: its pictures or the samples are too small for the recogniser or have other
                channels, or no class has two different real samples.
        """
        originals = Originals(
            real, charset, class_ids, size=size, channels=channels, recogniser=recogniser
        )
        spacings: dict[str, dict[int, Spacing]] = {}
        for done, class_id in enumerate(originals.class_ids):
            if stop is not None and stop():
                return None
            for space, own in originals.of_class(class_id).items():
                spacing = Spacing.of(own)
                if spacing is not None:
                    spacings.setdefault(space, {})[class_id] = spacing
            if progress is not None:
                progress(done + 1, len(originals.class_ids))
        if not spacings:
            raise InputError(
                "no class has two different samples, so that nothing tells what is too near",
                where=str(real.path),
            )
        return cls(originals, {space: Near.of(found) for space, found in spacings.items()})

    @property
    def settings(self) -> Mapping[str, Any]:
        """The data, and the limits in units of a class by space; they tell a recogniser too."""
        return {
            "no_copies": self._originals.content_sha256,
            "limits": {space: round(near.limit, 6) for space, near in self._near.items()},
        }

    def __call__(self, images: Image, class_ids: Numbers) -> npt.NDArray[np.bool_]:
        """Which pass, bool [N].

        Args:
            images: uint8 [N, S, S(, 3)].
            class_ids: int64 [N], places in `charset`.
        """
        passed = np.ones(len(images), np.bool_)
        samples = self._originals.points(images) if len(images) else {}
        for class_id in set(class_ids.tolist()).intersection(self._originals.class_ids):
            own = class_ids == class_id
            originals = self._originals.of_class(class_id)
            for space, near in self._near.items():
                distances = nearest(samples[space][own], originals[space])[0][:, 0]
                passed[own] &= distances >= near.below(class_id)
        return passed
