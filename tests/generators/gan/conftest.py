from dataclasses import replace

import pytest

from hwgen.generators.gan.presets import Recipe
from hwgen.generators.gan.sampling import Sampler
from hwgen.generators.gan.training import train
from hwgen.runs import Run
from hwgen.store import Store


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy nets are quickest, and equal bit by bit, on one thread."""


@pytest.fixture(scope="session")
def run(toy_store: Store, toy_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = replace(toy_recipe, images=200)
    out = tmp_path_factory.mktemp("sampling") / "run"
    return train(toy_store, out, recipe, device="cpu", precision="fp32")


@pytest.fixture
def sampler(run: Run) -> Sampler:
    return Sampler.load(run, device="cpu")


@pytest.fixture(scope="session")
def unconditional(
    toy_store: Store, toy_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    recipe = replace(toy_recipe, images=8, every=8, conditional=False)
    out = tmp_path_factory.mktemp("unconditional") / "run"
    return train(toy_store, out, recipe, device="cpu", precision="fp32")
