from typing import Any

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError
from hwgen.generators.samplers import SamplerBase, check_hand, ids_and_indices, names_of

CHARSET = Charset(("一", "丨", "十"))


class Toy(SamplerBase):
    title = "toy"

    def __init__(self) -> None:
        self.charset, self.size, self.channels = CHARSET, 8, 3
        self.preset, self.provenance = "toy-8", "run 7"


@pytest.mark.parametrize(
    ("labels", "ids", "indices"),
    [
        ("十一十", [2, 0, 2], [0, 0, 1]),
        (["十", "一"], [2, 0], [0, 0]),
        (("一",), [0], [0]),
        ([2, 2, 0], [2, 2, 0], [0, 1, 0]),
        (np.array([1, 1], np.uint8), [1, 1], [0, 1]),
        (range(3), [0, 1, 2], [0, 0, 0]),
        (1, [1], [0]),
        ("", [], []),
        ([], [], []),
    ],
)
def test_text_labels_and_ids_are_numbered(labels: Any, ids: list[int], indices: list[int]) -> None:
    found = ids_and_indices(CHARSET, labels)
    assert (found[0].tolist(), found[1].tolist()) == (ids, indices)
    assert {found[0].dtype, found[1].dtype} == {np.dtype(np.int64)}


def test_given_indices_are_taken() -> None:
    assert ids_and_indices(CHARSET, "十十", [4, 4])[1].tolist() == [4, 4]
    assert ids_and_indices(CHARSET, 2, 9)[1].tolist() == [9]
    with pytest.raises(InputError, match="an index for each of 2 samples, found 1"):
        ids_and_indices(CHARSET, "十一", [0])


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (
            "天一地",
            CharsetError,
            r"2 of 3 characters.*: 天地\. The classes are .*see .classes.*refin",
        ),
        (["一", "x"], CharsetError, "1 of 2 characters"),
        ([0, 3], InputError, "class id 3 does not exist; the generator has 3 classes.*0 to 2"),
        ([-1], InputError, "class id -1"),
        ([0.5], InputError, 'array of float64. Give text, such as "永和"'),
        ([[0]], InputError, r"of shape \[N\], found shape \[1, 1\]"),
        (["一", 1], InputError, "expected text, labels or class ids"),
        (None, InputError, "expected text, labels or class ids"),
    ],
)
def test_what_cannot_be_sampled_is_refused(labels: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        ids_and_indices(CHARSET, labels)


def test_only_text_and_lists_of_text_have_names() -> None:
    assert names_of("ab") == names_of(["a", "b"]) == ["a", "b"]
    assert names_of([1]) is names_of(np.arange(2)) is None


@pytest.mark.parametrize("hand", [-1, 1.5, "3", 1 << 70])
def test_hands_are_numbers_from_0(hand: Any) -> None:
    with pytest.raises(InputError, match="hand should be"):
        check_hand(hand)
    for good in (None, 0, np.int64(7)):
        check_hand(good)


def test_a_sampler_shows_what_it_is_and_has_no_hands_by_default() -> None:
    assert repr(Toy()) == "Toy(toy-8: 3 classes, 8x8 colour, run 7)"
    assert Toy().classes == ["一", "丨", "十"]
    with pytest.raises(InputError, match=r"a toy has nothing between two hands\. Interpolate with"):
        Toy().interpolate("一", (0, 1))
