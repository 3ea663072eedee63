from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwgen.charset import Charset
from hwgen.evaluation.evaluate import Settings, evaluate
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import AugmentationSpec, RecogniserRecipe
from hwgen.recogniser.training import from_stores, train_recogniser
from hwgen.record import Image, Record
from hwgen.store import Store, StoreWriter

LABELS = "一丨十"
SIZE = 16
CPU = torch.device("cpu")

MakeStore = Callable[..., Store]
Evaluate = Callable[..., dict[str, Any]]


def glyph(kind: int, rng: np.random.Generator) -> Image:
    """A class is the direction of one stroke, across, down or both, with noise in position and ink.

    Paper is noisy too, so that no two pictures are equal.
    """
    image = rng.integers(225, 256, (SIZE, SIZE), dtype=np.uint8)
    across, down = rng.integers(4, 11, 2)
    if kind in (0, 2):
        image[across : across + 2, 2:-2] = rng.integers(0, 90, (2, SIZE - 4))
    if kind in (1, 2):
        image[2:-2, down : down + 2] = rng.integers(0, 90, (SIZE - 4, 2))
    return image


@pytest.fixture(scope="session")
def make_store(tmp_path_factory: pytest.TempPathFactory) -> MakeStore:
    """Builds a store of rendered glyphs, or of the given images by class."""

    def make(
        seed: int,
        *,
        kind: str = "gnt",
        per_class: int = 24,
        labels: str = LABELS,
        images: dict[str, list[Image]] | None = None,
        origin: dict[str, object] | None = None,
        charset: str = LABELS,
    ) -> Store:
        rng = np.random.default_rng(seed)
        path = tmp_path_factory.mktemp("store") / f"{kind}{seed}"
        given = images or {
            label: [glyph(LABELS.index(label), rng) for _ in range(per_class)] for label in labels
        }
        with StoreWriter(path, size=SIZE, recipe={}) as writer:
            for label, pictures in given.items():
                for number, image in enumerate(pictures):
                    writer.add(Record(image, label, "", path.name, number))
            return writer.finish(
                charset=Charset(tuple(charset)), origin={"kind": kind, **(origin or {})}
            )

    return make


@pytest.fixture(scope="session")
def toy() -> RecogniserRecipe:
    """Recipe that learns the glyphs within a second."""
    return RecogniserRecipe(
        size=SIZE,
        widths=((8,), (16,)),
        hidden=16,
        dropout=0.0,
        steps=60,
        batch=24,
        lr=1e-2,
        label_smoothing=0.0,
        augmentation=AugmentationSpec(0, 0, 0, 0, 0),
    )


@pytest.fixture(scope="session")
def settings(toy: RecogniserRecipe) -> Settings:
    return Settings(recipe=toy, precision="fp32")


@pytest.fixture(scope="session")
def real(make_store: MakeStore) -> Store:
    return make_store(0)


@pytest.fixture(scope="session")
def real_test(make_store: MakeStore) -> Store:
    return make_store(1)


@pytest.fixture(scope="session")
def recogniser(make_store: MakeStore, toy: RecogniserRecipe) -> Recogniser:
    """A recogniser trained on other real samples."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    own = from_stores([make_store(2, per_class=40)], RecogniserRecipe(size=SIZE), CPU)
    found = train_recogniser(own, toy, seed=0, device=CPU, precision="fp32")
    torch.set_num_threads(threads)
    assert found is not None
    return found


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "judged"


@pytest.fixture
def evaluated(
    real: Store, real_test: Store, recogniser: Recogniser, settings: Settings, out: Path
) -> Evaluate:
    def call(synthetic: Store, **changes: Any) -> dict[str, Any]:
        options = {"out": out, "settings": settings, "device": CPU, "recogniser": recogniser}
        given = {**options, "real_test": real_test, **changes}
        result = evaluate(synthetic, given.pop("real", real), **given)
        assert result is not None
        return result.to_json()

    return call


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy networks are fastest, and bit-exact, on one thread."""
