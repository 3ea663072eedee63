from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError
from hwgen.experiments.lift.subsets import choose, held_out, rare_classes, write_subset
from hwgen.results.lift import ALL
from hwgen.store import Store

LABELS = np.repeat([0, 1, 2], [30, 20, 4])
CHARSET = Charset(("一", "丨", "十"))


def test_held_out_records_are_the_same_always_and_leave_enough() -> None:
    kept = held_out(LABELS, 8)
    assert np.bincount(LABELS[kept]).tolist() == [8, 6, 1]
    np.testing.assert_array_equal(kept, held_out(LABELS, 8))
    assert not held_out(LABELS, 0).any()


def test_a_subset_has_the_given_counts_and_nothing_held_out() -> None:
    free = ~held_out(LABELS, 8)
    drawn = choose(LABELS, free, np.array([5, ALL, 2]), seed=0, charset=CHARSET)
    assert np.bincount(LABELS[drawn]).tolist() == [5, 14, 2]
    assert free[drawn].all()
    assert (np.diff(drawn) > 0).all()
    larger = choose(LABELS, free, np.array([9, ALL, 3]), seed=0, charset=CHARSET)
    assert set(drawn) < set(larger)
    assert set(drawn) != set(choose(LABELS, free, np.array([5, ALL, 2]), seed=1, charset=CHARSET))


def test_subsets_larger_than_the_store_are_refused() -> None:
    with pytest.raises(InputError, match="expected 5 samples of 十, found 4"):
        choose(LABELS, np.ones(54, bool), np.array([1, 1, 5]), seed=0, charset=CHARSET)


def test_each_seed_chooses_other_records() -> None:
    labels = np.repeat(np.arange(3), 50)
    free = np.ones(len(labels), bool)
    chosen = [choose(labels, free, np.full(3, 10), seed, CHARSET).tolist() for seed in (0, 0, 1, 2)]
    assert chosen[0] == chosen[1]
    assert len(set(map(tuple, chosen))) == 3
    for class_id in range(3):  # of every class
        own = [[i for i in one if labels[i] == class_id] for one in chosen[1:]]
        assert len(set(map(tuple, own))) == 3


def test_rare_classes_have_few_records() -> None:
    charset = Charset(tuple("甲乙丙丁"))
    assert rare_classes(LABELS, charset).tolist() == [False, False, True, True]
    assert rare_classes(LABELS, charset, "乙甲").tolist() == [True, True, False, False]
    with pytest.raises(InputError, match="none is rare"):
        rare_classes(np.repeat([0, 1], [10, 9]), Charset(("甲", "乙")))
    with pytest.raises(InputError, match=r"all classes with samples are rare \(3 of 4 classes\)"):
        rare_classes(LABELS, charset, "甲乙丙")
    with pytest.raises(CharsetError, match="戊"):
        rare_classes(LABELS, charset, "甲戊")


def test_a_subset_is_a_store_of_the_same_records(
    make_store: Callable[..., Store], tmp_path: Path
) -> None:
    store = make_store("whole")
    part = write_subset(store, [3, 14, 30], tmp_path / "part")
    assert part.charset == store.charset
    np.testing.assert_array_equal(part.all_images(), store.images([3, 14, 30]))
    assert part.record(1).writer == store.record(14).writer
    assert not part.is_synthetic
    assert part.manifest.origin["of"] == store.manifest.content_sha256
    assert write_subset(store, [3, 14, 30], tmp_path / "part").path == part.path


def test_subsets_count_as_real(make_store: Callable[..., Store], tmp_path: Path) -> None:
    assert not write_subset(make_store("s"), [0], tmp_path / "part").is_synthetic
