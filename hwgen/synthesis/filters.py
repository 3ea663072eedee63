"""In: samples and their classes. Out: which of them stay; what `synthesize` is handed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hwgen.record import Image

Ids = npt.NDArray[np.int64]


class SampleFilter(Protocol):
    """Decides which samples stay."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Plain JSON on which every decision depends; written into the store's origin."""

    def __call__(self, images: Image, class_ids: Ids) -> npt.NDArray[np.bool_]:
        """Which pass, bool [N], of uint8 [N, S, S(, 3)] of classes int64 [N]."""


class FilterChain:
    """Lets pass what each of several filters lets pass; a later one sees what is left.

    Args:
        filters: the cheapest first; their settings have different names.
    """

    def __init__(self, filters: Sequence[SampleFilter]) -> None:
        self._filters = tuple(filters)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Of all of them."""
        return {
            name: value
            for sample_filter in self._filters
            for name, value in sample_filter.settings.items()
        }

    def __call__(self, images: Image, class_ids: Ids) -> npt.NDArray[np.bool_]:
        """See SampleFilter."""
        passed = np.ones(len(images), np.bool_)
        for sample_filter in self._filters:
            passed[passed] = sample_filter(images[passed], class_ids[passed])
        return passed
