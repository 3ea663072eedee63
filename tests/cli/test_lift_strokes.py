"""hwgen lift with generators that write from strokes."""

import sys
from pathlib import Path

import pytest

from hwgen.results.lift import Lift
from hwgen_cli.__main__ import main
from tests.cli.lift_runs import learnt_run, make_store, run, store_options
from tests.generators.refiner.toy import write_graphics


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Tiny networks are fastest on one thread."""


@pytest.fixture
def stores(tmp_path: Path) -> list[object]:
    return store_options(tmp_path)


@pytest.fixture
def learnt(tmp_path: Path) -> Path:
    return learnt_run(tmp_path)


def test_generators_and_steps_are_compared_from_no_real_sample_on(
    stores: list[object],
    learnt: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    strokes, plot = write_graphics(tmp_path / "graphics.txt"), tmp_path / "curve.png"
    options = ["lift", *stores, "--out", tmp_path / "out", "--strokes", strokes, "--trials", 1]
    options += ["--generator", "simulated", "--generator", learnt, "--plot", plot]
    options += ["--real-per-class", "0,2", "--synthetic-per-class", 3]
    options += ["--arms", "classical,classical+synthetic", "--held-out-per-class", 1]
    settings = ["--recogniser-preset", "light", "--size", 16, "--steps", "1,2"]
    everything = [*options, *settings, "--device", "cpu", "--precision", "fp32"]
    monkeypatch.setattr(sys, "argv", ["hwgen", *map(str, everything)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as leaving:
        main()
    assert not leaving.value.code, capsys.readouterr().err
    shown = capsys.readouterr().out
    for text in (
        "│ 0 ",
        "Top-1 accuracy by training steps, %",
        "classical+learnt 3, best: ",
        "Without real samples, train on 3 samples per class of simulated: ",
        "Samples of learnt instead of simulated, by the number of real samples per class: ",
        "(never seen: 0 of 3 classes)",
        "simulated needs no training.",
        "The training of learnt took 16 images and ",
    ):
        assert text in shown, text
    assert plot.is_file()


def test_classes_without_strokes_are_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options: list[object] = []
    for name, count in (("train", 9), ("test", 2)):
        store = make_store(tmp_path / name, (count, count, count), labels="一垍丨")
        options += [f"--{name}", store]
    options += ["--out", tmp_path / "out", "--generator", "simulated", "--trials", 1]
    options += ["--real-per-class", 2, "--synthetic-per-class", 2, "--held-out-per-class", 0]
    for _ in range(2):  # a rerun takes the stores that it finds
        assert run(monkeypatch, "lift", *options) == 0, capsys.readouterr().err
        said = capsys.readouterr().err
        assert "1 of 3 classes is left out, since it has no strokes: 垍" in said
    lift = Lift.load(tmp_path / "out")
    assert lift.left_out == ("垍",)
    assert {tuple(row.total) for row in lift.rows} == {(2, 2)}
    # A rare class that is left out is not rare any more.
    options += ["--experiment", "rare", "--arms", "classical+synthetic"]
    options[options.index(tmp_path / "out")] = tmp_path / "rare"
    assert run(monkeypatch, "lift", *options, "--rare", "characters:一垍") == 0
    assert Lift.load(tmp_path / "rare").experiment["rare"] == ["一"]
    assert run(monkeypatch, "lift", *options, "--rare", "characters:垍") == 1
    assert "none of the rare classes has strokes: 垍" in capsys.readouterr().err
