import json
import os
import signal
import sys
from pathlib import Path

import pytest
from PIL import Image as PilImage

from hwgen.experiments import convergence
from hwgen.experiments.lift.choice import choose_generator
from hwgen.experiments.lift.generators import TrainedGenerator
from hwgen.experiments.lift.plan import PRETRAINED_STRONG_EPOCHS, STRONG_EPOCHS
from hwgen.generators.deformation.recipe import DeformationRecipe
from hwgen.generators.gan.presets import Recipe
from hwgen.store import Store
from hwgen_cli.__main__ import main
from tests.cli.lift_runs import learnt_run, make_store, run, store_options


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Tiny networks are fastest on one thread."""


@pytest.fixture
def stores(tmp_path: Path) -> list[object]:
    return store_options(tmp_path)


@pytest.fixture
def learnt(tmp_path: Path) -> Path:
    return learnt_run(tmp_path)


def test_a_simulated_test_store_gives_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train = make_store(tmp_path / "train", (3, 3, 3))
    test = make_store(tmp_path / "test", (1, 1, 1), simulated=True)
    options = ["lift", "--train", train, "--test", test, "--out", tmp_path / "out"]
    options += ["--real-per-class", "1", "--trials", 1, "--arms", "classical"]
    assert run(monkeypatch, *options, "--held-out-per-class", 1) == 0
    assert "the test store is simulated" in capsys.readouterr().out
    result = json.loads((tmp_path / "out" / "lift.json").read_text("utf-8"))
    assert result["made"] == {"train": "real", "test": "simulated"}


def test_the_augmentation_depends_on_repetitions_per_sample(
    stores: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["lift", *stores, "--out", tmp_path / "out", "--real-per-class", "1"]
    assert run(monkeypatch, *options, "--trials", 1, "--arms", "classical") == 0
    result = json.loads((tmp_path / "out" / "lift.json").read_text("utf-8"))
    assert result["protocol"]["strong_views"] == STRONG_EPOCHS
    assert result["protocol"]["started_strong_views"] == PRETRAINED_STRONG_EPOCHS


def test_tables_advice_plot_and_resume(
    stores: list[object],
    learnt: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, plot = tmp_path / "out", tmp_path / "plots" / "curve.png"
    options = ["lift", *stores, "--out", out, "--real-per-class", "2,all", "--trials", 1]
    options += [
        "--arms",
        "classical,classical+synthetic",
        "--synthetic-per-class",
        "2,3",
        "--held-out-per-class",
        1,
    ]
    options += ["--generator", learnt, "--synthetic-fraction", 0.25, "--plot", plot]
    assert run(monkeypatch, *options) == 0
    shown = capsys.readouterr().out
    for text in (
        "Top-1 accuracy, %",
        "difference to classical",
        "classical+synthetic 3",
        "│ all ",
        "by the number of real samples per class: ",
        "1 writers are in both the train and the test store",
        f"written: {out / 'lift.json'}",
    ):
        assert text in shown
    found = json.loads((out / "lift.json").read_text("utf-8"))
    assert found["decides"]["recipe"]["mixing"]["share"] == 0.25
    assert found["decides"]["recipe"]["widths"][0] == [16]  # light
    assert found["generator"]["kind"] == "deformation learnt before"
    assert len(found["rows"]) == 2 * 3
    with PilImage.open(plot) as image:
        assert image.width > image.height > 100

    assert run(monkeypatch, *options, "--json") == 0
    assert json.loads(capsys.readouterr().out) == found
    options[options.index(0.25)] = 0.5
    assert run(monkeypatch, *options) == 1
    assert "mixing.share: 0.25 -> 0.5" in capsys.readouterr().err


def test_rare_classes_have_their_own_tables(
    stores: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = [
        "lift",
        *stores,
        "--out",
        tmp_path / "out",
        "--experiment",
        "rare",
        "--real-per-class",
        "1",
    ]
    options += ["--trials", 1, "--arms", "none,classical", "--evaluate-on", "held-out"]
    assert run(monkeypatch, *options) == 0
    shown = capsys.readouterr().out
    for group in ("rare", "rare among rare", "common", "all"):
        assert f"Top-1 accuracy, %, {group} classes" in shown
    assert "rare among rare: only the rare classes are candidates." in " ".join(shown.split())
    found = json.loads((tmp_path / "out" / "lift.json").read_text("utf-8"))
    assert found["protocol"]["judged_on"] == "held-out"


@pytest.mark.parametrize("spec", ["十一", "FILE", "characters:一十"])
def test_rare_classes_are_named(
    stores: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spec: str,
) -> None:
    file = tmp_path / "rare.txt"
    file.write_text("十\n一\n", "utf-8")
    options = ["lift", *stores, "--out", tmp_path / "out", "--experiment", "rare", "--trials", 1]
    options += ["--rare", spec.replace("FILE", str(file)), "--real-per-class", "0"]
    assert run(monkeypatch, *options, "--arms", "classical") == 0
    found = json.loads((tmp_path / "out" / "lift.json").read_text("utf-8"))
    assert found["protocol"]["rare"] == ["一", "十"]
    assert found["rows"][0]["facts"]["pictures"] == [6]  # 丨 alone, without those held out


def test_one_arm_alone_has_no_differences(
    stores: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["lift", *stores, "--out", tmp_path / "out", "--real-per-class", "1"]
    assert run(monkeypatch, *options, "--trials", 1, "--arms", "classical") == 0
    shown = capsys.readouterr().out
    assert "Top-1" in shown
    assert "(+" not in shown
    assert "not measured: starting from a recogniser pretrained" in shown


def test_ctrl_c_and_resume(
    stores: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from hwgen.results.trials import TrialResult

    save = TrialResult.save

    def save_and_interrupt(row: TrialResult, path: Path) -> None:
        save(row, path)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(TrialResult, "save", save_and_interrupt)
    options = ["lift", *stores, "--out", tmp_path / "out", "--real-per-class", "1"]
    options += ["--trials", 1, "--arms", "none,classical"]
    assert run(monkeypatch, *options) == 130
    assert "stopped; rerun the command to resume" in capsys.readouterr().err
    assert len(list((tmp_path / "out" / "rows").iterdir())) == 1
    monkeypatch.setattr(TrialResult, "save", save)
    assert run(monkeypatch, *options) == 0


def test_pretrained_arms_start_from_a_recogniser(
    stores: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other, unseen = (make_store(tmp_path / name, (4, 4, 4)) for name in ("others", "unseen1"))
    plain = [
        "benchmark",
        "--train",
        other,
        "--test",
        unseen,
        "--out",
        tmp_path / "plain",
        "--seeds",
        1,
    ]
    assert run(monkeypatch, *plain) == 0
    (recogniser,) = (tmp_path / "plain").glob("recogniser-*.safetensors")
    options = ["lift", *stores, "--out", tmp_path / "out", "--real-per-class", "1"]
    options += ["--trials", 1, "--init-from", recogniser]
    assert run(monkeypatch, *options, "--arms", "classical,pretrained") == 0
    shown = capsys.readouterr().out
    assert "pretrained" in shown
    assert "not measured" not in shown
    assert run(monkeypatch, *options, "--arms", "classical") == 1
    assert "no arm is pretrained" in capsys.readouterr().err
    started = ["--out", tmp_path / "knows", "--seeds", 1, "--init-from", recogniser]
    assert run(monkeypatch, "benchmark", *stores, *started) == 0
    (knows,) = (tmp_path / "knows").glob("recogniser-*.safetensors")
    options[options.index(recogniser)] = knows
    assert run(monkeypatch, *options, "--arms", "classical,pretrained") == 1
    assert "was trained on this store" in capsys.readouterr().err


def test_without_steps_each_arm_is_trained_until_more_no_longer_help(
    stores: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(convergence, "FIRST_STEPS", 1)
    monkeypatch.setattr(convergence, "LEAST_GAIN", 2.0)
    options = [*stores, "--out", tmp_path / "out", "--trials", 1, "--real-per-class", "1"]
    options += ["--arms", "none,classical", "--held-out-per-class", 1, "--size", 16]
    options += ["--device", "cpu", "--precision", "fp32", "--recogniser-preset", "light"]
    options += ["--plot", tmp_path / "curve.png"]
    monkeypatch.setattr(sys, "argv", ["hwgen", "lift", *map(str, options)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as leaving:
        main()
    shown = capsys.readouterr()
    assert not leaving.value.code, shown.err
    assert "--steps converged: at most 32 recognisers, 129,534 training steps, " in shown.err
    assert "A quick look: --steps 1000" in shown.err
    for text in ("classical, best: ", "Every arm has converged", "by training steps, %"):
        assert text in shown.out, text
    assert "A quick look" not in shown.out
    found = json.loads((tmp_path / "out" / "lift.json").read_text("utf-8"))
    # The augmentation of classical became stronger with the second step.
    rows = [(one["cell"]["arm"], one["cell"]["steps"]) for one in found["rows"]]
    assert sorted(rows) == [("classical", n) for n in (1, 2, 4)] + [("none", n) for n in (1, 2)]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--real-per-class", "5,some"], "different whole numbers above 0 or all"),
        (["--real-per-class", "5,5"], "must be different whole numbers"),
        (
            ["--synthetic-per-class", "0"],
            "-class must be different whole numbers above 0, separated by commas, found 0. ",
        ),
        (["--steps", "5,5"], "--steps must be different whole numbers"),
        (["--steps", "long"], "separated by commas, or converged, found long"),
        (["--steps", "converged:500"], "500 steps are too few to see whether more help"),
        (["--steps", "converged:2000,4000"], "expected one whole number above 0 after converged:"),
        (["--steps", "converged:"], "expected one whole number above 0 after converged:, found "),
        (["--held-out-per-class", 0], "but no samples are held out"),
        (["--rare", "一"], "Give --experiment rare, or leave --rare out"),
        (["--experiment", "rare", "--rare", "木"], "are not among the 3 classes: 木"),
        (
            ["--experiment", "rare", "--rare", "3", "--size", 16, "--steps", 1],
            "all classes with samples are rare",
        ),
        (["--generator", "refiner-32", "--strokes", "no.txt"], "no.txt: no such file"),
        (["--arms", "classic"], "unknown arm 'classic'"),
        (["--generator", "glyph"], "no preset 'glyph'"),
        (["--held-out-per-class", 0, "--evaluate-on", "held-out"], "no samples are held out"),
        (["--plot", "curve.pdf"], "must end in .png"),
        (
            ["--recogniser-preset", "huge"],
            "unknown recogniser preset 'huge'. Known:",
        ),
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
    everything = [*stores, "--out", tmp_path / "out", *options]
    monkeypatch.setattr(sys, "argv", ["hwgen", "lift", *map(str, everything)])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 1
    assert error in " ".join(capsys.readouterr().err.split()) + " "
    assert not (tmp_path / "out" / "rows").exists()


def test_runs_that_cannot_generate_are_refused(
    stores: list[object],
    learnt: Path,
    tmp_path: Path,
    toy_store: Store,
    toy_recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from dataclasses import replace

    from hwgen.generators.gan.training import train

    options = ["lift", *stores, "--out", tmp_path / "out", "--generator"]
    assert run(monkeypatch, *options, learnt, "--generator-images", 5) == 1
    assert "is trained already" in capsys.readouterr().err
    recipe = replace(toy_recipe, images=8, every=8)
    gan = train(toy_store, tmp_path / "gan", recipe, device="cpu").path
    assert run(monkeypatch, *options, gan) == 1
    assert "--generator glyph-32" in capsys.readouterr().err
    (tmp_path / "learnt" / "weights" / "000000016.safetensors").unlink()
    assert run(monkeypatch, *options, learnt) == 1
    assert "has no snapshot yet" in capsys.readouterr().err


def test_generator_images_set_the_length_of_training(toy_store: Store) -> None:
    gan = choose_generator("glyph-32", toy_store, images=64, device="cpu")
    assert isinstance(gan, TrainedGenerator)
    assert (gan.recipe.images, gan.recipe.every) == (64, 64)
    default = choose_generator("glyph-32", toy_store, device="cpu")
    assert isinstance(default, TrainedGenerator)
    assert default.recipe.images > 64
    deformation = choose_generator("deformation-32", toy_store, images=640, device="cpu")
    assert isinstance(deformation, TrainedGenerator)
    assert deformation.recipe.steps == 10
    default = choose_generator("deformation-32", toy_store, device="cpu")
    assert isinstance(default, TrainedGenerator)
    assert default.recipe == DeformationRecipe()
