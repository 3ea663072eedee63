import numpy as np
import pytest

from hwgen.evaluation.metrics import near_copies
from hwgen.evaluation.metrics.near_copies import CopyResult, CopyTest, Pair


def cloud(count: int, seed: int, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, (count, 16)).astype(np.float32)


def compare(
    samples: np.ndarray, training: np.ndarray, held_out: np.ndarray | None = None
) -> CopyResult:
    test = CopyTest()
    numbers = np.arange(len(samples)) + 100, np.arange(len(training)) + 500
    assert test.add(
        3, samples, training, held_out, sample_records=numbers[0], training_records=numbers[1]
    )
    found = test.result()
    assert found is not None
    return found


def test_new_samples_are_like_the_reference() -> None:
    found = compare(cloud(500, 0), cloud(500, 1), cloud(500, 2))
    assert found.fraction < 0.04
    assert found.reference_fraction < 0.04
    assert found.exact == 0
    assert found.median == pytest.approx(1, abs=0.05)
    assert found.nearer == pytest.approx(0.5, abs=0.07)
    assert found.reference_nearer == pytest.approx(0.5, abs=0.07)


def test_copies_are_detected_and_paired() -> None:
    training = cloud(100, 0)
    samples = np.concatenate([training[40:42], training[:30] + cloud(30, 1, 0.01), cloud(8, 2)])
    found = compare(samples, training, cloud(100, 3))
    assert found.samples == 40
    assert found.exact == 2
    assert found.fraction == 32 / 40
    assert found.nearer is not None
    assert found.nearer >= 32 / 40
    assert found.reference_nearer == pytest.approx(0.5, abs=0.15)
    assert found.pairs[:2] == (Pair(3, 100, 540, 0.0), Pair(3, 101, 541, 0.0))
    assert [pair.sample - 102 for pair in found.pairs[2:]] == [
        pair.training - 500 for pair in found.pairs[2:]
    ]


def test_blurred_samples_are_near_to_everything_but_not_copies() -> None:
    test, numbers = CopyTest(), np.arange(20)
    # Many classes: blurred samples of one class are all nearest to the same few points.
    for class_id in range(100):
        sets = (cloud(20, 3 * class_id + i, scale) for i, scale in enumerate((0.1, 1, 1)))
        test.add(class_id, *sets, sample_records=numbers, training_records=numbers)
    found = test.result()
    assert found is not None
    assert found.fraction > 3 * found.reference_fraction  # distances alone do not distinguish them
    assert found.nearer == pytest.approx(0.5, abs=0.12)
    assert found.reference_nearer == pytest.approx(0.5, abs=0.05)


def test_without_held_out_samples_the_reference_is_the_quantile() -> None:
    found = compare(cloud(20, 0), cloud(20, 1))
    assert (found.reference_fraction, found.nearer, found.reference_nearer) == (0.01, None, None)


def test_classes_are_measured_in_their_own_units() -> None:
    test = CopyTest()
    for class_id, scale in enumerate((1.0, 100.0)):
        numbers = np.arange(200)
        test.add(
            class_id,
            cloud(200, 2 * class_id, scale),
            cloud(200, 2 * class_id + 1, scale),
            sample_records=numbers,
            training_records=numbers,
        )
    found = test.result()
    assert found is not None
    assert found.samples == 400
    assert {pair.class_id for pair in found.pairs} == {0, 1}
    assert len(found.pairs) == near_copies.PAIRS
    assert [p.distance for p in found.pairs] == sorted(p.distance for p in found.pairs)


def test_distances_and_limit_by_hand() -> None:
    training = np.array([[0], [1], [3], [7]], np.float32)  # nearest others: 1, 1, 2, 4
    found = compare(np.array([[0.5], [7]], np.float32), training)
    assert found.limit == pytest.approx(np.quantile([1 / 1.5, 1 / 1.5, 2 / 1.5, 4 / 1.5], 0.01))
    assert [pair.distance for pair in found.pairs] == pytest.approx([0, 0.5 / 1.5])
    assert found.fraction == 1.0


@pytest.mark.parametrize("training", [np.zeros((1, 4)), np.zeros((0, 4)), np.zeros((3, 4))])
def test_a_class_without_two_different_training_samples_is_left_out(training: np.ndarray) -> None:
    test = CopyTest()
    samples = np.ones((2, 4), np.float32)
    numbers = np.arange(len(training))
    assert not test.add(
        0,
        samples,
        training.astype(np.float32),
        sample_records=np.arange(2),
        training_records=numbers,
    )
    assert test.result() is None


def test_one_held_out_sample_has_no_reference() -> None:
    found = compare(cloud(4, 0), cloud(5, 1), cloud(1, 2))
    assert found.nearer is not None
    assert found.reference_nearer is None
