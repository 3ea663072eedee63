import json
import sys
from pathlib import Path

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.record import Record
from hwgen.store import StoreWriter
from hwgen_cli.__main__ import main


def make_store(path: Path, seed: int, kind: str, *writers: str, simulated: bool = False) -> Path:
    rng = np.random.default_rng(seed)
    with StoreWriter(path, size=16, recipe={}) as store:
        for index in range(6):
            for place, label in enumerate("一丨"):
                image = rng.integers(200, 256, (16, 16), dtype=np.uint8)
                image[(slice(7, 9), slice(None))[:: 1 - 2 * place]] = 0
                writer = writers[index % len(writers)]
                store.add(Record(image, label, writer, path.name, index))
        store.finish(charset=Charset(("一", "丨")), origin={"kind": kind, "simulated": simulated})
    return path


@pytest.fixture
def stores(tmp_path: Path) -> list[object]:
    """Options --train, --test and --synthetic with stores of two classes."""
    options: list[object] = []
    for seed, (name, kind) in enumerate(
        [("train", "gnt"), ("test", "gnt"), ("synthetic", "synthetic")]
    ):
        options += [f"--{name}", make_store(tmp_path / name, seed, kind, "")]
    return options


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    settings = ["--size", 16, "--device", "cpu", "--precision", "fp32"]
    everything = ["hwgen", "benchmark", *arguments, *settings]
    monkeypatch.setattr(sys, "argv", list(map(str, everything)))
    with pytest.raises(SystemExit) as leaving:
        main()
    return int(leaving.value.code or 0)


def test_tables_files_and_resume(
    stores: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    options = [*stores, "--out", out, "--seeds", 2, "--steps", 2]
    assert run(monkeypatch, *options) == 0
    shown = capsys.readouterr().out
    for text in ("real+synthetic", "purity", "variety", "top-5", " to ", "2 steps of 64"):
        assert text in shown
    assert "warning" not in shown
    assert len(list(out.glob("recogniser-*.safetensors"))) == 6
    first = (out / "benchmark.json").read_text("utf-8")

    assert run(monkeypatch, *options, "--json") == 0
    again = capsys.readouterr().out
    assert json.loads(again) == json.loads(first)

    assert run(monkeypatch, *stores, "--out", out, "--seeds", 2, "--epochs", 32) == 1
    assert "recipe.steps: 2 -> 6" in " ".join(capsys.readouterr().err.split())


def test_real_alone_with_one_seed_and_shared_writers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train = make_store(tmp_path / "train", 0, "gnt", "w1")
    test = make_store(tmp_path / "test", 1, "gnt", "w1", "w2")
    options = ["--train", train, "--test", test, "--out", tmp_path / "out", "--seeds", 1]
    assert run(monkeypatch, *options) == 0  # 20 epochs of 12 samples are 240 / 64 steps
    shown = capsys.readouterr().out
    assert "4 steps of 64" in shown
    assert "purity" not in shown
    assert "Top-1 by writer of the test samples, %" in shown
    assert "mean over writers" in shown
    assert "1 writers are in both the train and the test store" in " ".join(shown.split())
    assert "simulated" not in shown
    assert "Recognisers trained on real samples read " in shown


def test_a_simulated_test_store_gives_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train = make_store(tmp_path / "train", 0, "gnt", "")
    test = make_store(tmp_path / "test", 1, "gnt", "", simulated=True)
    options = ["--train", train, "--test", test, "--out", tmp_path / "out", "--seeds", 1]
    assert run(monkeypatch, *options, "--steps", 1) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "the test store is simulated" in shown
    assert "% as their label (simulated test samples, 1 seed)." in shown
    found = json.loads((tmp_path / "out" / "benchmark.json").read_text("utf-8"))
    assert (found["train"]["made"], found["test"]["made"]) == ("real", "simulated")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--steps", 2, "--epochs", 2], "both set the length of training"),
        (["--epochs", -1], "--epochs must be above 0, found -1"),
        (["--steps", 1, "--seeds", 1, "--size", 40], "smaller --size"),
    ],
)
def test_input_errors_are_printed(
    stores: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[object],
    error: str,
) -> None:
    everything = ["hwgen", "benchmark", *stores, "--out", tmp_path / "out", *options]
    monkeypatch.setattr(sys, "argv", list(map(str, everything)))
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 1
    assert error in " ".join(capsys.readouterr().err.split())
