import numpy as np

from hwgen.sources.strokes.data import COMMON, common_first, resample


def test_resampling_keeps_ends_and_spacing() -> None:
    line = resample(np.array([[0.0, 0.0], [30.0, 0.0], [30.0, 40.0]]), 5)
    np.testing.assert_allclose(line[[0, -1]], [[0, 0], [30, 40]])
    np.testing.assert_allclose(np.hypot(*np.diff(line, axis=0).T), 5)
    assert len(resample(np.array([[0.0, 0.0], [0.1, 0.0]]), 5)) == 2


def test_common_characters_come_first_and_others_keep_their_order() -> None:
    assert len(set(COMMON)) == len(COMMON)
    assert common_first("座一啊的阿") == ["的", "一", "座", "啊", "阿"]
