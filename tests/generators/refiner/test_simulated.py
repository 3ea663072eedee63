from collections.abc import Iterator

import numpy as np
import pytest
import torch

from hwgen.charset import Charset
from hwgen.errors import RunError
from hwgen.generators.refiner.recipe import RefinerRecipe
from hwgen.generators.refiner.simulated import HANDS, SimulatedSamples, simulate_classes
from hwgen.imaging.framing import Framing
from hwgen.progress import Control
from hwgen.sources.simulation.handwriting import simulate_framed
from hwgen.sources.simulation.pen import Item, character_number
from tests.generators.refiner.toy import TOY_STROKES
from tests.trainings import stop_after

CHARSET = Charset(tuple("一丨十口"))
IDS = np.repeat([0, 2, 3], 40)
INDICES = np.tile(np.arange(40), 3)
START = SimulatedSamples(CHARSET, TOY_STROKES, Framing(16))


def test_all_is_a_function_of_seed_label_and_index() -> None:
    images = START.images(IDS, INDICES, 5)
    hands, z = START.hands(IDS, INDICES, 5), START.noise(IDS, INDICES, 5, 6)
    assert (images.shape, z.shape, z.dtype) == ((120, 16, 16), (120, 6), np.float32)
    order = np.random.default_rng(0).permutation(120)[:50]
    other = Charset(tuple("口刁十一"))  # other classes and another order
    ids = np.array([other.ids(CHARSET[one])[0] for one in IDS[order].tolist()])
    start = SimulatedSamples(other, TOY_STROKES, Framing(16))
    np.testing.assert_array_equal(start.images(ids, INDICES[order], 5), images[order])
    np.testing.assert_array_equal(start.hands(ids, INDICES[order], 5), hands[order])
    np.testing.assert_array_equal(start.noise(ids, INDICES[order], 5, 6), z[order])
    # A wider z begins with the same numbers.
    np.testing.assert_array_equal(START.noise(IDS, INDICES, 5, 9)[:, :6], z)


def test_seeds_labels_and_indices_give_others() -> None:
    z = START.noise(IDS, INDICES, 5, 6)
    assert len(np.unique(z, axis=0)) == 120
    assert abs(z.mean()) < 0.15
    assert abs(z.std() - 1) < 0.1
    hands = START.hands(IDS, INDICES, 5)
    assert 0 <= hands.min() < 200 < 800 < hands.max() < HANDS
    assert len(np.unique(hands)) > 100
    for other in (START.noise(IDS, INDICES, 6, 6), START.noise(IDS, INDICES + 40, 5, 6)):
        assert not (other == z).any()
    images = START.images(IDS, INDICES, 5)
    assert (images != START.images(IDS, INDICES, 6)).any(axis=(1, 2)).all()


def test_one_hand_writes_all_with_one_z_and_never_the_same_twice() -> None:
    start = SimulatedSamples(CHARSET, TOY_STROKES, Framing(16), hand=7)
    assert set(start.hands(IDS, INDICES, 5).tolist()) == {7}
    assert len(np.unique(start.noise(IDS, INDICES, 5, 6), axis=0)) == 1
    images = start.images(IDS, INDICES, 5)
    assert len(np.unique(images.reshape(120, -1), axis=0)) == 120
    other = SimulatedSamples(CHARSET, TOY_STROKES, Framing(16), hand=8)
    assert (other.noise(IDS, INDICES, 5, 6) != start.noise(IDS, INDICES, 5, 6)).all()
    item = Item(TOY_STROKES["口"], character_number("口"), 5, 7, 3)
    expected = simulate_framed([item], Framing(16))
    np.testing.assert_array_equal(start.images(np.array([3]), np.array([3]), 5), expected)


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
