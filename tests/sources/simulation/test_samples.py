import numpy as np

from hwgen.charset import Charset
from hwgen.imaging.framing import Framing
from hwgen.sources.simulation.handwriting import simulate_framed
from hwgen.sources.simulation.pen import Item, character_number
from hwgen.sources.simulation.samples import HANDS, SimulatedSamples
from tests.generators.refiner.toy import TOY_STROKES

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
    assert start.writers(np.array([3]), np.array([3]), 5) == ["hand-0007-seed-5"]
