from pathlib import Path

import pytest

from hwgen.errors import InputError
from hwgen.sources.casia_files import RawFile
from hwgen.sources.writer_selection import ALL_WRITERS, WriterSelection, select_files


def files(*writers: str) -> list[RawFile]:
    return [RawFile(f"{writer}.pot", writer, 1, Path(f"{writer}.pot")) for writer in writers]


TEN = files(*(str(1001 + n) for n in range(10)))


def chosen(choice: WriterSelection, of: list[RawFile] = TEN) -> list[str]:
    return [file.writer for file in select_files(of, choice)]


def test_by_default_everyone_is_taken() -> None:
    assert select_files(TEN, ALL_WRITERS) == TEN
    assert chosen(ALL_WRITERS, files("", "a")) == ["", "a"]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("1003", ["1003"]),
        ("1008-2000", ["1008", "1009", "1010"]),
        ("1009, 1001-1002", ["1001", "1002", "1009"]),
    ],
)
def test_ids_and_ranges_are_taken_in_the_order_of_the_files(
    named: str, expected: list[str]
) -> None:
    assert chosen(WriterSelection(named)) == expected


def test_an_id_need_not_be_a_number() -> None:
    mixed = files("C001", "001", "12-13")
    assert chosen(WriterSelection("C001,12-13"), mixed) == ["C001", "12-13"]
    assert chosen(WriterSelection("1-1"), mixed) == ["001"]


@pytest.mark.parametrize("named", ["1011", "1011-1020", "1001,1011", "1001,", "1003-1001"])
def test_a_writer_who_is_not_there_is_named(named: str) -> None:
    with pytest.raises(InputError, match=r"no writer '.*' among the 10 writers \(1001, .*…\)"):
        chosen(WriterSelection(named))


@pytest.mark.parametrize(("share", "count"), [(0.1, 1), (0.01, 1), (0.3, 3), (0.9, 9)])
def test_the_two_parts_complete_each_other(share: float, count: int) -> None:
    train, test = (chosen(WriterSelection("", share, part, 5)) for part in ("train", "test"))  # type: ignore[arg-type]
    assert len(test) == count
    assert sorted(train + test) == chosen(ALL_WRITERS)


def test_the_split_depends_on_the_seed_and_not_on_the_order() -> None:
    splits = [chosen(WriterSelection("", 0.3, "test", seed)) for seed in range(4)]
    assert len({tuple(split) for split in splits}) > 1
    for seed, split in enumerate(splits):
        assert set(chosen(WriterSelection("", 0.3, "test", seed), TEN[::-1])) == set(split)


def test_holding_out_counts_among_the_named() -> None:
    test = chosen(WriterSelection("1001-1004", 0.25, "test"))
    train = chosen(WriterSelection("1001-1004", 0.25, "train"))
    assert (len(test), len(train)) == (1, 3)


def test_files_of_unknown_writers_cannot_be_split() -> None:
    for choice in (WriterSelection("1001"), WriterSelection("", 0.1)):
        with pytest.raises(InputError, match="names of 1 files contain no writer id"):
            chosen(choice, [*TEN, *files("")])


def test_a_split_must_leave_someone() -> None:
    with pytest.raises(InputError, match="of 1 writers leaves none to train on"):
        chosen(WriterSelection("1001", 0.5))
    for share in (-0.1, 1.0):
        with pytest.raises(InputError, match="held-out fraction"):
            WriterSelection("", share)
    with pytest.raises(InputError, match="needs held-out writers"):
        WriterSelection("", 0.0, "test")
