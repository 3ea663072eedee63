"""A toy run to export."""

from dataclasses import replace

import pytest

from hwgen.generators.gan.presets import Recipe
from hwgen.generators.gan.training import train
from hwgen.runs import Run
from hwgen.store import Store


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy nets are quickest, and equal bit by bit, on one thread."""


@pytest.fixture(scope="module")
def run(toy_store: Store, toy_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = replace(toy_recipe, images=8, every=4)
    made = train(toy_store, tmp_path_factory.mktemp("model") / "run", recipe, device="cpu")
    made.log({"images": 4, "purity": 0.5, "diversity": 0.9, "recogniser": "0123456789abcdef"})
    return made
