from dataclasses import dataclass
from pathlib import Path

import pytest

from hwgen.errors import InputError
from hwgen.sources.duplicates import unique_by_name


@dataclass(frozen=True)
class Thing:
    name: str
    path: Path


def test_each_once_in_the_order_in_which_it_was_met(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    a, b = Thing("a", tmp_path / "zip"), Thing("b", tmp_path / "zip")
    again = Thing("a", tmp_path / "link" / "zip")
    assert unique_by_name([("1", a), ("2", b), ("1", again)]) == [a, b]
    assert unique_by_name([]) == []


def test_two_things_of_one_name_are_refused(tmp_path: Path) -> None:
    things = [Thing("a", tmp_path / "one"), Thing("a", tmp_path / "two")]
    with pytest.raises(InputError, match=r"one and .*two: two inputs are called a.*rename one"):
        unique_by_name((0, thing) for thing in things)
    # In one file, at two places.
    with pytest.raises(InputError, match="two inputs are called a"):
        unique_by_name(enumerate([things[0], things[0]]))
