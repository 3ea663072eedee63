import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import hwgen_cli.interrupt
from hwgen.charset import Charset
from hwgen.recogniser.loading import load_reader
from hwgen.record import Record
from hwgen.results.evaluation import Evaluation
from hwgen.store import StoreWriter
from hwgen_cli.__main__ import main
from tests.onnx_models import Classifier, export

Evaluate = Callable[..., tuple[int, str, str]]


def make_store(path: Path, seed: int, kind: str, *, swap: bool = False) -> Path:
    rng = np.random.default_rng(seed)
    with StoreWriter(path, size=16, recipe={}) as store:
        for index in range(12):
            for place, label in enumerate("一丨"):
                image = rng.integers(200, 256, (16, 16), dtype=np.uint8)
                row = int(rng.integers(4, 11))
                image[(slice(row, row + 2), slice(None))[:: 1 - 2 * place]] = 0
                store.add(Record(image, "丨一"[place] if swap else label, "", path.name, index))
        store.finish(charset=Charset(("一", "丨")), origin={"kind": kind})
    return path


@pytest.fixture
def evaluate(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    one_thread: None,
) -> Evaluate:
    """Runs the command on small stores: (exit code, standard output, standard error)."""
    monkeypatch.setenv("COLUMNS", "200")
    synthetic = make_store(tmp_path / "synthetic", 0, "synthetic")
    real = make_store(tmp_path / "real", 1, "gnt")
    test = make_store(tmp_path / "test", 2, "gnt")
    settings = ["--out", tmp_path / "out", "--size", 16, "--steps", 2, "--device", "cpu"]
    stores = [synthetic, "--real", real, "--real-test", test, *settings, "--precision", "fp32"]

    def call(*options: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hwgen", "evaluate", *map(str, [*stores, *options])])
        with pytest.raises(SystemExit) as leaving:
            main()
        shown = capsys.readouterr()
        texts = (" ".join(text.split()) for text in (shown.out, shown.err))
        return int(leaving.value.code or 0), *texts

    return call


def test_table_files_and_json(evaluate: Evaluate, tmp_path: Path) -> None:
    code, shown, err = evaluate("--cas")
    assert code == 0
    for text in (
        "24 synthetic samples and real ones",
        "read as its label (purity)",
        "Fréchet distance",
        "1-NN two-sample accuracy",
        "exact copies of a real sample │ 0 │",
        "trained on the set, real top-1",
        "at most the reference",
        "The recogniser was trained for",
        "written: ",
    ):
        assert text in shown, text
    assert "Evaluating" in err
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        "evaluation.json",
        "best-read.png",
        "worst-read.png",
        "nearest-pixels.png",
        "nearest-features.png",
        "recogniser-real-seed0.safetensors",
        "recogniser-synthetic-seed0.safetensors",
    }
    first = json.loads((out / "evaluation.json").read_text("utf-8"))
    code, again, _ = evaluate("--cas", "--json")
    assert code == 0
    assert json.loads(again) == first


def test_a_given_recogniser_is_used(evaluate: Evaluate, tmp_path: Path) -> None:
    assert evaluate()[0] == 0
    kept = tmp_path / "out" / "recogniser-real-seed0.safetensors"
    code, shown, _ = evaluate("--recogniser", kept, "--out", tmp_path / "other")
    assert code == 0
    assert "trained here" not in shown
    assert not list((tmp_path / "other").glob("recogniser-*"))


def test_an_onnx_classifier_reads(evaluate: Evaluate, tmp_path: Path) -> None:
    # It always reads 一, so that there is a warning.
    network = Classifier(classes=3)
    with torch.no_grad():
        network.linear.bias[:] = torch.tensor([0.0, 0.0, 1000.0])
    file = export(network, tmp_path / "m.onnx", labels="丨永一", dynamic=())
    code, shown, err = evaluate("--recogniser", file)
    assert code == 0
    assert f"warning: {file}: 50% of 24 samples of {tmp_path / 'real'} are read as their" in err
    assert "Warning: 50% of 24 samples" in shown
    result = json.loads((tmp_path / "out" / "evaluation.json").read_text("utf-8"))
    judge, reader = result["judge"], load_reader(file, torch.device("cpu"))
    assert judge["sha256"] == reader.sha256
    assert judge["classifier"] == reader.facts
    assert result["figures"]["purity"]["value"] == 0.5
    assert result["settings"]["size"] == 16
    assert Evaluation.load(tmp_path / "out").judge.classifier["file"] == "m.onnx"
    (tmp_path / "m.classes.txt").write_text("丨\n永\n人", encoding="utf-8")
    code, shown, _ = evaluate("--recogniser", file)
    assert code == 0
    assert "Not read: 1 class with 12 samples (一)" in shown
    (tmp_path / "m.classes.txt").write_text("口\n永\n人", encoding="utf-8")
    code, _, err = evaluate("--recogniser", file)
    assert code == 1
    assert "has 3 classes, but not these 2 of 2: 一丨" in err


def test_the_default_is_five_epochs(
    evaluate: Evaluate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, out = tmp_path / "real", tmp_path / "five"
    arguments = [tmp_path / "synthetic", "--real", real, "--out", out, "--size", 16]
    monkeypatch.setattr(sys, "argv", ["hwgen", "evaluate", *map(str, arguments)])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert not leaving.value.code
    result = json.loads((out / "evaluation.json").read_text("utf-8"))
    assert result["settings"]["recipe"]["steps"] == 2  # 5 passes over 24 samples by 64


def test_classes_with_the_lowest_accuracy_are_listed(evaluate: Evaluate, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "synthetic")
    make_store(tmp_path / "synthetic", 3, "synthetic", swap=True)
    code, shown, _ = evaluate("--steps", 60)
    assert code == 0
    assert "Classes with the lowest accuracy" in shown
    assert "一 │ 0.0 │ 丨 (12)" in shown


def test_ctrl_c_exits_with_130(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def interrupted() -> Iterator[Callable[[], bool]]:
        yield lambda: True

    monkeypatch.setattr(hwgen_cli.interrupt, "interruptible", interrupted)
    code, _, err = evaluate()
    assert code == 130
    assert "stopped; rerun the command to resume" in err


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--ocr-engine", "rapidocr"], "Install it with: pip install 'onnxruntime>="),
        (["--ocr-engine", "tea"], "unknown OCR engine 'tea'"),
        (["--recogniser", "nowhere"], "nowhere"),
        (["--run", "nowhere"], "nowhere"),
        (["--size", 64], "at least 32 pixels"),
    ],
)
def test_input_errors_are_printed(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, options: list[object], error: str
) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    code, _, err = evaluate(*options)
    assert code == 1
    assert error in err


def test_an_ocr_engine_has_a_row(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("rapidocr")

    class Engine:
        def __init__(self, params: object) -> None:
            self.txts: tuple[str, ...] = ()

        def recognize_txt(self, images: list[np.ndarray]) -> "Engine":
            self.txts = ("一",) * len(images)
            return self

    module.RapidOCR = Engine  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rapidocr", module)
    code, shown, _ = evaluate("--ocr-engine", "rapidocr")
    assert code == 0
    assert "read as its label by an OCR engine │ 50.00 % │ 50.00 %" in shown
