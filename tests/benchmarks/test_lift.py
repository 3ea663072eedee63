import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from benchmarks import lift
from hwgen.charset import Charset
from hwgen.record import Record
from hwgen.store import StoreWriter


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy nets are quickest on one thread."""


def make_store(path: Path, counts: tuple[int, ...], seed: int) -> Path:
    rng = np.random.default_rng(seed)
    with StoreWriter(path, size=32, recipe={}) as writer:
        for label, count in zip("一丨十", counts, strict=True):
            for index in range(count):
                image = rng.integers(200, 256, (32, 32), np.uint8)
                image[:: "一丨十".index(label) + 2] = 0
                writer.add(Record(image, label, f"{path.name}{index}", path.name, index))
        writer.finish(charset=Charset(tuple("一丨十")), origin={"kind": "gnt"})
    return path


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    train = make_store(tmp_path / "train", (12, 12, 6), 0)
    test = make_store(tmp_path / "test", (3, 3, 3), 1)
    out = tmp_path / "results" / "lift"
    given = ["--train", train, "--test", test, "--out", out, "--device", "cpu", "--quick"]
    return list(map(str, given))


@pytest.fixture(autouse=True)
def _handlers() -> object:
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(kind) for kind in kinds]
    yield
    for kind, handler in zip(kinds, before, strict=True):
        signal.signal(kind, handler)


def test_results_are_tables_and_curves_without_pixels_or_paths(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lift.main([*options, "--only", "rare"])
    out = tmp_path / "results" / "lift"
    assert "## few-shot" not in (out / "tables.md").read_text("utf-8")
    lift.main(options)
    assert "few-shot: " in capsys.readouterr().out
    files = {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()}
    results = {f"{name}/{file}" for name in lift.EXPERIMENTS for file in ("lift.json", "curve.png")}
    assert files == {"tables.md", *results}
    text = (out / "tables.md").read_text("utf-8")
    for part in ("## few-shot", "## rare", "Top-1, rare classes", "| 3 | ", "4 recognisers"):
        assert part in text
    for name in lift.EXPERIMENTS:
        written = (out / name / "lift.json").read_text("utf-8")
        assert str(tmp_path) not in written
        entry = json.loads(written)["accuracy"][0]
        assert f"{100 * entry['mean']:.1f} (" in text
    assert (tmp_path / "results" / "lift.work" / "rare" / "rows").is_dir()


def test_ctrl_c_stops_and_a_rerun_resumes(
    options: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_progress = lift._print_progress

    def interrupt(done: float, total: float, note: str) -> None:
        if done >= 1:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(lift, "_print_progress", interrupt)
    lift.main([*options, "--only", "few-shot"])
    assert "rerun the command to resume" in capsys.readouterr().out
    rows = tmp_path / "results" / "lift.work" / "few-shot" / "rows"
    before = {file.name for file in rows.iterdir()}
    assert len(before) < 4
    monkeypatch.setattr(lift, "_print_progress", print_progress)
    lift.main([*options, "--only", "few-shot"])
    assert "4.00 of 4 trials" in capsys.readouterr().out


def test_arms_can_be_selected(options: list[str], tmp_path: Path) -> None:
    lift.main([*options, "--only", "few-shot", "--arms", "classical", "none"])
    found = json.loads(
        (tmp_path / "results" / "lift" / "few-shot" / "lift.json").read_text("utf-8")
    )
    assert [row["cell"]["arm"] for row in found["rows"]] == ["classical", "none"]
    assert found["missing"] == []
