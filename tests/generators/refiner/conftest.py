"""A toy refiner: 16x16 pixels, three classes of a store, and characters without samples."""

from dataclasses import replace

import pytest

from hwgen.generators.adversarial.recipe import Stage
from hwgen.generators.refiner.recipe import RefinerRecipe
from hwgen.runs import Run
from hwgen.store import Store
from tests.generators.refiner.toy import TOY_RECIPE, TOY_STROKES, ToyStrokes, run_training


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy nets are quickest, and equal bit by bit, on one thread."""


@pytest.fixture(scope="session")
def recipe() -> RefinerRecipe:
    return TOY_RECIPE


@pytest.fixture
def strokes() -> ToyStrokes:
    return ToyStrokes(TOY_STROKES)


@pytest.fixture(scope="session")
def toy_run(
    toy_store: Store, recipe: RefinerRecipe, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """A finished run; read only."""
    out = tmp_path_factory.mktemp("refiner") / "run"
    return run_training(toy_store, out, recipe, ToyStrokes(TOY_STROKES))


@pytest.fixture
def toy_features(recipe: RefinerRecipe) -> RefinerRecipe:
    """The toy recipe at 32x32 pixels, with a D that sees through a recogniser."""
    d = replace(
        recipe.discriminator,
        stages=(Stage(4, 3, 2), Stage(6, 3, 1)),
        norm="none",
        label="projection",
        recogniser_steps=2,
    )
    g = replace(recipe.generator, widths=(4, 6, 8))
    return replace(recipe, size=32, generator=g, discriminator=d)
