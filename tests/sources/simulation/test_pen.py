import numpy as np
import pytest

from hwgen.sources.simulation.hands import hand_of
from hwgen.sources.simulation.pen import Hands, _averaged


@pytest.mark.parametrize("windows", [(1,), (1, 2, 5, 6, 29), (29, 1, 6, 2, 5), (4, 4)])
def test_averages_are_those_of_each_window_alone(windows: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    window = np.array(windows)
    extra = window // 2
    counts = 2 * extra + rng.integers(1, 40, len(window))
    values = rng.normal(size=(3, counts.sum())).astype(np.float32)
    averages = _averaged(values, window, counts)
    for end, count, width, rest in zip(np.cumsum(counts), counts, windows, extra, strict=True):
        weights = np.hanning(width + 2)[1:-1]
        own = slice(end - count, end)
        for before, after in zip(values[:, own], averages[:, own], strict=True):
            # Windows of even length lag by half.
            padded = np.pad(before.astype(float), (width // 2, (width - 1) // 2))
            true = np.correlate(padded, weights / weights.sum(), "valid")
            inner = slice(rest, count - rest)
            np.testing.assert_allclose(after[inner], true[inner], atol=1e-5)


def test_properties_of_several_hands_are_those_of_each() -> None:
    hands = [hand_of(0, number) for number in range(3)]
    table = Hands(hands)
    for name in ("size", "freedom", "flow", "join", "radius", "pressure", "ink", "grain"):
        true = np.array([getattr(hand, name) for hand in hands], np.float32)
        np.testing.assert_array_equal(getattr(table, name), true)
    np.testing.assert_array_equal(table.warp, [hand.warp for hand in hands])
