from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hwgen.record import Image
from hwgen.synthesis.filters import FilterChain


class Above:
    """Accepts images brighter than a limit, and counts its inputs."""

    def __init__(self, limit: int, name: str) -> None:
        self.limit, self.name, self.asked = limit, name, 0

    @property
    def settings(self) -> Mapping[str, Any]:
        return {self.name: self.limit}

    def __call__(self, images: Image, class_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        self.asked += len(images)
        assert len(images) == len(class_ids)
        return np.asarray(images.reshape(len(images), -1).max(axis=1) > self.limit)


def test_all_filters_must_accept_and_later_ones_see_what_is_left() -> None:
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1)
    first, second = Above(3, "first"), Above(6, "second")
    both = FilterChain([first, second])
    assert both(images, np.zeros(10, np.int64)).tolist() == [False] * 7 + [True] * 3
    assert (first.asked, second.asked) == (10, 6)
    assert both.settings == {"first": 3, "second": 6}
    assert FilterChain([])(images, np.zeros(10, np.int64)).all()
