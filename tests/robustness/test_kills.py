import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import pytest
import torch

from hwgen.compute.tensor_files import file_hash, load_texts, save_tensors
from hwgen.errors import HwgenError
from hwgen.io.json_files import write_json
from hwgen.record import Record
from hwgen.store import Store, StoreWriter
from tests.robustness.kills import child
from tests.robustness.kills.__main__ import FILE
from tests.robustness.kills.__main__ import main as kills_main
from tests.robustness.kills.contents import contents
from tests.robustness.kills.harness import SERIES, Tally, kill, set_up
from tests.robustness.kills.jobs import JOBS, Job

SLICE = ("prepare-gnt", "train", "synthesize", "export ocr-lmdb", "lift")
"""Kills in these tests; a full run is `python -m tests.robustness.kills`."""


def test_a_few_kills_of_each_command_do_not_change_its_result(tmp_path: Path, root: Path) -> None:
    only = [option for name in SLICE for option in ("--only", name)]
    # In a separate process that has not used torch yet: see tests.robustness.kills.child.
    subprocess.run(
        [sys.executable, "-m", "tests.robustness.kills", "--out", tmp_path, "--kills", "1", *only],
        check=True,
        cwd=root,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    jobs = json.loads((tmp_path / FILE).read_text("utf-8"))["jobs"]
    assert set(jobs) == set(SLICE)
    for name, job in jobs.items():
        moments, operations = (job[series] for series in SERIES)
        assert moments["findings"] == operations["findings"] == [], name
        assert moments["kills"] == sum(moments["fractions"]) == 1
        assert operations["kills"] in (1, 2)
        assert moments["ends"] == moments["equal"] >= 1
        assert operations["ends"] == operations["equal"] >= 1


# The harness itself, with toy commands.

Command = Callable[[], None]


def good() -> None:
    """Like hwgen's commands: every file is whole or absent, and work is resumed."""
    for number in range(4):
        if not Path(f"{number}.json").exists():
            write_json(Path(f"{number}.json"), {"number": number, "seconds": os.getpid()})


def sloppy() -> None:
    """Writes to the final name directly."""
    with open("text.txt", "w", encoding="utf-8") as file:
        file.write("half")
        file.flush()
        Path("other.json").write_text("1")
        file.write("whole")


def cut() -> None:
    with open("other.json", "w", encoding="utf-8") as file:
        file.write("{")
        file.flush()
        write_json(Path("1.json"), 1)
        file.write("}")


def forgetful() -> None:
    """Restarts, and removes finished work."""
    for path in Path().glob("*.json"):
        path.unlink()
    good()


def lossy() -> None:
    """Resumes from its checkpoint only while that is small."""
    file = Path("checkpoint.safetensors")
    step = int(load_texts(file).get("step", "0")) if file.exists() else 0
    for now in range(0 if step > 2 else step + 1, 6):
        save_tensors(file, {"x": torch.zeros(1)}, {"step": str(now)})


def untidy() -> None:
    """Leaves a temporary file for each killed process."""
    mine = Path(f"{os.getpid()}.hwgen-tmp")
    mine.touch()
    write_json(Path("1.json"), 1)
    mine.unlink()


def locked_out() -> None:
    if Path("lock").exists():
        os.write(1, b"somebody else is at work")
        sys.exit(3)
    Path("lock").touch()
    write_json(Path("1.json"), 1)
    Path("lock").unlink()


def different() -> None:
    """Gives another result after a kill."""
    begun = Path("begun.hwgen-tmp").exists()
    Path("begun.hwgen-tmp").touch()
    write_json(Path("1.json"), {"again": begun})
    Path("begun.hwgen-tmp").unlink()


def killed(command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Tally:
    """The findings of kills before each file operation."""
    monkeypatch.setattr(child, "main", command)
    stage = set_up(Job(("toy",)), folder / "job")
    return kill(stage, "toy", "operations", kills=20, seed=0)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_good_command_has_no_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(child, "main", good)
    stage = set_up(Job(("toy",)), tmp_path / "job")
    assert stage.operations == 4 * 4  # opened to write, opened to sync, renamed, nothing removed
    for series in SERIES:
        tally = kill(stage, "toy", series, kills=8, seed=0, progress=lambda t: seen.append(t.kills))
        assert tally.findings == []
        assert tally.ends == tally.equal > 1
        assert tally.kills == tally.left.total() == sum(tally.fractions) == seen[-1]
        assert set(tally.names) <= {"#.json", ".#.json.hwgen-tmp"}
    assert tally.left["unfinished"] > tally.left["nothing"]
    assert tally.longest == 2


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(
    ("command", "finding"),
    [
        (sloppy, "text.txt has its final name and differs from the finished one"),
        (cut, "cannot be read: JSONDecodeError"),
        (forgetful, "0.json was finished and is lost"),
        (lossy, "checkpoint.safetensors had saved "),
        (untidy, ".hwgen-tmp is left over"),
        (locked_out, "ended with 3: somebody else is at work"),
        (different, "1.json differs from an uninterrupted run"),
    ],
)
def test_broken_commands_are_found(
    command: Command, finding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = killed(command, tmp_path, monkeypatch)
    assert any(finding in found["what"] for found in tally.findings), tally.findings


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_failing_or_random_command_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "main", lambda: sys.exit("no such thing"))
    with pytest.raises(SystemExit, match="hwgen toy failed"):
        set_up(Job(("toy",)), tmp_path / "job")
    monkeypatch.setattr(child, "main", lambda: write_json(Path("1.json"), os.getpid()))
    with pytest.raises(SystemExit, match=r"differ in \['1.json'\]"):
        set_up(Job(("toy",)), tmp_path / "job")


# How results are compared.


def store(path: Path, pixel: int = 0, source: str = "file") -> Store:
    with StoreWriter(path, size=4, recipe={}) as writer:
        writer.add(Record(np.full((4, 4), pixel, np.uint8), "一", "w", source, 0))
        return writer.finish(origin={"kind": "gnt"}, reports={"r.json": {"seconds": path.name}})


def digest(folder: Path) -> list[str]:
    found = contents(folder)
    return [*found.finished.values(), *found.growing.values()]


def test_stores_are_compared_by_records(tmp_path: Path) -> None:
    for name, pixel in (("a", 0), ("b", 0), ("c", 1)):
        store(tmp_path / name / "store", pixel)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


def test_a_hash_of_weights_is_replaced_by_their_name(tmp_path: Path) -> None:
    prints = []
    for number, tensor in (("1", 0.0), ("2", 0.0), ("3", 1.0)):
        folder = tmp_path / number
        weights = folder / "w.safetensors"
        texts = {"seconds": number, "more": json.dumps({"seconds": number})}
        save_tensors(weights, {"x": torch.full((2,), tensor)}, texts)
        store(folder / "store", source=f"weights {file_hash(weights)} seed 0")
        prints.append(digest(folder))
    assert prints[0] == prints[1]
    assert prints[0][0] == prints[2][0]  # the store
    assert prints[0][1] != prints[2][1]


def test_lmdb_logs_and_curves_are_compared_without_times(tmp_path: Path) -> None:
    for name, order in (("a", b"12"), ("b", b"21")):
        (tmp_path / name / "lmdb").mkdir(parents=True)
        with lmdb.open(str(tmp_path / name / "lmdb"), lock=False) as env:
            for key in order:
                with env.begin(write=True) as txn:
                    txn.put(bytes([key]), b"value")
        began = {"images": 0, "began": name}
        lines = [began] * len(set(name)) + [{"images": 4, "loss": 1.5, "seconds": ord(name)}]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / name / "log.jsonl").write_text(text)
        event = (8).to_bytes(8, "little") + b"sum1" + name.encode() * 8 + b"sum2"
        (tmp_path / name / "tfevents").write_bytes(event + b"the rest")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    (tmp_path / "b" / "tfevents").write_bytes(event + b"another")
    assert digest(tmp_path / "a") != digest(tmp_path / "b")


def test_unfinished_replaced_and_locked_files_are_distinguished(tmp_path: Path) -> None:
    store(tmp_path / "old.replaced")
    whole = contents(tmp_path).aside
    assert set(whole) == {"old"}
    (tmp_path / "gone.replaced").mkdir()
    (tmp_path / "gone.replaced" / "data.mdb").touch()
    (tmp_path / "x.lock").touch()
    (tmp_path / ".x.json.hwgen-tmp").touch()
    with StoreWriter(tmp_path / "new", size=64, recipe={}, resumable=True) as writer:
        for n in range(writer.block_records + 1):
            writer.add(Record(np.zeros((64, 64), np.uint8), "一", "", "", n))
    found = contents(tmp_path)
    assert found.aside == whole
    assert found.unfinished == [".x.json.hwgen-tmp", "gone.replaced", "new.partial"]
    assert found.locks == ["x.lock"]
    assert found.saved == {"new.partial": 1}
    assert found.finished == {}
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "manifest.json").write_text("{")
    (tmp_path / "half" / "data.mdb").touch()
    with pytest.raises(HwgenError):
        contents(tmp_path)


def test_a_result_resumes_and_other_settings_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.robustness.kills.__main__.make_inputs", lambda *given, **more: None)
    monkeypatch.setattr("tests.robustness.kills.__main__.set_up", lambda *given: None)
    ran: list[tuple[str, str, int]] = []

    def counted(stage: None, name: str, series: str, *, kills: int, seed: int) -> Tally:
        ran.append((name, series, kills))
        return Tally(kills=kills, findings=[{"what": "odd"}])

    monkeypatch.setattr("tests.robustness.kills.__main__.kill", counted)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    threads = torch.get_num_threads()
    options = ["--out", str(tmp_path), "--quick", "--only", "train"]
    kills_main(options)
    kills_main([*options, "--only", "lift", "--only", "export parquet"])
    torch.set_num_threads(threads)
    assert ran == [(name, series, 10) for name in ("train", "lift") for series in SERIES]
    out = capsys.readouterr().out
    assert "export parquet: skipped, pyarrow is not installed" in out
    assert "{'what': 'odd'}" in out
    assert "| lift | 10 | 10 |" in out
    assert "| all | 20 | 20 |" in out
    with pytest.raises(SystemExit, match="choose another --out"):
        kills_main([*options, "--seed", "5"])


def test_every_kind_of_command_is_killed() -> None:
    kinds = {job.argv[0] for job in JOBS.values()}
    assert kinds == {
        "prepare-gnt",
        "prepare-pot",
        "prepare-images",
        "train",
        "synthesize",
        "export",
        "export-curves",
        "export-model",
        "benchmark",
        "lift",
        "evaluate",
    }
    assert set(SLICE) <= set(JOBS)
