from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.recogniser.network import AugmentationSpec, RecogniserRecipe
from hwgen.record import Record
from hwgen.store import Store, StoreWriter
from tests.generators.refiner.toy import TOY_STROKES, ToyStrokes, write_graphics

MakeStore = Callable[..., Store]


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy nets are quickest, and equal bit by bit, on one thread."""


@pytest.fixture
def make_store(tmp_path: Path) -> MakeStore:
    """Stores of noisy strokes: across, down, or both."""

    def make(
        name: str,
        *,
        counts: tuple[int, ...] = (12, 12, 12),
        seed: int = 0,
        kind: str = "gnt",
        labels: str = "一丨十",
        size: int = 16,
        writers: tuple[str, ...] = (),
    ) -> Store:
        rng = np.random.default_rng(seed)
        with StoreWriter(tmp_path / name, size=size, recipe={}) as writer:
            for class_id, count in enumerate(counts):
                for index in range(count):
                    image = np.full((size, size), 255, np.uint8)
                    place = 8 + int(rng.integers(-3, 4))
                    if class_id in (0, 2):
                        image[place - 1 : place + 1, 2:-2] = rng.integers(0, 90)
                    if class_id in (1, 2):
                        image[2:-2, place - 1 : place + 1] = rng.integers(0, 90)
                    person = writers[index % len(writers)] if writers else f"w{index}"
                    writer.add(Record(image, labels[class_id], person, name, index))
            return writer.finish(charset=Charset(tuple(labels)), origin={"kind": kind})

    return make


@pytest.fixture
def toy() -> RecogniserRecipe:
    return RecogniserRecipe(
        size=16,
        widths=((4,), (8,)),
        hidden=16,
        steps=10,
        batch=12,
        lr=1e-2,
        augmentation=AugmentationSpec(elastic=0.01),
    )


class Graphics(ToyStrokes):
    """Toy strokes that have a file, as the simulator needs."""

    def __init__(self, path: Path) -> None:
        super().__init__(TOY_STROKES)
        self._path = write_graphics(path)

    @property
    def path(self) -> Path:
        return self._path


@pytest.fixture
def graphics(tmp_path: Path) -> Graphics:
    return Graphics(tmp_path / "graphics.txt")
