from collections.abc import Iterator

import numpy as np
import pytest
import torch

from hwgen.charset import Charset
from hwgen.errors import RunError
from hwgen.generators.refiner.recipe import RefinerRecipe
from hwgen.generators.refiner.simulated import simulate_classes
from hwgen.progress import Control
from hwgen.sources.simulation.handwriting import simulate_framed
from hwgen.sources.simulation.pen import Item, character_number
from tests.generators.refiner.toy import TOY_STROKES
from tests.trainings import stop_after

CHARSET = Charset(tuple("一丨十口"))


@pytest.mark.parametrize("workers", [1, 2])
def test_classes_are_rendered_by_every_hand(recipe: RefinerRecipe, workers: int) -> None:
    seen: list[tuple[float, float]] = []
    images = simulate_classes(
        TOY_STROKES,
        CHARSET,
        np.array([0, 3]),
        recipe,
        9,
        workers=workers,
        control=Control(lambda done, total, _: seen.append((done, total))),
    )
    assert images.shape == (4, recipe.hands, 16, 16)
    assert images.dtype == torch.uint8
    assert (images[[1, 2]] == 255).all()
    for number, label in ((0, "一"), (3, "口")):
        items = [Item(TOY_STROKES[label], character_number(label), 9, hand) for hand in range(3)]
        np.testing.assert_array_equal(
            images[number].numpy(), simulate_framed(items, recipe.framing)
        )
    assert seen[-1] == (6, 6)


def test_a_stop_ends_it(recipe: RefinerRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_by_one(*_: object, **__: object) -> Iterator[np.ndarray]:
        for _ in range(6):
            yield np.zeros((1, 16, 16), np.uint8)

    monkeypatch.setattr("hwgen.generators.refiner.simulated.render_items", one_by_one)
    control = Control(stop=stop_after(2))
    with pytest.raises(RunError, match="training has not begun"):
        simulate_classes(TOY_STROKES, CHARSET, np.array([0, 3]), recipe, 9, control=control)
