import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PilImage

import hwgen_cli.interrupt
from hwgen.charset import UNLABELLED, Charset
from hwgen.compute.tensor_files import file_hash
from hwgen.generators.gan.presets import Recipe, change
from hwgen.generators.gan.training import train
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.loading import load_reader
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe
from hwgen.runs import Run
from hwgen.store import Store, is_store, partial_path
from hwgen_cli.__main__ import main
from tests.onnx_models import Classifier, export

Synthesize = Callable[..., tuple[int, str]]


def reader(path: Path, labels: str = "一丨十", size: int = 8) -> Path:
    """A recogniser of random weights, that reads some samples as their label."""
    recipe = RecogniserRecipe(size=size, widths=((4,), (4,)), hidden=8, grid=2)
    torch.manual_seed(1)
    network = RecogniserNetwork(recipe, len(labels))
    with torch.no_grad():
        network[-1].weight.mul_(20)
    Recogniser(network, recipe, Charset(tuple(labels))).save(path)
    return path


def test_another_batch_size_gives_the_same_set(synthesize: Synthesize, tmp_path: Path) -> None:
    for batch in (1, 512):
        assert synthesize(tmp_path / str(batch), "--per-class", 4, "--batch", batch)[0] == 0
    a, b = (Store(tmp_path / str(batch)).all_images().astype(int) for batch in (1, 512))
    assert np.abs(a - b).max() <= 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--classes", "天一"], "1 of 2 characters are not among the 3 classes: 天"),
        (["--classes", "3740"], "expected 1 to 3 classes, found 3740"),
        (["--snapshot", "5"], "has no snapshot '5'. Choose last, best, or one of 4, 8"),
        (["--snapshot", "best"], "no snapshot was scored"),
        (["--device", "abacus"], "device 'abacus' cannot be used"),
    ],
)
def test_input_errors_are_printed(
    synthesize: Synthesize, tmp_path: Path, options: list[str], text: str
) -> None:
    code, err = synthesize(tmp_path / "s", *options)
    assert code == 1
    assert text in err
    assert not (tmp_path / "s").exists()


def test_another_snapshot_gives_other_samples(synthesize: Synthesize, tmp_path: Path) -> None:
    for name in ("4", "last"):
        assert synthesize(tmp_path / name, "--per-class", 2, "--snapshot", name)[0] == 0
    origins = {Store(tmp_path / name).manifest.origin["provenance"] for name in ("4", "last")}
    assert len(origins) == 2


def test_an_onnx_classifier_filters(synthesize: Synthesize, tmp_path: Path) -> None:
    network = Classifier(classes=4)
    with torch.no_grad():
        network.linear.bias[:] = torch.tensor([0.0, 1000.0, 0.0, 0.0])
    file = export(network, tmp_path / "m.onnx", labels="永十一丨", dynamic=())
    options = ["--per-class", 2, "--recogniser", file, "--max-tries", 1]
    code, err = synthesize(tmp_path / "s", *options)
    assert code == 0
    store, read = Store(tmp_path / "s"), load_reader(file, torch.device("cpu"))
    assert store.manifest.origin["filter"] == {
        "recogniser": read.sha256,
        "classifier": {name: fact for name, fact in read.facts.items() if name != "file"},
        "min_confidence": 0.7,
        "min_margin": 0.0,
        "max_tries": 1,
    }
    assert [store.charset[c] for c in store.labels] == ["十", "十"]
    assert f"warning: {file}: 33% of 24 samples of the generator are read as their label" in err
    renamed = file.rename(tmp_path / "other.onnx")
    (tmp_path / "m.classes.txt").rename(tmp_path / "other.classes.txt")
    options[options.index(file)] = renamed
    assert synthesize(tmp_path / "s", *options)[0] == 0  # finished already


def test_accepted_samples_are_read_as_their_label(
    synthesize: Synthesize, tmp_path: Path, printed: list[str]
) -> None:
    file = reader(tmp_path / "rec.safetensors", "永十一丨")
    out = tmp_path / "s"
    options = ["--per-class", 5, "--recogniser", file, "--min-confidence", 0.3, "--max-tries", 40]
    code, err = synthesize(out, *options, "--json")
    assert code == 0
    store, read = Store(out), Recogniser.load(file, torch.device("cpu"))
    origin = store.manifest.origin
    assert origin["filter"] == {
        "recogniser": file_hash(file),
        "min_confidence": 0.3,
        "min_margin": 0.0,
        "max_tries": 40,
    }
    found = read.read(store.all_images())
    label = read.charset.ids([store.charset[c] for c in store.labels])
    assert len(store) > 0
    assert found.argmax(axis=1).tolist() == label
    assert found.max(axis=1).min() >= 0.3
    assert f"Accepted: {origin['yield']:.1%} of all samples" in err
    result = json.loads(printed[-1])
    assert result["characters"] == len(store)
    assert result["yield"]["yield"] == origin["yield"]
    assert sum(result["class_counts"].values()) == len(store)
    # Some class cannot be filled: it is named, and the command succeeds.
    short = result["yield"]["short"]
    assert short
    assert f"warning: {len(short)} of 3 classes have fewer than 5 samples: {''.join(short)}." in err
    assert synthesize(out, *options)[0] == 0  # finished already


def test_copies_are_rejected_with_and_without_a_filter(
    synthesize: Synthesize, toy_store: Store, tmp_path: Path, printed: list[str]
) -> None:
    options = ["--per-class", 4, "--no-copies-of", toy_store.path]
    code, err = synthesize(tmp_path / "s", *options, "--max-tries", 2, "--json")
    assert code == 0
    assert "Accepted: " in err
    origin = Store(tmp_path / "s").manifest.origin
    assert origin["filter"]["no_copies"] == toy_store.manifest.content_sha256
    assert set(origin["filter"]) == {"no_copies", "limits", "max_tries"}
    assert json.loads(printed[-1])["yield"]["drawn"] >= 12
    file = reader(tmp_path / "rec.safetensors")
    both = ["--recogniser", file, "--min-confidence", 0.3, "--max-tries", 40]
    assert synthesize(tmp_path / "both", *options, *both)[0] == 0
    kept = Store(tmp_path / "both").manifest.origin["filter"]
    assert kept["recogniser"] == file_hash(file)
    assert set(kept["limits"]) == {"pixels", "features"}


def test_ctrl_c_while_real_samples_are_read_writes_nothing(
    synthesize: Synthesize, toy_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def interrupted() -> Iterator[Callable[[], bool]]:
        yield lambda: True

    options = [tmp_path / "s", "--per-class", 4, "--no-copies-of", toy_store.path]
    with monkeypatch.context() as patch:
        patch.setattr(hwgen_cli.interrupt, "interruptible", interrupted)
        code, err = synthesize(*options)
    assert code == 130
    assert "stopped; rerun the command to resume" in err
    assert not partial_path(tmp_path / "s").exists()
    assert synthesize(*options)[0] == 0


def test_without_a_filter_there_is_no_acceptance_rate(
    synthesize: Synthesize, tmp_path: Path, printed: list[str]
) -> None:
    code, err = synthesize(tmp_path / "s", "--per-class", 2, "--json")
    assert code == 0
    result = json.loads(printed[-1])
    assert result["class_counts"] == {"一": 2, "丨": 2, "十": 2}
    assert result["yield"] is None
    assert "Accepted" not in err


@pytest.mark.parametrize(
    ("labels", "size", "options", "text"),
    [
        ("一丨", 8, [], "has 2 classes, but not these 1 of 3: 十"),
        ("一丨十", 32, [], "reads images of at least 16 pixels"),
        (None, 8, ["--min-margin", 0.5], "need a recogniser"),
        (None, 8, ["--max-tries", 5], "--max-tries has no effect without a filter"),
        (None, 8, ["--no-copies-of", "none.store"], "none.store"),
        (None, 8, ["--recogniser", "none.safetensors"], "none.safetensors: no recogniser here"),
    ],
)
def test_filters_that_do_not_fit_are_errors(
    synthesize: Synthesize,
    tmp_path: Path,
    labels: str | None,
    size: int,
    options: list[object],
    text: str,
) -> None:
    if labels:
        options = ["--recogniser", reader(tmp_path / "rec.safetensors", labels, size)]
    code, err = synthesize(tmp_path / "s", *options)
    assert code == 1
    assert text in err
    assert not (tmp_path / "s").exists()


def test_ctrl_c_keeps_finished_samples(
    synthesize: Synthesize, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def interrupted() -> Iterator[Callable[[], bool]]:
        yield lambda: True

    out = tmp_path / "s"
    with monkeypatch.context() as patch:
        patch.setattr(hwgen_cli.interrupt, "interruptible", interrupted)
        code, err = synthesize(out, "--per-class", 1000)
    assert code == 130
    assert "stopped; rerun the command to resume" in err
    assert not is_store(out)
    assert synthesize(out, "--per-class", 1000)[0] == 0
    assert len(Store(out)) == 3000


def test_torchrun_gives_the_same_samples_and_stops_together(
    synthesize: Synthesize,
    run: Run,
    tmp_path: Path,
    torchrun: Callable[..., subprocess.Popen[str]],
) -> None:
    def command(name: str, per_class: int) -> list[object]:
        options = ["--out", tmp_path / name, "--device", "cpu", "--per-class", per_class]
        return ["-m", "hwgen_cli", "synthesize", run.path, *options]

    # Three chunks of two processes, the last one short.
    process = torchrun(*command("two", 1000), "--sheet", tmp_path / "sheet.png")
    stdout = " ".join(process.communicate()[0].split())
    assert process.returncode == 0, stdout
    assert stdout.count("3,000 images") == 1
    assert "Warning" not in stdout
    assert stdout.count("sheet.png") == 1
    assert synthesize(tmp_path / "one", "--per-class", 1000)[0] == 0
    assert Store(tmp_path / "two").manifest == Store(tmp_path / "one").manifest

    # With a filter, in units that differ in size.
    rec = reader(tmp_path / "rec.safetensors", "永十一丨")
    judge = ["--recogniser", rec, "--min-confidence", 0.3, "--max-tries", 3]
    process = torchrun(*command("two-filtered", 700), *judge)
    stdout = " ".join(process.communicate()[0].split())
    assert process.returncode == 0, stdout
    assert stdout.count("warning: ") == 2  # of the recogniser and of classes
    assert synthesize(tmp_path / "one-filtered", "--per-class", 700, *judge)[0] == 0
    filtered = Store(tmp_path / "two-filtered")
    assert filtered.manifest == Store(tmp_path / "one-filtered").manifest
    assert 0 < len(filtered) < 2100

    # Stopped, and finished by one process.
    process = torchrun(*command("stopped", 20000))
    data = partial_path(tmp_path / "stopped") / "data.mdb"
    while not (data.exists() and data.stat().st_size > 1 << 18):
        assert process.poll() is None, "the command ended before it was interrupted"
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    stdout = " ".join(process.communicate()[0].split())
    assert process.returncode != 0
    assert stdout.count("stopped; rerun the command to resume") == 1
    assert not is_store(tmp_path / "stopped")
    for name in ("stopped", "straight"):
        assert synthesize(tmp_path / name, "--per-class", 20000)[0] == 0
    assert Store(tmp_path / "stopped").manifest == Store(tmp_path / "straight").manifest


def test_count_of_a_run_without_labels(
    toy_store: Store,
    toy_recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    one_thread: None,
) -> None:
    recipe = change(toy_recipe, {"images": "8", "every": "8", "conditional": "false"})
    free = train(toy_store, tmp_path / "free", recipe, device="cpu", precision="fp32")
    out = tmp_path / "pictures"
    command = f"hwgen synthesize {free.path} --out {out} --count 7 --device cpu"
    monkeypatch.setattr(sys, "argv", command.split())
    with pytest.raises(SystemExit) as leaving:
        main()
    assert not leaving.value.code
    assert Store(out).charset == UNLABELLED
    assert len(Store(out)) == 7
    monkeypatch.setattr(sys, "argv", [*command.split(), "--per-class", "3"])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 1
    assert "Give --per-class instead" in " ".join(capsys.readouterr().err.split())


def test_count_is_refused_with_labels(synthesize: Synthesize, tmp_path: Path) -> None:
    code, stdout = synthesize(tmp_path / "out", "--count", 7)
    assert code == 1
    assert "--count is for a GAN that was trained without labels" in stdout


def test_a_text_is_written_by_a_gan(synthesize: Synthesize, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "text.png"
    code, err = synthesize(out, "--text", "一十，2\n一", "--hands", 2)
    assert code == 0, err
    assert "5 characters in 2 hands" in err
    with PilImage.open(out) as image:
        assert image.height == 2 * (2 * 80 + 2) + 2
    code, err = synthesize(out, "--text", "一天犇")
    assert code == 1
    assert "no images of 2 of 3 different characters: 天犇" in err
    assert "or use the simulator or a refiner with " in err
