import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.generators.deformation.pairs import Pairs

LABELS = np.array([2, 0, 2, 1, 2, 0, 4])  # classes 1 and 4 have one record, 3 has none


def test_partners_are_different_records_of_one_class() -> None:
    pairs = Pairs(LABELS, 64, seed=3)
    seen = set()
    for step in range(20):
        first, second = pairs.batch(step)
        assert (LABELS[first] == LABELS[second]).all()
        assert (first != second).all()
        seen |= set(zip(first.tolist(), second.tolist(), strict=True))
    assert seen == {(1, 5), (5, 1), *((a, b) for a in (0, 2, 4) for b in (0, 2, 4) if a != b)}


def test_classes_and_pairs_come_equally_often() -> None:
    first, second = Pairs(LABELS, 60_000, seed=0).batch(0)
    assert (LABELS[first] == 0).mean() == pytest.approx(0.5, abs=0.01)
    of_two = LABELS[first] == 2
    for a, b in ((0, 2), (2, 0), (4, 2)):
        share = ((first == a) & (second == b))[of_two].mean()
        assert share == pytest.approx(1 / 6, abs=0.01)


def test_a_batch_depends_on_seed_and_number_alone() -> None:
    one, again = Pairs(LABELS, 32, seed=1), Pairs(LABELS, 32, seed=1)
    one.batch(0)
    np.testing.assert_array_equal(one.batch(5), again.batch(5))
    assert not np.array_equal(one.batch(5), one.batch(6))
    assert not np.array_equal(one.batch(5), Pairs(LABELS, 32, seed=2).batch(5))


def test_single_records_teach_nothing() -> None:
    with pytest.raises(InputError, match="no class has two records"):
        Pairs(np.array([0, 1, 2]), 4, seed=0)
