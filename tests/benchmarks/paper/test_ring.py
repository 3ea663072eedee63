import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.paper import ring
from benchmarks.paper.ring_tables import summary, tables, typical

TOY = ["--seeds", "3", "--steps", "2", "--every", "1", "--samples", "30", "--together", "2"]


def command(out: Path, *more: str) -> list[str]:
    return ["--out", str(out), "--only", "even-lsgan,even-gan", *TOY, *more]


def row(seed: int, kls: list[float], modes: int) -> dict[str, Any]:
    score = {"share": 0.5, "share_near": 0.75, "spread": 2.0, "modes": modes, "modes_near": 8}
    snapshots = [{"step": 10 * n, "kl": kl, **score} for n, kl in enumerate(kls)]
    return {"name": "x", "seed": seed, "seconds": 1.0, "snapshots": snapshots}


def test_the_command_writes_a_row_per_training_and_plots(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ring.main(command(tmp_path))
    files = {file.name for file in (tmp_path / "rows").iterdir()}
    assert files == {f"even-{k}-{n}.json" for k in ("lsgan", "gan") for n in range(3)}
    found = json.loads((tmp_path / "ring.json").read_text(encoding="utf-8"))
    assert found["settings"]["seeds"] == 3
    assert found["trained"]["even-gan"]["loss"]["kind"] == "gan"
    assert [entry["step"] for entry in found["summary"]["even-lsgan"]] == [0, 1, 2]
    assert np.load(tmp_path / "samples" / "even-gan-2.npy").shape == (3, 30, 2)
    for name in ("typical-even", "seeds", "curves"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    out, error = capsys.readouterr()
    assert out.strip() == (tmp_path / "tables.md").read_text(encoding="utf-8").strip()
    assert re.search(r"even-gan, seeds 0, 1: 2 of 2 steps, [\d,]+ steps", error)
    assert "all: 6 of 6 trainings" in error


def test_a_rerun_trains_only_missing_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring.main(command(tmp_path))
    lost = tmp_path / "rows" / "even-gan-1.json"
    before = {file: file.read_bytes() for file in (tmp_path / "rows").iterdir()}
    lost.unlink()
    trained: list[tuple[str, tuple[int, ...]]] = []
    work = ring.work

    def watched(job: ring.Job) -> ring.Job:
        trained.append((job.name, job.seeds))
        return work(job)

    monkeypatch.setattr(ring, "work", watched)
    ring.main(command(tmp_path))
    assert trained == [("even-gan", (1,))]
    without_time: Callable[[bytes], Any] = lambda text: json.loads(text)["snapshots"]  # noqa: E731
    again = without_time(lost.read_bytes())
    for ours, theirs in zip(again, without_time(before[lost]), strict=True):
        assert ours == pytest.approx(theirs, abs=0.05)  # a batch of one now, of two before
    ring.main(command(tmp_path, "--seeds", "4"))
    assert trained[1:] == [("even-lsgan", (3,)), ("even-gan", (3,))]


def test_ctrl_c_keeps_finished_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work = ring.work

    def interrupted(job: ring.Job) -> ring.Job:
        if job.name == "even-gan":
            raise KeyboardInterrupt
        return work(job)

    monkeypatch.setattr(ring, "work", interrupted)
    ring.main(command(tmp_path))
    assert "rerun the command to resume" in capsys.readouterr().err
    assert len(list((tmp_path / "rows").iterdir())) == 2
    assert list(json.loads((tmp_path / "ring.json").read_text("utf-8"))["rows"]) == ["even-lsgan"]


def test_without_finished_rows_there_is_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(job: ring.Job) -> ring.Job:
        raise KeyboardInterrupt

    monkeypatch.setattr(ring, "work", interrupted)
    ring.main(command(tmp_path))
    assert not (tmp_path / "ring.json").exists()


def test_several_processes_give_the_rows_of_one(tmp_path: Path) -> None:
    ring.main(command(tmp_path / "one"))
    ring.main(command(tmp_path / "two", "--workers", "2"))
    for file in (tmp_path / "one" / "rows").iterdir():
        ours = json.loads(file.read_text(encoding="utf-8"))
        theirs = json.loads((tmp_path / "two" / "rows" / file.name).read_text(encoding="utf-8"))
        assert ours["snapshots"] == theirs["snapshots"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--only", "even-lsgan,odd"], "unknown setting odd"),
        (["--every", "3"], "--every must divide --steps"),
        (["--steps", "4"], "other settings"),
    ],
)
def test_bad_options_and_other_settings_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    (tmp_path / "settings.json").write_text('{"steps": 2, "every": 1, "samples": 30}')
    with pytest.raises(SystemExit) as leaving:
        ring.main(command(tmp_path, *more))
    assert message in f"{leaving.value} {capsys.readouterr().err}"


def test_quick_has_the_main_settings_and_few_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[ring.Job] = []
    monkeypatch.setattr(ring, "work", lambda job: jobs.append(job) or job)
    ring.main(["--out", str(tmp_path), "--quick"])
    assert {job.name for job in jobs} == set(ring.MAIN)
    assert {job.steps for job in jobs} == {3_000}


def test_a_summary_counts_seeds_with_all_modes() -> None:
    entries = summary([row(0, [2.0, 0.1], 8), row(1, [2.0, 0.3], 7), row(2, [2.0, 0.5], 8)])
    assert entries[1]["all_modes"]["hits"] == 2
    assert 0.2 < entries[1]["all_modes"]["low"] < 2 / 3 < entries[1]["all_modes"]["high"]
    assert entries[1]["all_near"]["hits"] == 3
    assert entries[1]["kl"]["mean"] == pytest.approx(0.3)
    assert "| x | 2 of 3 (0.21 to 0.94) | 3 of 3" in tables({"x": entries})


def test_a_single_seed_has_no_interval() -> None:
    assert "| 0.500 |" in tables({"x": summary([row(0, [2.0, 0.1], 8)])})


def test_the_typical_seed_is_the_median_after_the_start() -> None:
    rows = [row(0, [9.0, 0.2], 8), row(1, [0.0, 0.9], 8), row(2, [0.0, 0.1], 8)]
    assert typical(rows)["seed"] == 0
    assert typical([*rows, row(3, [0.0, 0.3], 8)])["seed"] == 0
