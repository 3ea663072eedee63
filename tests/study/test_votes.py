import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hwgen.errors import InputError
from hwgen.study.page import Study
from hwgen.study.votes import read_ballots, read_key

Export = Callable[..., Path]


@pytest.fixture
def export(study: Study, tmp_path: Path) -> Export:
    """A file as the page saves it: "left" on the first pairs."""

    def make(name: str, **changes: Any) -> Path:
        pairs = list(read_key(study.key).pairs)[:3]
        value = {
            "format": "hwgen-votes",
            "format_version": 1,
            "study": study.id,
            "voter": {"id": name, "name": ""},
            "votes": [{"pair": pair, "choice": "left", "ms": 500} for pair in pairs],
            **changes,
        }
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(value), encoding="utf-8")
        return file

    return make


def test_choices_become_a_and_b(study: Study, export: Export) -> None:
    key = read_key(study.key)
    one, two = read_ballots([export("one"), export("two", voter={"id": "2", "name": "Li"})], key)
    first = list(key.pairs.values())[:3]
    assert one.choices == {pair.id: pair.left for pair in first}
    assert one.lefts == 3
    assert (one.voter, two.voter) == ("one", "Li")
    right = [{"pair": first[0].id, "choice": "right"}]
    (ballot,) = read_ballots([export("three", votes=right)], key)
    assert {first[0].left, ballot.choices[first[0].id]} == {"a", "b"}
    assert ballot.lefts == 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"format": "other"}, "is not an export of votes this version of hwgen can read"),
        ({"format_version": 2}, "version 2"),
        ({"study": "feed"}, "holds votes of study 'feed', but the key is of study "),
        ({"votes": [{"pair": "x", "choice": "left"}]}, "a vote on pair 'x'"),
        ({"votes": [{"pair": "FIRST", "choice": "both"}]}, "votes[0].choice = 'both' is not one"),
        ({"votes": [{"pair": "FIRST", "choice": "left"}] * 2}, "a vote on pair"),
        ({"votes": [{"choice": "left"}]}, "votes[0] lacks the fields ['pair']"),
        ({"votes": [{"pair": [], "choice": "left"}]}, "votes[0].pair should be str, found []"),
        ({"votes": 3}, "votes should be a list, found 3"),
        ({"voter": "me"}, "voter should be an object, found 'me'"),
    ],
)
def test_votes_that_do_not_match_are_refused(
    study: Study, export: Export, changes: dict[str, Any], text: str
) -> None:
    key = read_key(study.key)
    changes = json.loads(json.dumps(changes).replace("FIRST", next(iter(key.pairs))))
    file = export("bad", **changes)
    with pytest.raises(InputError) as refused:
        read_ballots([file], key)
    assert refused.value.where == str(file)
    assert text in str(refused.value)


def test_other_files_are_not_votes(study: Study, tmp_path: Path) -> None:
    key = read_key(study.key)
    for name, content in (("list", b"[]"), ("text", b"votes"), ("bytes", b"\xff"), ("key", b"{}")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="is not an export of votes"):
            read_ballots([tmp_path / name], key)
    with pytest.raises(InputError, match="is not an export of votes"):
        read_ballots([tmp_path], key)
    with pytest.raises(InputError, match="none: no such file; expected an export of votes"):
        read_ballots([tmp_path / "none"], key)
    with pytest.raises(InputError, match="no votes given"):
        read_ballots([], key)


def test_one_person_counts_once(study: Study, export: Export) -> None:
    files = [export("one"), export("later", voter={"id": "one", "name": "renamed"})]
    with pytest.raises(InputError, match=r"same voter as .*one\.json"):
        read_ballots(files, read_key(study.key))


@pytest.mark.parametrize("field", ["question", "salt", "page_sha256", "pairs", "study", "a"])
def test_a_changed_key_is_refused(study: Study, field: str) -> None:
    value = json.loads(study.key.read_text(encoding="utf-8"))
    if field == "pairs":
        pair = value["pairs"][0]
        pair["left"] = {"a": "b", "b": "a"}[pair["left"]]
    elif field == "a":
        value["a"], value["b"] = value["b"], value["a"]
    else:
        value[field] += "x"
    study.key.write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(InputError, match="was changed after it was written"):
        read_key(study.key)


def test_the_page_and_votes_are_not_a_key(study: Study, export: Export) -> None:
    for file in (study.page, export("one")):
        with pytest.raises(InputError, match="is not an answer key"):
            read_key(file)
    with pytest.raises(InputError, match="none: no such file; expected an answer key"):
        read_key(study.page.parent / "none")
