from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.recogniser.network import AugmentationSpec, RecogniserRecipe
from hwgen.record import Image, Record
from hwgen.store import Store, StoreWriter

MakeStore = Callable[..., Store]


def stroke(kind: int, rng: np.random.Generator, size: int) -> Image:
    """A class is the direction of one noisy stroke: across, down, or both."""
    image = np.full((size, size), 255, np.uint8)
    place = size // 2 + int(rng.integers(-1, 2))
    if kind in (0, 2):
        image[place - 1 : place + 1, 2:-2] = rng.integers(0, 90)
    if kind in (1, 2):
        image[2:-2, place - 1 : place + 1] = rng.integers(0, 90)
    return image


@pytest.fixture
def make_store(tmp_path: Path) -> MakeStore:
    """Builds stores of strokes of the classes 一, 丨 and 十."""

    def make(
        name: str,
        *,
        per_class: int = 8,
        size: int = 16,
        seed: int = 0,
        channels: int = 1,
        kind: str = "gnt",
        labels: str = "一丨十",
        writers: tuple[str, ...] = ("w1", "w2"),
    ) -> Store:
        rng = np.random.default_rng(seed)
        with StoreWriter(tmp_path / name, size=size, channels=channels, recipe={}) as writer:
            for index in range(per_class):
                for place, label in enumerate(labels):
                    image = stroke(place, rng, size)
                    if channels == 3:
                        image = np.stack([image] * 3, axis=2)
                    who = writers[index % len(writers)]
                    writer.add(Record(image, label, who, name, index))
            return writer.finish(charset=Charset(tuple(labels)), origin={"kind": kind})

    return make


@pytest.fixture
def toy() -> RecogniserRecipe:
    """Learns the strokes within seconds."""
    return RecogniserRecipe(
        size=16,
        widths=((4,), (8,)),
        hidden=16,
        dropout=0.1,
        steps=40,
        batch=12,
        lr=1e-2,
        label_smoothing=0.0,
        augmentation=AugmentationSpec(
            rotate=5, shear=0.05, scale=0.05, translate=0.03, elastic=0.01
        ),
    )
