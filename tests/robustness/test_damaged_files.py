"""Small files of hwgen that are damaged or foreign: refused with file, place and remedy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.errors import HwgenError, InputError, RunError, StoreError
from hwgen.exports import export_store
from hwgen.exports.staging import FILE as MARKER
from hwgen.exports.staging import read_description
from hwgen.io.json_files import read_object, reading
from hwgen.record import Record
from hwgen.results.trials import Trial, TrialResult
from hwgen.schema import to_json
from hwgen.store import Store, StoreWriter
from hwgen.synthesis.acceptance import FILE as YIELDS
from hwgen.synthesis.acceptance import ClassAcceptance, acceptance_json, read_acceptance

BROKEN = ["", "{", "[]", "null", "3", '"text"', "\ufeff{}", "[" * 100_000, '{"format": NaN}']


@pytest.mark.parametrize("text", BROKEN)
def test_a_file_without_an_object_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text, encoding="utf-8")
    with (
        pytest.raises(RunError, match="is not a thing this version of hwgen can read") as refused,
        reading(file, "a thing", "Do something", raising=RunError),
    ):
        read_object(file, "its-format")
    assert (refused.value.where, refused.value.remedy) == (str(file), "Do something")


def test_the_format_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text('{"format": "a", "format_version": 2}')
    assert read_object(file) == read_object(file, "a", 2)
    for wanted in (("a", 1), ("b", 2)):
        with pytest.raises(ValueError, match="format 'a' version 2"):
            read_object(file, *wanted)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"x\.json: no such file; expected a thing$"),
        reading(tmp_path / "x.json", "a thing"),
    ):
        read_object(tmp_path / "x.json")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    with StoreWriter(tmp_path / "store", size=4, recipe={}) as writer:
        for n in range(6):
            image = np.full((4, 4), n, np.uint8)
            writer.add(Record(image, "一丁"[n % 2], f"w{n % 2}", "file", n))
        return writer.finish(charset=Charset(("一", "丁")), origin={"kind": "gnt"})


Change = Callable[[dict[str, Any]], None]


def changed(made: Any, change: Change) -> str:
    plain = json.loads(json.dumps(made))
    change(plain)
    return json.dumps(plain)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made: made.pop("cell"), r"row lacks the fields \['cell'\]"),
        (lambda made: made["cell"].update(count="5"), "row.cell.count should be int, found '5'"),
        (lambda made: made["right"].__setitem__(0, [1]), r"row.right\[0\] should be int"),
        (lambda made: made.update(right=3), "row.right should be a list"),
        (lambda made: made["right"].append(1), "argument 2 is shorter"),
        (lambda made: made["right"].__setitem__(0, 11), "more samples were read correctly than"),
        (lambda made: made["right"].__setitem__(0, -1), "more samples were read correctly than"),
        (lambda made: made.update(more=1), r"row has unknown fields \['more'\]"),
        (lambda made: made.update(by_writer={"all": {"w": [3, 2]}}), "more samples were read"),
        (lambda made: made.update(by_writer={"all": {"w": [0, 0]}}), "a writer without test samp"),
        (lambda made: made.update(by_writer={"all": {"w": [0]}}), "should have 2 entries"),
    ],
)
def test_an_impossible_trial_is_refused(tmp_path: Path, change: Change, message: str) -> None:
    row = TrialResult(Trial(5, 0, "classical", 0), {"a": 1}, [3, 4], [10, 10], {})
    file = tmp_path / "row.json"
    file.write_text(changed(to_json(row), change))
    with pytest.raises(RunError, match=message) as refused:
        TrialResult.load(file)
    assert (refused.value.where, refused.value.remedy) == (str(file), "Remove it")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made: made.update(drawn="many"), "yield.drawn should be int, found 'many'"),
        (lambda made: made["classes"].update(一=None), "yield.classes.一 should be an object"),
        (lambda made: made["classes"]["一"].pop("kept"), r"lacks the fields \['kept'\]"),
        (lambda made: made.update(short="一"), "yield.short should be a list"),
    ],
)
def test_impossible_acceptance_is_refused(store: Store, change: Change, message: str) -> None:
    made = acceptance_json({label: ClassAcceptance(9, 5, 5) for label in "一丁"}, 5, {})
    file = store.path / YIELDS
    file.write_text(changed(made, change), encoding="utf-8")
    with pytest.raises(StoreError, match=message) as refused:
        read_acceptance(store)
    assert refused.value.where == str(file)


def test_acceptance_without_samples_is_0(store: Store) -> None:
    made = acceptance_json({"一": ClassAcceptance(0, 0, 0)}, 5, {})
    (store.path / YIELDS).write_text(json.dumps(made), encoding="utf-8")
    found = read_acceptance(store)
    assert (found.rate, found.classes["一"].rate) == (0, 0)


ENDS: list[Any] = [3, ["3"], [[3]], [-1], [0], [7], [3, 3], [4, 2], [1 << 40]]


@pytest.mark.parametrize("shards", [None, [], {"other": [6]}, *({"": ends} for ends in ENDS)])
def test_an_export_with_a_forged_description_restarts(
    store: Store, tmp_path: Path, shards: Any
) -> None:
    # Found by the fuzz harness: a negative position, and positions that are not numbers.
    export_store(store, "gnt", tmp_path / "whole")
    told = read_description(tmp_path / "whole")
    assert told is not None
    partial = tmp_path / "out.partial"
    partial.mkdir()
    (partial / MARKER).write_text(json.dumps({**told, "shards": shards}))
    export_store(store, "gnt", tmp_path / "out")
    for name in ("w0.gnt", "w1.gnt"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("text", BROKEN)
def test_a_directory_without_a_readable_description_is_not_touched(
    store: Store, tmp_path: Path, text: str
) -> None:
    for name in ("out", "out.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / MARKER).write_text(text, encoding="utf-8")
        (tmp_path / name / "mine").touch()
        with pytest.raises(HwgenError, match=r"is not an export|out\.partial is in the way"):
            export_store(store, "gnt", tmp_path / "out", overwrite=True)
        assert (tmp_path / name / "mine").exists()
        (tmp_path / name / "mine").unlink()
        (tmp_path / name / MARKER).unlink()
        (tmp_path / name).rmdir()
