import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hwgen.charset import Charset
from hwgen.compute.tensor_files import file_hash, load_tensors
from hwgen.generators.adversarial import snapshot_writer
from hwgen.generators.adversarial.training import AGREE_STEPS
from hwgen.generators.gan.presets import Recipe, change
from hwgen.generators.gan.training import train
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe
from hwgen.record import Record
from hwgen.runs import Run
from hwgen.runs.snapshots import best_scores
from hwgen.store import Store, StoreWriter
from hwgen_cli.__main__ import main

Hwgen = Callable[..., tuple[int, str, str]]


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


def store_of(
    path: Path, size: int, labels: str = "一丨十", channels: int = 1, charset: str = "一丨十"
) -> Path:
    shape = (size, size) if channels == 1 else (size, size, channels)
    with StoreWriter(path, size=size, channels=channels, recipe={}) as writer:
        for n in range(30):
            image = np.full(shape, 8 * n, np.uint8)
            writer.add(Record(image, labels[n % len(labels)], "", "toy", n))
        writer.finish(charset=Charset(tuple(charset)), origin={"kind": "gnt"})
    return path


def test_dry_run_prints_the_plan_and_writes_nothing(tmp_path: Path, hwgen: Hwgen) -> None:
    out = tmp_path / "run"
    code, shown, _ = hwgen(
        "train", store_of(tmp_path / "s", 28), "--out", out, "--preset", "paper-hwdb", "--dry-run",
        "--batch", 32, "--images", 3200, "--snapshot-every", 320, "--loss", "lsgan-eq8",
        "--unconditional",
    )  # fmt: skip
    assert code == 0
    assert not out.exists()
    for text in (
        "Recipe paper-hwdb",
        "│ batch │ 32 │",
        "│ images │ 3200 │",
        "│ every │ 320 │",
        "│ conditional │ False │",
        "│ loss.a │ -1.0 │",
        "│ loss.c │ 0.0 │",
        "│ loss.reduction │ sum │",
        "│ steps │ 100 │",
        "│ records │ 30 │",
        "parameters of G",
        "memory: images",
    ):
        assert text in " ".join(shown.replace("┃", "│").split()), text


@pytest.mark.parametrize(
    ("store", "options", "message"),
    [
        ({"labels": "一丨"}, "", "1 of the 3 classes have no record"),
        ({"channels": 3}, "", "expected 1 channel, found 3"),
        ({"size": 4}, "", "expects at least one, of 8 pixels or more"),
        ({}, "--cuda-graphs", "CUDA graphs need one process on a GPU"),
        ({}, "--device nonsense", "device"),
        ({}, "--precision half", "half"),
        ({}, "--recogniser nothing", "nothing"),
        ({}, "--out foreign", "already exists and is not a run"),
        ({}, "--out file/run", "Not a directory"),
        ({"channels": 3}, "--preset deformation-32", "expected 1 channel, found 3"),
        ({"size": 31}, "--preset deformation-32", "expected images of at least 32 pixels"),
        (
            {"size": 32, "labels": "".join(map(chr, range(0x4E00, 0x4E1E)))},
            "--preset deformation-32",
            "no class has two records",
        ),
    ],
)
def test_dry_run_refuses_what_training_refuses_and_training_leaves_nothing(
    store: dict[str, Any],
    options: str,
    message: str,
    tmp_path: Path,
    hwgen: Hwgen,
    toy_options: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    charset = store.get("labels", "") if len(store.get("labels", "")) > 3 else "一丨十"
    given = store_of(tmp_path / "store", **{"size": 8, "charset": charset, **store})
    Path("foreign").mkdir()
    for file in ("foreign/mine", "file"):
        Path(file).write_text("mine")
    toy = ["--device=cpu"] if "deformation" in options else toy_options
    out = [] if "--out" in options else ["--out", "run"]
    before = sorted(tmp_path.rglob("*"))
    shown = []
    for dry in (["--dry-run"], []):
        code, _, error = hwgen("train", given, *out, *toy, *options.split(), *dry)
        assert (code, message in error) == (1, True), error
        shown.append(error)
    assert shown[0] == shown[1]
    assert sorted(tmp_path.rglob("*")) == before


def test_dry_run_refuses_a_run_of_another_recipe(
    toy_store: Store, tmp_path: Path, hwgen: Hwgen, toy_options: list[str]
) -> None:
    command = ["train", toy_store.path, "--out", tmp_path / "run", *toy_options, "--images", 8]
    assert hwgen(*command)[0] == 0
    assert hwgen(*command, "--dry-run")[0] == 0
    code, _, error = hwgen(*command, "--dry-run", "--seed", 3)
    assert code == 1
    assert "seed: 0 -> 3" in error


def test_progress_and_refusal_of_another_recipe(
    toy_store: Store, tmp_path: Path, hwgen: Hwgen, toy_options: list[str]
) -> None:
    out = tmp_path / "run"
    command = ["train", toy_store.path, "--out", out, *toy_options, "--images", 200]
    code, shown, err = hwgen(*command)
    assert code == 0
    assert shown == ""
    assert f"{out}: finished" in err
    assert "200 of 200" in err
    assert "D(real)" in err
    assert [int(path.stem) for path in Run(out).snapshots()] == [100, 200]
    assert f"newest grid of samples: {out}/grids/000000200.png {out}: finished" in err
    assert err.endswith(f"next: hwgen synthesize {out} --out synthetic --per-class 50")

    for change_of, line in (
        (["--batch", 5], "recipe.batch: 4 -> 5"),
        (["--seed", 3], "seed: 0 -> 3"),
        (["--loss", "gan"], "recipe.loss.kind: lsgan -> gan"),
        (["--set", "ema=0"], "recipe.ema: 0.998 -> 0.0"),
    ):
        code, _, err = hwgen(*command, *change_of)
        assert code == 1
        assert line in err
        assert "Traceback" not in err


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (["--steps", 30], ["images │ 120", "steps │ 30"]),
        (["--epochs", 3], ["images │ 90", "steps │ 22"]),
        (["--epochs", 3, "--batch", 10], ["images │ 90", "steps │ 9"]),
        (["--lr", 0.002], ["optimizer.lr_g │ 0.002", "optimizer.lr_d │ 0.002"]),
        (
            ["--preset", "deformation-32", "--steps", 30, "--lr", 0.002],
            ["steps │ 30", "lr │ 0.002"],
        ),
    ],
)
def test_length_and_rate_have_options(
    tmp_path: Path, hwgen: Hwgen, toy_options: list[str], options: list[object], rows: list[str]
) -> None:
    toy = [option for option in toy_options if "images" not in option]
    given = [*toy, *options] if "--preset" not in options else options
    store = store_of(tmp_path / "s", 32)
    code, shown, error = hwgen("train", store, "--out", tmp_path / "run", "--dry-run", *given)
    assert code == 0, error
    shown = " ".join(shown.replace("┃", "│").split())
    for row in rows:
        assert f"│ {row} │" in shown, row


def test_a_finished_run_is_lengthened(
    toy_store: Store, tmp_path: Path, hwgen: Hwgen, toy_options: list[str]
) -> None:
    toy = [option for option in toy_options if "images" not in option]
    command = ["train", toy_store.path, "--out", tmp_path / "run", *toy]
    assert hwgen(*command, "--steps", 25)[0] == 0
    assert hwgen(*command, "--steps", 50, "--dry-run")[0] == 0
    assert hwgen(*command, "--steps", 50)[0] == 0
    assert [int(path.stem) for path in Run(tmp_path / "run").snapshots()] == [100, 200]
    code, _, error = hwgen(*command, "--images", 100)
    assert code == 1
    assert "recipe.images: 200 -> 100" in error


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--set", "ema"], "--set ema is not FIELD=VALUE"),
        (["--steps", "3", "--epochs", "1"], "--steps and --epochs set the same"),
        (["--images", "96", "--set", "images=96"], "--images and --set images=96 set the same"),
        (["--lr", "0"], "learning rates must be above 0"),
        (["--set", "loss.aa=1"], "unknown recipe field 'loss.aa'. Did you mean loss.a"),
        (["--set", "batch=x"], "recipe.batch should be int, found 'x'"),
        (["--preset", "glyph32"], "no preset 'glyph32'. Did you mean glyph-32"),
        (["--loss", "wgan"], "no loss 'wgan'. Did you mean gan"),
        (["--device", "abacus"], "device 'abacus' cannot be used"),
        (["--precision", "fp8"], "precision 'fp8' is not one of"),
        (["--preset", "glyph-64"], "expects at least one, of 64 pixels or more"),
        (["--recogniser", "none.safetensors"], "none.safetensors: no recogniser here"),
    ],
)
def test_input_errors_are_printed_without_a_traceback(
    toy_store: Store, tmp_path: Path, hwgen: Hwgen, options: list[str], text: str
) -> None:
    code, _, err = hwgen("train", toy_store.path, "--out", tmp_path / "run", *options)
    assert code == 1
    assert text in err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_a_missing_store_is_an_error(tmp_path: Path, hwgen: Hwgen) -> None:
    code, _, err = hwgen("train", tmp_path / "none", "--out", tmp_path / "run")
    assert code == 1
    assert "no store here" in err


def test_a_recogniser_scores_every_snapshot(
    toy_store: Store, tmp_path: Path, hwgen: Hwgen, toy_options: list[str]
) -> None:
    recipe = RecogniserRecipe(size=8, widths=((4,), (4,)), hidden=4, grid=2)
    network = RecogniserNetwork(recipe, 3)
    Recogniser(network, recipe, Charset(tuple("一丨十"))).save(tmp_path / "rec.safetensors")
    out = tmp_path / "run"
    code, _, err = hwgen(
        "train", toy_store.path, "--out", out, *toy_options, "--recogniser",
        tmp_path / "rec.safetensors",
    )  # fmt: skip
    assert code == 0
    assert err.endswith("--out synthetic --per-class 50 --snapshot best")
    code, _, err = hwgen("synthesize", out, "--out", tmp_path / "s", "--snapshot", "best")
    assert code == 0
    images, score = max(best_scores(Run(out)).items(), key=lambda item: item[1])
    assert f"best snapshot: after {images:,} images, score {score:.3f} of at most 1" in err
    scores = [entry for entry in Run(out).read_log() if "purity" in entry]
    assert [entry["images"] for entry in scores] == [100, 200, 280]
    assert all(0 <= entry["purity"] <= 1 and entry["diversity"] > 0 for entry in scores)
    assert all(entry["frechet_share"] >= 0 for entry in scores)
    assert {entry["recogniser"] for entry in scores} == {file_hash(tmp_path / "rec.safetensors")}


def test_stop_and_rollback_at_a_mode_collapse(
    toy_store: Store,
    tmp_path: Path,
    hwgen: Hwgen,
    toy_options: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alike = "all samples are alike"
    verdicts = iter(["", alike, alike, "", ""])
    monkeypatch.setattr(snapshot_writer, "collapse", lambda *_, **__: next(verdicts))
    command = ["train", toy_store.path, "--out", tmp_path / "run", *toy_options]
    code, _, err = hwgen(*command)
    assert code == 1
    assert "after 200 images: all samples are alike" in err
    assert "last good snapshot is 000000100.safetensors" in err
    assert "--on-collapse rollback" in err
    assert "Traceback" not in err
    code, _, err = hwgen(*command, "--on-collapse", "rollback")
    assert code == 0
    assert [e["rollback"] for e in Run(tmp_path / "run").read_log() if "rollback" in e] == [1]


LONG = {"images": "1600", "every": "100"}
LONGER = ["--images=1600", "--snapshot-every=100"]


def begin(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hwgen_cli", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, "the command ended before it was interrupted"
        time.sleep(0.002)


@pytest.mark.usefixtures("one_thread")  # as the commands in processes of their own
def test_killed_and_interrupted_runs_end_as_an_uninterrupted_one(
    toy_store: Store,
    toy_recipe: Recipe,
    tmp_path: Path,
    hwgen: Hwgen,
    toy_options: list[str],
) -> None:
    out = tmp_path / "run"
    command = ["train", str(toy_store.path), "--out", str(out), *toy_options, *LONGER]
    weights = out / "weights"

    with begin(command) as process:
        wait_for(weights / "000000100.safetensors", process)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (weights / "000001600.safetensors").exists()

    # The next process looks for its own progress, not for what the killed one left.
    last = sorted(weights.glob("*.safetensors"))[-1]
    with begin(command) as process:
        wait_for(weights / f"{int(last.stem) + 100:09d}.safetensors", process)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        printed = process.stderr.read()
    assert process.returncode == 130
    assert "stopped; rerun the command to resume" in " ".join(printed.split())
    assert "Traceback" not in printed
    assert not (weights / "000001600.safetensors").exists()

    code, _, err = hwgen(*command)
    assert code == 0
    assert "finished" in err

    straight = train(
        toy_store, tmp_path / "straight", change(toy_recipe, LONG), device="cpu", precision="fp32"
    )
    final = load_file(weights / "000001600.safetensors")
    for name, tensor in load_file(straight.snapshots()[-1]).items():
        assert torch.equal(final[name], tensor), name
    images = [entry["images"] for entry in Run(out).read_log() if "loss_d" in entry]
    assert images == list(range(200, 1601, 200))
    everything = (out / "log.jsonl").read_text("utf-8").splitlines()
    assert all(isinstance(json.loads(line), dict) for line in everything)
    began = [entry for entry in Run(out).read_log() if "began" in entry]
    assert len(began) == 3
    assert all(a["images"] <= b["images"] for a, b in itertools.pairwise(began))


def test_torchrun_stops_together_and_one_process_resumes(
    toy_store: Store,
    tmp_path: Path,
    hwgen: Hwgen,
    toy_options: list[str],
    torchrun: Callable[..., subprocess.Popen[str]],
) -> None:
    out = tmp_path / "run"
    command = ["train", str(toy_store.path), "--out", str(out), *toy_options, *LONGER]
    process = torchrun("-m", "hwgen_cli", *command)
    wait_for(out / "weights" / "000000100.safetensors", process)
    process.send_signal(signal.SIGINT)
    printed = " ".join(process.communicate()[0].split())
    assert process.returncode != 0
    assert printed.count("stopped; rerun the command to resume") == 1
    assert "Warning" not in printed
    step = int(load_tensors(out / "checkpoint.safetensors")[1]["step"])
    assert step < 400
    assert step % AGREE_STEPS == 0
    code, _, err = hwgen(*command)
    assert code == 0
    assert "finished" in err
    entries = Run(out).read_log()
    assert [e["images"] for e in entries if "loss_d" in e] == list(range(200, 1601, 200))
    began = [(e["images"], e["began"]["processes"]) for e in entries if "began" in e]
    assert began == [(0, 2), (4 * step, 1)]


def test_under_torchrun_a_mistake_is_told_once(
    toy_store: Store,
    tmp_path: Path,
    toy_options: list[str],
    torchrun: Callable[..., subprocess.Popen[str]],
) -> None:
    out = tmp_path / "run"
    process = torchrun(
        "-m", "hwgen_cli", "train", toy_store.path, "--out", out, *toy_options, "--batch", 5
    )
    printed = process.communicate()[0]
    assert process.returncode != 0
    assert (
        printed.count("error: a batch of 5 cannot be divided evenly among 2 processes. Start 1")
        == 1
    )
    # The one traceback is torchrun's own.
    assert printed.count("Traceback (most recent call last)") == 1
    assert not out.exists()
