import numpy as np
import pytest

from hwgen.evaluation.metrics.diversity import diversity, feature_deviation
from hwgen.imaging.pixel_deviation import SAMPLES, evenly_spaced_records, pixel_deviation


def test_deviation_is_the_mean_over_pixels_of_the_sample_standard_deviation():
    images = np.array([[[0, 10]], [[20, 10]]], np.uint8)
    # Pixel 0: sd of (0, 20) is 14.142; pixel 1 does not vary.
    assert pixel_deviation(images) == pytest.approx(14.1421356 / 2, rel=1e-6)


def test_equal_images_have_no_deviation():
    assert pixel_deviation(np.full((5, 4, 4), 77, np.uint8)) == 0


def test_few_samples_are_all_taken_and_many_are_thinned_evenly():
    labels = np.array([0, 1] * 200, np.int64)
    assert evenly_spaced_records(labels[:20], 1).tolist() == list(range(1, 20, 2))
    chosen = evenly_spaced_records(labels, 1)
    assert len(chosen) == SAMPLES == len(set(chosen.tolist()))
    assert set(labels[chosen]) == {1}
    assert np.unique(np.diff(chosen)).tolist() == [8]
    assert evenly_spaced_records(labels, 7).tolist() == []


def test_ratio_is_over_shared_classes_only():
    found = diversity({"a": 5.0, "b": 30.0, "x": 1.0}, {"a": 10.0, "b": 20.0, "y": 1.0})
    assert found is not None
    assert found.per_class == {"a": 0.5, "b": 1.5}
    assert found.ratio == pytest.approx(35 / 30)


@pytest.mark.parametrize(
    ("synthetic", "real"), [({"a": 1.0}, {"b": 1.0}), ({"a": 1.0}, {"a": 0.0})]
)
def test_nothing_to_compare_gives_none(synthetic: dict[str, float], real: dict[str, float]):
    assert diversity(synthetic, real) is None


def test_feature_deviation_is_the_root_of_summed_variances():
    features = np.array([[0, 1, 5], [2, 1, 8]], np.float32)
    assert feature_deviation(features) == pytest.approx(np.sqrt(2 + 0 + 4.5))
