import numpy as np

from hwgen.imaging.hash_noise import _bits, combined, mixed, normal, uniform

KEYS = combined(np.arange(200, dtype=np.uint64), np.array(3))


def test_numbers_have_the_moments_of_their_distribution() -> None:
    numbers = normal(KEYS[:, None], np.arange(500))
    assert numbers.shape == (200, 500)
    assert abs(numbers.mean()) < 0.01
    assert abs(numbers.std() - 1) < 0.01
    assert np.abs(numbers).max() <= 3.47
    values = uniform(KEYS[:, None], np.arange(500))
    assert 0 <= values.min() < 0.001
    assert 0.999 < values.max() < 1
    assert abs(values.mean() - 0.5) < 0.005


def test_keys_and_indices_are_unrelated() -> None:
    numbers = normal(KEYS[:, None], np.arange(500))
    assert abs(np.corrcoef(numbers[:-1].ravel(), numbers[1:].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(numbers[:, :-1].ravel(), numbers[:, 1:].ravel())[0, 1]) < 0.01


def test_a_number_depends_on_its_key_and_index_alone() -> None:
    numbers = normal(KEYS[:, None], np.arange(50))
    assert normal(KEYS[7:8], np.array([13]))[0] == numbers[7, 13]


def test_the_finaliser_is_splitmix64() -> None:
    # The first output of splitmix64 with seed 0, from the reference implementation.
    golden = np.array([0x9E3779B97F4A7C15], np.uint64)
    assert int(mixed(golden)[0]) == 0xE220A8397B1DCDAF


def test_a_normal_number_is_the_sum_of_its_four_words() -> None:
    keys = mixed(np.arange(500, dtype=np.uint64))
    words = _bits(keys, np.array(3))[..., None].view(np.uint16).astype(np.float32)
    total = (words / np.float32(65535)).sum(axis=-1)
    np.testing.assert_array_equal(normal(keys, np.array(3)), (total - 2) * np.float32(3**0.5))
