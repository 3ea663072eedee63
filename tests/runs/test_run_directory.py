import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hwgen.charset import Charset
from hwgen.errors import RecipeChangedError, RunError
from hwgen.io.locks import file_lock
from hwgen.runs import Run, begin_or_continue, run_directory

BEGUN: dict[str, Any] = {
    "kind": "gan",
    "recipe": {"batch": 4, "loss": {"a": 0.0}, "stages": ((1, 2), (3, 4))},
    "seed": 0,
    "charset": Charset(("一", "丨")),
    "data": {"count": 30},
}


def begin(path: Path, **changes: Any) -> Run:
    return begin_or_continue(path, **{**BEGUN, **changes})


def test_a_run_is_read_back(tmp_path: Path) -> None:
    run = begin(tmp_path / "deep" / "run")
    again = Run(run.path)
    assert again.id == run.id == begin(run.path).id
    assert (again.kind, again.seed, again.data) == ("gan", 0, {"count": 30})
    assert again.charset == BEGUN["charset"]
    assert again.recipe["stages"] == [[1, 2], [3, 4]]
    assert again.snapshots() == []
    assert again.versions["hwgen"]


def test_where_the_data_came_from_is_told_and_decides_nothing(tmp_path: Path) -> None:
    first = begin(tmp_path / "run", origin={"kind": "gnt"})
    again = begin(tmp_path / "run", origin={"kind": "images"})
    assert again.origin == first.origin == {"kind": "gnt"}
    assert begin(tmp_path / "other").id == first.id
    assert Run(tmp_path / "other").origin == {}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"recipe": {**BEGUN["recipe"], "loss": {"a": -1.0}}}, "recipe.loss.a: 0.0 -> -1.0"),
        ({"recipe": {**BEGUN["recipe"], "more": 1}}, "recipe.more: absent -> 1"),
        ({"seed": 1}, "seed: 0 -> 1"),
        ({"data": {"count": 31}}, "data.count: 30 -> 31"),
        ({"charset": Charset(("丨", "一"))}, "charset: "),
        ({"kind": "recogniser"}, "kind: gan -> recogniser"),
    ],
)
def test_what_changed_is_refused_and_listed(
    tmp_path: Path, changes: dict[str, Any], line: str
) -> None:
    first = begin(tmp_path / "run")
    with pytest.raises(RecipeChangedError, match="started with other settings") as caught:
        begin(tmp_path / "run", **changes)
    assert line in str(caught.value)
    assert str(caught.value).count("->") == 2  # the heading and one difference
    assert begin(tmp_path / "elsewhere", **changes).id != first.id


@pytest.mark.parametrize("name", run_directory.LENGTHS)
def test_a_run_may_become_longer_and_nothing_else(tmp_path: Path, name: str) -> None:
    short, long, other = ({**BEGUN["recipe"], name: n} for n in (8, 16, "more"))
    first = begin(tmp_path / "run", recipe=short)
    again = begin(first.path, recipe=long)
    assert again.recipe[name] == 8
    with again.locked():
        again.lengthen(long)
    after = Run(first.path)
    assert (after.recipe, after.id) == ({**first.recipe, name: 16}, first.id)
    assert begin(first.path, recipe=long).id == first.id
    with again.locked():
        after.lengthen(short)
    assert Run(first.path).recipe[name] == 16
    for changes in ({"recipe": short}, {"recipe": other}, {"recipe": long, "seed": 1}):
        with pytest.raises(RecipeChangedError, match="only the length may grow"):
            begin(first.path, **changes)


def test_foreign_places_are_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.jpg").write_bytes(b"cat")
    file = tmp_path / "file"
    file.write_text("text")
    for place in (folder, file):
        with pytest.raises(RunError, match="already exists and is not a run"):
            begin(place)
    with pytest.raises(RunError, match="cannot be written"):
        begin(file / "below")
    assert [path.name for path in folder.iterdir()] == ["cat.jpg"]


def test_an_empty_folder_and_a_killed_beginning_can_be_used(tmp_path: Path) -> None:
    (tmp_path / ".run.json.hwgen-tmp").write_text('{"half')
    (tmp_path / "lock").touch()
    assert begin(tmp_path).id == Run(tmp_path).id


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"format": "hwgen-run", "format_version": 99}', "\xff"]
)
def test_files_that_are_no_runs_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content, encoding="latin-1")
    with pytest.raises(RunError, match=r"run.json: is not a run this version of hwgen can read"):
        Run(tmp_path)


def test_a_missing_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no run here.*hwgen train"):
        Run(tmp_path / "none")


def test_the_log_skips_a_line_cut_short_and_rewinds(tmp_path: Path) -> None:
    run = begin(tmp_path / "run")
    assert run.read_log() == []
    entries = [{"images": n, "字": "一"} for n in (0, 100, 200, 300)]
    for entry in entries:
        run.log(entry)
    log = run.path / "log.jsonl"
    with open(log, "a", encoding="utf-8") as file:
        file.write('{"images": 400, "lo')
    assert run.read_log() == entries
    run.rewind_log(200)
    assert run.read_log() == entries[:3]
    run.log({"images": 250})
    assert [json.loads(line)["images"] for line in log.read_text("utf-8").splitlines()] == [
        0,
        100,
        200,
        250,
    ]
    run.rewind_log(-1)
    assert run.read_log() == []


def test_snapshots_are_in_order_of_images(tmp_path: Path) -> None:
    run = begin(tmp_path / "run")
    run.weights(0).parent.mkdir()
    for images in (1_000_000_000, 200, 30_000):
        run.weights(images).touch()
    (run.path / "weights" / "000000300.safetensors.tmp").touch()
    (run.path / "weights" / "mine.safetensors").touch()
    assert [int(path.stem) for path in run.snapshots()] == [200, 30_000, 1_000_000_000]


def test_a_run_that_another_process_trains_is_refused(tmp_path: Path) -> None:
    run = begin(tmp_path / "run")
    with run.locked(), pytest.raises(RunError, match="another process"), Run(run.path).locked():
        pass
    with Run(run.path).locked():
        pass


def test_a_run_that_another_process_begins_is_refused(tmp_path: Path) -> None:
    with file_lock(tmp_path / "run" / "lock"), pytest.raises(RunError, match="another process"):
        begin(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["lock"]
    assert begin(tmp_path / "run").id


@pytest.mark.parametrize("seed", [0, 1])
def test_a_run_that_another_process_began_meanwhile_is_opened_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    begun = begin(tmp_path / "first")

    @contextmanager
    def late(path: Path) -> Iterator[bool]:
        shutil.copytree(begun.path, tmp_path / "run")
        with file_lock(path) as ours:
            yield ours

    monkeypatch.setattr(run_directory, "file_lock", late)
    if seed:
        with pytest.raises(RecipeChangedError, match="seed: 0 -> 1"):
            begin(tmp_path / "run", seed=seed)
    assert (Run if seed else begin)(tmp_path / "run").id == begun.id


def test_a_foreign_lock_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("mine")
    with pytest.raises(RunError, match="lock is in the way; hwgen did not make it"):
        begin(tmp_path)
    assert (tmp_path / "lock").read_text() == "mine"
