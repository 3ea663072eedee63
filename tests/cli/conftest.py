"""Runs `hwgen` in this process, on toys."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hwgen.generators.gan.presets import Recipe, change
from hwgen.generators.gan.training import train
from hwgen.runs import Run
from hwgen.store import Store
from hwgen_cli.__main__ import main

Hwgen = Callable[..., tuple[int, str, str]]
Synthesize = Callable[..., tuple[int, str]]


@pytest.fixture
def hwgen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], one_thread: None
) -> Hwgen:
    """Runs a command here: (exit code, standard output, standard error), white space joined."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hwgen", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as leaving:
            main()
        shown = capsys.readouterr()
        code = leaving.value.code
        return int(code or 0), " ".join(shown.out.split()), " ".join(shown.err.split())

    return call


@pytest.fixture
def toy_options(toy_changes: dict[str, str]) -> list[str]:
    own = {"images": "--images", "batch": "--batch", "every": "--snapshot-every"}
    sets = [
        f"{own[field]}={value}" if field in own else f"--set={field}={value}"
        for field, value in toy_changes.items()
    ]
    return ["--preset=glyph-32", "--device=cpu", "--precision=fp32", *sets]


@pytest.fixture(scope="module")
def run(toy_store: Store, toy_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A toy GAN with snapshots at 4 and 8 images."""
    recipe = change(toy_recipe, {"images": "8", "every": "4"})
    out = tmp_path_factory.mktemp("run") / "run"
    return train(toy_store, out, recipe, device="cpu", precision="fp32")


@pytest.fixture
def synthesize(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    one_thread: None,
    printed: list[str],
) -> Synthesize:
    """Runs the command: (exit code, standard error), white space joined."""

    def call(out: Path, *options: object) -> tuple[int, str]:
        arguments = ["hwgen", "synthesize", run.path, "--out", out, "--device", "cpu", *options]
        monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
        with pytest.raises(SystemExit) as leaving:
            main()
        shown = capsys.readouterr()
        printed.append(shown.out)
        return int(leaving.value.code or 0), " ".join(shown.err.split())

    return call


@pytest.fixture
def printed() -> list[str]:
    """Standard output of each command."""
    return []
