"""The units of work of a synthetic set.

Units are independent of each other: an interruption or the number of processes changes no sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CHUNK = 1024
"""Most samples of a unit."""

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Unit:
    """Some slots that are filled together; a slot is a class, or a part of a large one.

    Attributes:
        classes: of each slot, its position among the requested classes, int64 [k].
        first_indices: index of the first sample of each slot, int64 [k].
        wanted: samples for each slot, int64 [k].
        max_tries: most samples drawn for each one wanted.
    """

    classes: Ids
    first_indices: Ids
    wanted: Ids
    max_tries: int


def plan(per_class: int, classes: int, max_tries: int) -> list[Unit]:
    """All units of a set, in the order of the store.

    A unit has as many whole classes as CHUNK samples hold. A larger class is split into parts with
    separate sample indices.
    """
    part = min(per_class, CHUNK)
    starts = np.arange(0, per_class, part)
    wanted = np.minimum(part, per_class - starts)
    slots = np.arange(classes * len(starts))
    together = CHUNK // part
    return [
        Unit(
            classes=some // len(starts),
            first_indices=starts[some % len(starts)] * max_tries,
            wanted=wanted[some % len(starts)],
            max_tries=max_tries,
        )
        for some in np.split(slots, range(together, len(slots), together))
        if len(some)
    ]
