import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwgen.generators.gan.presets import Recipe
from hwgen.generators.gan.training import train
from hwgen.runs import Run
from hwgen.store import Store
from hwgen_cli.__main__ import main

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def run(toy_store: Store, toy_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = replace(toy_recipe, images=8, every=4)
    return train(toy_store, tmp_path_factory.mktemp("model") / "run", recipe, device="cpu")


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command: (exit code, standard output, standard error), white space joined."""

    def run_command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hwgen", *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving:
            main()
        shown = capsys.readouterr()
        return int(leaving.value.code or 0), " ".join(shown.out.split()), shown.err

    return run_command


def test_from_run_to_folder_to_store(
    call: Call, run: Run, tmp_path: Path, one_thread: None
) -> None:
    folder = tmp_path / "given away"
    given = ("--licence", "cc-by-nc-4.0")
    code, printed, _ = call("export-model", run.path, *given, "--out", folder)
    assert code == 0
    assert "license: cc-by-nc-4.0\n" in (folder / "README.md").read_text("utf-8")
    assert f"{folder}/README.md: " in printed
    assert f"run {run.id} checkpoint " in printed
    for place, name in ((run.path, "a"), (folder, "b")):
        options = ("--per-class", 3, "--seed", 2, "--device", "cpu")
        assert call("synthesize", place, "--out", tmp_path / name, *options)[0] == 0
    a, b = Store(tmp_path / "a"), Store(tmp_path / "b")
    assert np.array_equal(a.all_images(), b.all_images())
    assert a.manifest.origin == b.manifest.origin


def test_inspect_an_exported_model(call: Call, run: Run, tmp_path: Path) -> None:
    folder, sheet = tmp_path / "m", tmp_path / "new" / "s.png"
    assert call("export-model", run.path, "-o", folder)[0] == 0
    code, printed, _ = call("inspect", folder, "--sheet", sheet)
    assert code == 0
    for text in ("a gan", "glyph-32", "3 classes", f"run {run.id}", "8 images", "contact sheet"):
        assert text in printed
    assert sheet.read_bytes() == (folder / "samples.png").read_bytes()
    found = json.loads(call("inspect", folder, "--json")[1])
    assert (found["kind"], found["of"], found["classes"], found["images"]) == ("model", "gan", 3, 8)


def test_as_json_with_onnx(call: Call, run: Run, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    out = tmp_path / "m"
    code, printed, _ = call(
        "export-model", run.path, "-o", out, "--onnx", "--snapshot", 4, "--json"
    )
    found = json.loads(printed)
    assert code == 0
    assert found["images"] == 4
    assert found["files"]["model.onnx"] == (out / "model.onnx").stat().st_size


def test_curves(call: Call, run: Run, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    code, printed, _ = call("export-curves", run.path, "-o", tmp_path / "t")
    assert code == 0
    assert f"tensorboard --logdir {tmp_path}/t" in printed
    code, printed, _ = call("export-curves", run.path, "-o", tmp_path / "t", "--json")
    assert json.loads(printed)["kind"] == "tensorboard"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["export", "RUN", "-f", "folder"], "no store here: it is a run, for hwgen synthes"),
        (["export-model", "STORE"], "no run here: it is a store"),
        (["export-curves", "STORE"], "no run here: it is a store"),
        (["export", "STORE", "-f", "model"], "no format 'model'"),
        (["export-model", "nothing"], "there is no such file or folder"),
        (["export-model", "MODEL"], "it is an exported model"),
        (["export-curves", "MODEL"], "it is an exported model"),
        (["export-model", "RUN", "--licence", " "], "a licence must be one printable line"),
        (["export-model", "RUN", "--snapshot", "5"], "has no snapshot '5'"),
    ],
)
def test_input_errors_are_printed(
    call: Call, run: Run, toy_store: Store, tmp_path: Path, options: list[str], text: str
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").touch()
    places = {"RUN": run.path, "STORE": toy_store.path, "MODEL": tmp_path / "model"}
    typed = [places.get(option, option) for option in options]
    code, _, err = call(*typed, "--out", tmp_path / "out")
    assert code == 1
    assert text in err
    assert not (tmp_path / "out").exists()


def test_a_study_of_an_exported_model(
    call: Call, run: Run, toy_store: Store, tmp_path: Path
) -> None:
    folder, page = tmp_path / "m", tmp_path / "s.html"
    assert call("export-model", run.path, "-o", folder)[0] == 0
    few = ("--pairs", 3, "--controls", 0, "--out", page)
    code, printed, _ = call("study", "make", folder, toy_store.path, *few)
    assert code == 0
    assert "3 pairs" in printed
    key = json.loads((tmp_path / "s.key.json").read_text("utf-8"))
    assert (key["a"]["kind"], key["a"]["name"]) == ("model", "m")
    code, _, err = call("study", "make", folder, run.path, *few)
    assert code == 1
    assert "hold the same images" in err
