"""What all result files share, and every committed one."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwgen.errors import InputError, RunError
from hwgen.experiments.lift.advice import advise
from hwgen.experiments.lift.convergence import about_training
from hwgen.imaging.contact_sheets import save_sheet
from hwgen.results import version
from hwgen.results.benchmark import Benchmark
from hwgen.results.evaluation import Evaluation
from hwgen.results.files import ResultFile
from hwgen.results.lift import Lift
from hwgen.schema import to_json
from tests.robustness.fuzz.made import made_benchmark, made_evaluation, made_lift

ROOT = Path(__file__).resolve().parents[2]
KINDS: dict[str, type[ResultFile]] = {kind.NAME: kind for kind in (Benchmark, Lift, Evaluation)}
MADE = {
    "benchmark.json": made_benchmark,
    "lift.json": made_lift,
    "evaluation.json": made_evaluation,
}
COMMITTED = [
    file for file in sorted((ROOT / "benchmarks" / "results").rglob("*.json")) if file.name in KINDS
]


def holds(whole: Any, part: Any) -> bool:
    """Whether all of `part` is in `whole`, which may have more keys; 1 and 1.0 are equal."""
    if isinstance(part, dict):
        return all(key in whole and holds(whole[key], value) for key, value in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(holds, whole, part))
    return bool(whole == part)


def test_there_are_committed_files_of_each_kind() -> None:
    assert {file.name for file in COMMITTED} == set(KINDS)


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: str(file.parent.relative_to(ROOT)))
def test_a_committed_file_is_loaded_and_saved_without_loss(file: Path, tmp_path: Path) -> None:
    kind = KINDS[file.name]
    found = kind.load(file)
    assert found.folder == file.parent
    plain = json.loads(file.read_text("utf-8"))
    assert holds(found.to_json(), plain)
    found.save(tmp_path)
    saved = json.loads((tmp_path / kind.NAME).read_text("utf-8"))
    assert holds(saved, {**plain, "commit": version.commit()})


@pytest.mark.parametrize(
    "file",
    [file for file in COMMITTED if file.name == Lift.NAME],
    ids=lambda file: str(file.parent.relative_to(ROOT)),
)
def test_a_committed_lift_gives_the_advice_of_this_version(file: Path) -> None:
    lift = Lift.load(file)
    amount = lift.experiment["amounts"][0]
    figures = lift.accuracy_entries, lift.difference_entries, lift.generator_difference_entries
    first = lift.generators[0].name if lift.generators else ""
    advice = advise(*figures, lift.groups[0], amount, lift.steps, lift.baseline, first)
    steps = 0 if lift.experiment.get("steps") else lift.config["recipe"]["steps"]
    training = about_training(lift.accuracy_entries, lift.groups[0], steps)
    seen = [one.seen for one in lift.generators]
    # Files of earlier versions say nothing of the length of training.
    with_or_without = ([advice, training, *seen], [advice, *seen])
    assert lift.advice in [" ".join(filter(None, parts)) for parts in with_or_without]


@pytest.mark.parametrize("name", KINDS)
def test_a_file_names_the_commit_that_made_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, file = KINDS[name], tmp_path / name
    file.write_text(json.dumps(MADE[name]()), encoding="utf-8")
    old = kind.load(file)
    assert old.commit == ""  # files without the key are read
    monkeypatch.setattr(version, "commit", lambda: "c" * 40)
    saved = old.save(tmp_path / "new")
    assert saved == kind.load(tmp_path / "new")
    assert (saved.commit, saved.folder) == ("c" * 40, tmp_path / "new")
    assert json.loads((tmp_path / "new" / name).read_text("utf-8"))["commit"] == "c" * 40
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [name]


def test_the_commit_is_that_of_the_checkout_or_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert re.fullmatch(r"([0-9a-f]{40}(-dirty)?)?", version.commit())
    version.commit.cache_clear()
    monkeypatch.setattr(version, "_ROOT", tmp_path)  # installed without a repository
    assert version.commit() == ""
    (tmp_path / ".git").mkdir()  # no repository that git accepts
    version.commit.cache_clear()
    assert version.commit() == ""
    version.commit.cache_clear()
    monkeypatch.setenv("PATH", "")  # no git
    assert version.commit() == ""
    version.commit.cache_clear()


def test_only_keys_of_the_format_are_written() -> None:
    plain = {**made_evaluation(), "later": 1}
    assert "folder" not in plain
    assert "low" in plain["figures"]["purity"]
    assert "low" not in plain["figures"]["frechet"]
    assert to_json({"a": (1, 2)}) == {"a": [1, 2]}


@pytest.mark.parametrize("kind", KINDS.values())
def test_only_results_of_the_same_kind_are_replaced(kind: type[ResultFile], tmp_path: Path) -> None:
    kind.check_folder(tmp_path / "new", ["a.png"])
    file, sheet = tmp_path / kind.NAME, tmp_path / "a.png"
    file.write_text(json.dumps(MADE[kind.NAME]()), encoding="utf-8")
    kind.check_folder(tmp_path, ["a.png"])
    save_sheet(sheet, np.zeros((1, 8, 8), np.uint8), 1)
    kind.check_folder(tmp_path, ["a.png"])
    sheet.write_bytes(b"mine")
    with pytest.raises(InputError, match=r"a\.png: already exists, and hwgen did not write it"):
        kind.check_folder(tmp_path, ["a.png"])
    file.write_text(json.dumps({"format": kind.FORMAT, "images": ["a.png"]}), encoding="utf-8")
    kind.check_folder(tmp_path, ["a.png"])  # of a version that did not mark its images
    for mine in ("{}", "mine", "[]"):
        file.write_text(mine)
        with pytest.raises(InputError, match="hwgen did not write it"):
            kind.check_folder(tmp_path)
        assert file.read_text() == mine


@pytest.mark.parametrize("mark", ["data.mdb", "run.json", "model.safetensors", ".export.json"])
def test_results_are_not_saved_into_a_store_a_run_or_an_export(mark: str, tmp_path: Path) -> None:
    (tmp_path / mark).touch()
    with pytest.raises(RunError, match="Give another --out"):
        Lift.check_folder(tmp_path)
    with pytest.raises(RunError, match="is not a directory"):
        Lift.check_folder(tmp_path / mark)
