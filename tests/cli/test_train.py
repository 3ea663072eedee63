from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.compute.tensor_files import file_hash
from hwgen.generators.adversarial import snapshot_writer
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe
from hwgen.record import Record
from hwgen.runs import Run
from hwgen.runs.snapshots import best_scores
from hwgen.store import Store, StoreWriter

Hwgen = Callable[..., tuple[int, str, str]]


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
