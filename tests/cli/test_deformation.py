import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe
from hwgen.runs import Run
from hwgen.store import Store
from hwgen_cli.__main__ import main

Command = Callable[..., int]
CHANGES = ["size=16", "grid=4", "z_dim=2", "width=4"]


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Tiny networks are fastest on one thread."""


@pytest.fixture
def hwgen(monkeypatch: pytest.MonkeyPatch) -> Command:
    def call(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["hwgen", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as leaving:
            main()
        return int(leaving.value.code or 0)

    return call


@pytest.fixture
def training(toy_store: Store, tmp_path: Path) -> list[object]:
    """`train` of a toy deformation run of 20 pairs, 5 steps."""
    options: list[object] = ["train", toy_store.path, "--out", tmp_path / "bend"]
    options += ["--preset", "deformation-32", "--images", 20, "--batch", 4, "--device", "cpu"]
    return options + [part for change in CHANGES for part in ("--set", change)]


def test_train_and_deform(
    hwgen: Command,
    training: list[object],
    toy_store: Store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, out = tmp_path / "bend", tmp_path / "bent"
    assert hwgen(*training) == 0
    shown = capsys.readouterr().err
    assert "20 of 20" in shown
    assert "% of undeformed" in shown
    assert "finished" in shown
    assert Run(run).recipe["steps"] == 5
    assert hwgen(*training, "--set", "kl=0.1") == 1
    assert "kl: 0.3 -> 0.1" in capsys.readouterr().err

    options = ["synthesize", run, "--real", toy_store.path, "--per-class", 3, "--device", "cpu"]
    extras = ["--png", tmp_path / "png", "--gnt", tmp_path / "gnt", "--sheet", tmp_path / "s.png"]
    assert hwgen(*options, "--out", out, *extras) == 0
    store = Store(out)
    assert store.is_synthetic
    assert list(store.manifest.class_counts) == [3, 3, 3]
    assert len(list((tmp_path / "png").rglob("*.png"))) == 9
    assert list((tmp_path / "gnt").glob("*.gnt"))
    assert (tmp_path / "s.png").is_file()
    assert store.manifest.origin["preset"] == "deformation"

    capsys.readouterr()
    assert hwgen("inspect", run, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["preset"], found["images"], found["total"]) == ("deformation", 20, 20)
    assert {"distance", "unbent", "kl"} <= set(found["last"])
    assert hwgen("inspect", run) == 0
    assert "20 of 20" in capsys.readouterr().out
    assert hwgen("export-model", run, "--out", tmp_path / "model") == 0
    capsys.readouterr()
    assert hwgen("inspect", tmp_path / "model") == 0
    assert "a deformation" in capsys.readouterr().out
    for path in (run, tmp_path / "model"):
        assert hwgen("inspect", path, "--sheet", tmp_path / "sheet.png") == 1
        error = " ".join(capsys.readouterr().err.split())
        assert "has none to show on a contact sheet" in error
        assert "--real STORE" in error
        assert not (tmp_path / "sheet.png").exists()
    assert hwgen("report", run, "--out", tmp_path / "page.html") == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "20 of 20" in page
    assert page.count("<svg") == 3


def test_deformed_samples_can_be_filtered(
    hwgen: Command, training: list[object], toy_store: Store, tmp_path: Path
) -> None:
    recipe = RecogniserRecipe(size=16, widths=((4,),), hidden=8, grid=2)
    judge = tmp_path / "judge.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = RecogniserNetwork(recipe, 3)
    Recogniser(network, recipe, toy_store.charset).save(judge)
    assert hwgen(*training) == 0
    options = ["synthesize", tmp_path / "bend", "--real", toy_store.path, "--recogniser", judge]
    options += ["--per-class", 2, "--min-confidence", 0, "--max-tries", 3, "--device", "cpu"]
    assert hwgen(*options, "--out", tmp_path / "bent") == 0
    store = Store(tmp_path / "bent")
    recogniser = Recogniser.load(judge, torch.device("cpu"))
    read = recogniser.top_k(iter([store.all_images()]), 1)[:, 0]
    assert (read == store.labels).all()
    assert len(np.unique(store.labels)) < 3  # an untrained network prefers some classes


def test_dry_run_of_a_deformation_model(
    hwgen: Command, training: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hwgen(*training, "--dry-run") == 0
    shown = capsys.readouterr().out
    for text in ("Recipe deformation-32", "smoothness", "parameters", "pairs"):
        assert text in shown
    assert not (tmp_path / "bend").exists()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--loss", "gan", "--cuda-graphs"], "--loss, --cuda-graphs have no effect with"),
        (["--on-collapse", "ignore"], "--on-collapse has no effect with"),
        (
            ["--precision", "bf16", "--snapshot-every", 5],
            "--snapshot-every, --precision have no effect with",
        ),
        (["--set", "widht=4"], "Did you mean width"),
        (["--set", "grid=5"], "invalid recipe"),
    ],
)
def test_options_of_a_gan_are_refused(
    hwgen: Command,
    training: list[object],
    capsys: pytest.CaptureFixture[str],
    options: list[object],
    error: str,
) -> None:
    assert hwgen(*training, *options) == 1
    assert error in " ".join(capsys.readouterr().err.split())


def test_several_processes_are_refused(
    hwgen: Command,
    training: list[object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert hwgen(*training) == 1
    assert "is trained in one process" in capsys.readouterr().err


def test_a_deformation_model_needs_real_samples_and_a_gan_does_not(
    hwgen: Command,
    training: list[object],
    toy_store: Store,
    toy_changes: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert hwgen(*training) == 0
    bend = ["synthesize", tmp_path / "bend", "--out", tmp_path / "bent", "--device", "cpu"]
    assert hwgen(*bend) == 1
    assert "--real STORE" in capsys.readouterr().err
    assert hwgen(*bend, "--real", toy_store.path, "--snapshot", "best") == 1
    assert "no snapshot was scored" in capsys.readouterr().err
    gan = ["train", toy_store.path, "--out", tmp_path / "gan", "--device", "cpu"]
    changes = {**toy_changes, "images": "8", "every": "8"}
    gan += [part for k, v in changes.items() for part in ("--set", f"{k}={v}")]
    assert hwgen(*gan) == 0
    command = ["synthesize", tmp_path / "gan", "--out", tmp_path / "drawn", "--device", "cpu"]
    assert hwgen(*command, "--real", toy_store.path) == 1
    assert "Leave out --real" in capsys.readouterr().err


def test_the_store_that_is_deformed_is_not_replaced(
    hwgen: Command,
    training: list[object],
    toy_store: Store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert hwgen(*training) == 0
    options = ["synthesize", tmp_path / "bend", "--real", toy_store.path, "--per-class", 1]
    assert hwgen(*options, "--out", toy_store.path, "--overwrite", "--device", "cpu") == 1
    assert "is itself an input" in " ".join(capsys.readouterr().err.split())
    assert not Store(toy_store.path).is_synthetic
