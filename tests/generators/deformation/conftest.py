from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.generators.deformation.recipe import DeformationRecipe
from hwgen.record import Record
from hwgen.store import Store, StoreWriter

MakeStore = Callable[..., Store]


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy nets are quickest, and equal bit by bit, on one thread."""


@pytest.fixture
def make_store(tmp_path: Path) -> MakeStore:
    """Stores whose classes vary in one way only: a cross or a corner, farther left or right."""

    def make(
        name: str, *, counts: tuple[int, ...] = (8, 8), size: int = 16, channels: int = 1
    ) -> Store:
        rng = np.random.default_rng(0)
        labels = "十口田"[: len(counts)]
        with StoreWriter(tmp_path / name, size=size, channels=channels, recipe={}) as writer:
            for class_id, count in enumerate(counts):
                for index in range(count):
                    unit = size // 16
                    image = np.full((size, size), 255, np.uint8)
                    place = int(rng.integers(4, 12)) * unit
                    image[:, place - unit : place + unit] = 0
                    image[(4 + 4 * class_id) * unit : (6 + 4 * class_id) * unit] = 0
                    if channels == 3:
                        image = np.stack([image] * 3, axis=2)
                    writer.add(Record(image, labels[class_id], "w", name, index))
            return writer.finish(charset=Charset(tuple(labels)), origin={"kind": "gnt"})

    return make


@pytest.fixture
def toy() -> DeformationRecipe:
    return DeformationRecipe(size=16, z_dim=2, width=8, grid=4, batch=16, steps=200, kl=0.05)
