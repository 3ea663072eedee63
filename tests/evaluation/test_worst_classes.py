import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.evaluation.worst_classes import worst_classes
from hwgen.results.parts import WorstClass


def test_worst_classes_are_counted_over_all_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    first = np.array([[0, 9], [0, 9], [2, 1], [0, 1], [2, 9], [1, 9]])
    second = np.array([[0, 9], [0, 9], [2, 1], [1, 0], [2, 9], [2, 9]])
    charset = Charset(("己", "已", "巳", "空"))
    found = worst_classes([first, second], labels, charset)
    assert found == (
        WorstClass("已", accuracy=0.25, count=4, read_as={"巳": 2, "己": 1}),
        WorstClass("巳", accuracy=0.75, count=4, read_as={"已": 1}),
    )
    monkeypatch.setattr("hwgen.evaluation.worst_classes.WORST", 1)
    assert worst_classes([first, second], labels, charset) == found[:1]
