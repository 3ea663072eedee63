"""Filters of samples: the protocol, and several in a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hwgen.record import Image

Ids = npt.NDArray[np.int64]


class SampleFilter(Protocol):
    """Accepts or rejects samples, each independently of the others."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Plain JSON that determines every decision; part of the store's origin."""

    def __call__(self, images: Image, class_ids: Ids) -> npt.NDArray[np.bool_]:
        """Whether each sample is accepted, bool [N].

        Args:
            images: uint8 [N, S, S(, 3)].
            class_ids: int64 [N].
        """


class FilterChain:
    """Accepts samples that all filters accept; each filter sees what the ones before it accepted.

    Args:
        filters: the fastest first; no name occurs in the settings of two.
    """

    def __init__(self, filters: Sequence[SampleFilter]) -> None:
        self._filters = tuple(filters)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Of all filters."""
        return {name: value for one in self._filters for name, value in one.settings.items()}

    def __call__(self, images: Image, class_ids: Ids) -> npt.NDArray[np.bool_]:
        """See SampleFilter."""
        accepted = np.ones(len(images), np.bool_)
        for sample_filter in self._filters:
            accepted[accepted] = sample_filter(images[accepted], class_ids[accepted])
        return accepted
