import numpy as np
import pytest

from hwgen.errors import CharsetError, InputError
from hwgen.exports.selection import Selection, parse_split
from hwgen.store import Store

from .conftest import MakeStore

HALVES = (("train", 0.5), ("test", 0.5))
TENTHS = (("train", 0.8), ("val", 0.1), ("test", 0.1))


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store(count=200, writers=[f"{n:03d}" for n in range(20)])


def writers_of(store: Store, numbers: np.ndarray) -> set[str]:
    return {store.record(number).writer for number in numbers.tolist()}


def test_all_records_are_in_the_order_of_the_store(store: Store) -> None:
    (numbers,) = Selection().subsets(store).values()
    np.testing.assert_array_equal(numbers, np.arange(200))
    assert Selection().charset(store) == store.charset


def test_selected_classes_are_in_the_order_of_the_store(store: Store) -> None:
    some = Selection(classes=("A", "啊"))
    assert list(some.charset(store)) == ["啊", "A"]
    (numbers,) = some.subsets(store).values()
    expected = [n for n in range(200) if store.record(n).label in "啊A"]
    assert numbers.tolist() == expected
    with pytest.raises(CharsetError, match="天"):
        Selection(classes=("天",)).subsets(store)
    with pytest.raises(InputError, match="no record is selected"):
        Selection(classes=("丨",)).subsets(store)


def test_writers_by_ids_and_ranges(store: Store) -> None:
    (numbers,) = Selection(writers="003, 010-012").subsets(store).values()
    assert writers_of(store, numbers) == {"003", "010", "011", "012"}
    assert len(numbers) == 40
    with pytest.raises(InputError, match="no writer '99' among the 20 writers"):
        Selection(writers="99").subsets(store)


def test_a_split_by_writer_shares_no_writer_and_loses_no_record(store: Store) -> None:
    parts = Selection(split=TENTHS).subsets(store)
    writers = {name: writers_of(store, numbers) for name, numbers in parts.items()}
    assert [len(those) for those in writers.values()] == [16, 2, 2]
    assert len(set().union(*writers.values())) == 20
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(200))
    for numbers in parts.values():
        assert (np.diff(numbers) > 0).all()
    again = Selection(split=TENTHS).subsets(store)
    other = Selection(split=TENTHS, split_seed=1).subsets(store)
    np.testing.assert_array_equal(parts["test"], again["test"])
    assert writers_of(store, other["test"]) != writers["test"]


def test_a_split_by_record_divides_each_class(store: Store) -> None:
    parts = Selection(split=HALVES, split_by="record").subsets(store)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(200))
    counts = {n: np.bincount(store.labels[those], minlength=4) for n, those in parts.items()}
    assert np.abs(counts["train"] - counts["test"]).max() <= 1
    other = Selection(split=HALVES, split_by="record", split_seed=1).subsets(store)
    assert set(parts["test"].tolist()) != set(other["test"].tolist())


def test_unknown_writers_cannot_be_selected_or_split(make_store: MakeStore) -> None:
    nameless = make_store("nameless", writers=("",))
    with pytest.raises(InputError, match="does not know the writers"):
        Selection(writers="1").subsets(nameless)
    some = make_store("some", writers=("001", ""))
    with pytest.raises(InputError, match=r"of 11 of 23 records are not known.*--split-by record"):
        Selection(split=HALVES).subsets(some)
    (numbers,) = Selection(writers="001").subsets(some).values()
    assert writers_of(some, numbers) == {"001"}


def test_an_empty_subset_is_refused(make_store: MakeStore) -> None:
    for by in ("writer", "record"):
        with pytest.raises(InputError, match="the subset test would be empty"):
            Selection(split=(("train", 0.99), ("test", 0.01)), split_by=by).subsets(
                make_store(by)  # type: ignore[arg-type]
            )


def test_a_split_is_parsed() -> None:
    assert parse_split("train=0.9, test=.1") == (("train", 0.9), ("test", 0.1))
    assert parse_split("test=1") == (("test", 1.0),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train", "'train' is not of the form"),
        ("a/b=1", "'a/b=1' is not of the form"),
        ("train=0.5,", "'' is not of the form"),
        ("a=0.5,a=0.5", "names a twice"),
        ("a=0.5,b=0.4", "sum to 1"),
        ("a=1,b=0", "above 0"),
    ],
)
def test_a_malformed_split_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_split(text)
