import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.gpu import entries, steps
from benchmarks.gpu.__main__ import main
from benchmarks.gpu.arms import ALL, Clock, Settings, mixed_batches, real_samples
from benchmarks.gpu.prepare import SEED, SEEN, Inputs, prepare
from benchmarks.gpu.refined import Rendered, recipe_with
from benchmarks.gpu.resnet import RecogniserSettings
from hwgen.charset import gb2312_level1
from hwgen.generators.gan.presets import Recipe, preset
from hwgen.imaging.framing import Framing
from hwgen.sources.pot import encode_trajectory
from hwgen.sources.simulation.samples import SimulatedSamples
from hwgen.sources.strokes.rounding import rounded

ROOT = Path(__file__).parents[2]
CLASSES = 6
TINY = ["--tiny", "--classes", str(CLASSES), "--per-class", "2", "--recogniser-steps", "2"]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def gpu_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four writers of six characters with random strokes, as `pot/` and graphics.txt."""
    data = tmp_path_factory.mktemp("data")
    (data / "pot").mkdir()
    characters = gb2312_level1().labels[:CLASSES]
    rng = np.random.default_rng(0)
    for writer in (1001, 1002, 1003, 1051):
        records = [
            encode_trajectory(c, [[tuple(p) for p in rng.integers(0, 300, (6, 2)).tolist()]])
            for c in characters
        ]
        (data / "pot" / f"{writer}-c.pot").write_bytes(b"".join(records))
    lines = [
        json.dumps({"character": c, "medians": rng.integers(0, 900, (2, 4, 2)).tolist()})
        for c in characters
    ]
    (data / "graphics.txt").write_text("\n".join(lines), encoding="utf-8")
    return data


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, gpu_data: Path) -> Path:
    """A folder for intermediate files in which data are prepared."""
    work = tmp_path_factory.mktemp("work")
    (work / "data").symlink_to(gpu_data)
    prepare(inputs_in(work), seen=4, per_class=2)
    return work


@pytest.fixture
def work(tmp_path: Path, prepared: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(prepared, tmp_path / "work", symlinks=True))


def inputs_in(work: Path) -> Inputs:
    return Inputs(work, CLASSES, "1001-1003", "1051")


def entry(work: Path, out: Path, *arguments: str) -> None:
    main(
        [
            arguments[0],
            *TINY,
            *arguments[1:],
            "--work",
            str(work),
            "--out",
            str(out),
            "--commit",
            "abc",
        ]
    )


def read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def test_unseen_measures_its_arms_and_states_what_each_has_cost(work: Path, tmp_path: Path) -> None:
    entry(work, tmp_path, "reference")
    entry(work, tmp_path, "unseen", "--seen", "3")
    result = read(tmp_path / "unseen-3.json")
    assert list(result["arms"]) == [f"real seen + {n}" for n in ("simulated", "refined", "both")]
    assert (result["open"], result["settings"]["unseen"]) == ([], 2)
    (call,) = result["calls"]
    assert call["commit"] == "abc"
    assert call["command"].startswith("python -m benchmarks.gpu unseen --tiny ")
    assert {"device", "precision", "torch"} <= call["hardware"].keys()
    simulated, refined, both = result["arms"].values()
    assert refined["accuracy"].keys() == simulated["accuracy"].keys()
    assert (both["accuracy"]["test_images_seen"], both["accuracy"]["test_images_unseen"]) == (3, 2)
    assert both["real_samples"] == 9
    assert set(both["read_as_label"]) == {"simulated", "refined"}
    assert 0 <= both["read_as_label"]["refined"] <= 1
    assert "refiner" not in simulated["budget"]
    cost = refined["budget"]
    assert (cost["refiner"]["images"], cost["recogniser"]["images"]) == (16, 32)
    assert cost["refiner"] == both["budget"]["refiner"]
    assert cost["seconds"] >= cost["refiner"]["seconds"] > 0
    with Image.open(tmp_path / "unseen-3.png") as sheet:
        assert sheet.size == (2 * 66 + 2, 6 * 66 + 2)  # 2 classes; real, simulated, refined, twice


def test_few_shot_uses_the_refiner_of_unseen_and_nested_real_samples(
    work: Path, tmp_path: Path
) -> None:
    entry(
        work,
        tmp_path,
        "few-shot",
        "--seen",
        "4",
        "--samples",
        "0",
        "2",
        "--made",
        "refined",
        "real",
    )
    arms = read(tmp_path / "few-shot-4.json")["arms"]
    assert [arm["real_samples"] for arm in arms.values()] == [12, 16, 16]
    assert list(arms)[-1] == "2 real of each unseen + real"
    entry(work, tmp_path, "unseen", "--seen", "4", "--made", "refined")
    (refined,) = read(tmp_path / "unseen-4.json")["arms"].values()
    assert (
        refined["budget"]["refiner"] == arms["0 real of each unseen + refined"]["budget"]["refiner"]
    )


def test_ablation_trains_a_refiner_for_each_set_of_changes(work: Path, tmp_path: Path) -> None:
    variants = ["--variant", "--variant", "generator.flow=0", "generator.ink=false"]
    entry(work, tmp_path, "ablation", *variants)
    arms = read(tmp_path / "ablation-4.json")["arms"]
    assert list(arms) == ["no change", "generator.flow=0 generator.ink=false"]
    runs = {arm["budget"]["refiner"]["run"] for arm in arms.values()}
    assert len(runs) == 2
    with Image.open(tmp_path / "ablation-4.png") as sheet:
        assert sheet.size[1] == 8 * 66 + 2


def test_the_ablations_of_the_entry_fit_the_preset() -> None:
    for text in entries.VARIANTS:
        (arm,) = entries.ablation([entries.changes_of(text.split())])
        assert recipe_with(arm.changes).preset == "refiner-64"


def test_an_entry_out_of_time_keeps_its_results_and_is_resumed(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["unseen", "--seen", "4", "--seed", "5", "--made", "refined"]
    entry(work, tmp_path / "a", *command, "--seconds", "0")
    assert len(read(tmp_path / "a/unseen-4-seed-5.json")["open"]) == 1
    assert capsys.readouterr().out.endswith("stopped; rerun the command to resume\n")
    assert not list(work.glob("refiners/*/weights/*"))
    entry(work, tmp_path / "b", *command)
    (checkpoint,) = work.glob("refiners/*/checkpoint.safetensors")
    checkpoint.unlink()  # a complete refiner needs none
    entry(work, tmp_path / "c", *command, "simulated")
    result = read(tmp_path / "c/unseen-4-seed-5.json")
    assert (len(result["arms"]), len(result["calls"]), result["open"]) == (2, 3, [])
    assert [arm["call"] for arm in result["arms"].values()] == [1, 2]
    assert len(result["arms"]["real seen + refined"]["budget"]["refiner"]["trained_on"]) == 1
    assert (tmp_path / "c/unseen-4-seed-5.png").exists()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["unseen", "--seen", "5"], "--seen must be from 2 to 4, found 5"),
        (["ablation", "--variant", "hands"], "expected NAME=VALUE, found 'hands'"),
        (["ablation", "--variant", "hand=3"], "hands"),
    ],
)
def test_wrong_options_are_refused_before_the_work_begins(
    arguments: list[str], error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        entry(tmp_path / "work", tmp_path / "out", *arguments)
    assert error in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_results_of_other_settings_are_not_mixed(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry(work, tmp_path, "reference")
    with pytest.raises(SystemExit):
        entry(work, tmp_path, "reference", "--per-class", "3")
    assert "has other settings; give another --name" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["prepare", "speed", "paper-hwdb"])
def test_a_measurement_runs_at_a_tiny_size_and_is_not_repeated(
    name: str, work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry(work, tmp_path, name)
    result = read(tmp_path / f"{name}.json")
    assert (result["entry"], result["commit"]) == (name, "abc")
    capsys.readouterr()
    entry(work, tmp_path, name)
    assert capsys.readouterr().out.startswith(f"{name}: skipped, ")


def test_classes_mix_real_and_made_images_and_those_without_real_ones_are_made() -> None:
    torch.manual_seed(0)
    images = torch.tensor([10, 11, 20], dtype=torch.uint8)[:, None, None].expand(3, 2, 2)
    labels = torch.tensor([0, 0, 1])
    made = {n: torch.full((3, 2, 2, 2), n, dtype=torch.uint8) for n in (200, 201)}
    x, y = mixed_batches(images, labels, 3, {str(n): some for n, some in made.items()})(900)
    values = x[:, 0, 0]
    assert set(values[y == 0].tolist()) == {10, 11, 200, 201}
    assert set(values[y == 1].tolist()) == {20, 200, 201}
    assert set(values[y == 2].tolist()) == {200, 201}
    assert 0.4 < (values[y < 2] >= 200).float().mean() < 0.6
    assert 0.4 < (values[y == 2] == 201).float().mean() < 0.6
    x, y = mixed_batches(images, labels, 3, {})(100)
    assert set(y.tolist()) == {0, 1}
    assert set(x[:, 0, 0].tolist()) == {10, 11, 20}


def test_more_real_samples_include_fewer(work: Path) -> None:
    store = inputs_in(work).train()
    settings = Settings(2, 0, 1, {}, RecogniserSettings())
    sets = [real_samples(store, settings, n) for n in (0, 1, 2, ALL)]
    assert [torch.bincount(y, minlength=CLASSES).tolist() for _, y in sets] == [
        [3, 3, 0, 0, 0, 0],
        [3, 3, 1, 1, 1, 1],
        [3, 3, 2, 2, 2, 2],
        [3] * 6,
    ]
    fewer, more = ({x.numpy().tobytes() for x in images} for images, _ in sets[1:3])
    assert fewer < more


def test_rendered_images_are_those_that_the_sampler_would_simulate(work: Path) -> None:
    inputs = inputs_in(work)
    rendered = inputs.simulated(2)
    strokes = rounded(inputs.strokes.load(inputs.charset))
    start = SimulatedSamples(inputs.charset, strokes, Framing(64))
    ready = Rendered(inputs.charset, strokes, Framing(64), rendered=rendered)
    ids, indices = np.array([5, 0]), np.array([1, 0])
    expected = start.images(ids, indices, SEED)
    assert np.array_equal(ready.images(ids, indices, SEED), expected)


def test_the_full_task_has_1000_unseen_classes(tmp_path: Path) -> None:
    assert Inputs(tmp_path).unseen == 1000
    assert SEEN + 1000 == 3755


def test_the_clock_stops_at_its_end_or_at_a_signal() -> None:
    stopped = Event()
    clock = Clock(time.monotonic() + 100, stopped)
    assert not clock.stop()
    stopped.set()
    assert clock.stop()
    assert Clock(time.monotonic() - 1, Event()).stop()


def test_the_script_runs_entries_and_leaves_few_files(tmp_path: Path, gpu_data: Path) -> None:
    source, work, out = tmp_path / "input", tmp_path / "work", tmp_path / "out"
    source.mkdir()
    shutil.copy(gpu_data / "graphics.txt", source)
    with tarfile.open(source / "pot.tar.xz", "w:xz") as archive:
        archive.add(gpu_data / "pot", "pot")
    script = ["bash", str(ROOT / "benchmarks/gpu/run.sh"), "full"]
    done = subprocess.run(
        [*script, str(source), str(work), str(out), "abc"],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHON": sys.executable,
            "ENTRIES": f"unseen --seen 3 --made refined {' '.join(TINY)}",
            "KEEP": "yes",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    names = {file.name for file in out.iterdir()}
    assert names == {"models.tar.00", "run.log", "unseen-3.json", "unseen-3.png"}, done.stdout
    assert read(out / "unseen-3.json")["open"] == []
    assert "real seen + refined: {" in (out / "run.log").read_text()
    with tarfile.open(out / "models.tar.00") as archive:
        kept = {Path(name).name for name in archive.getnames()}
    assert {"run.json", "000000016.safetensors", "strokes.safetensors"} <= kept
    assert "checkpoint.safetensors" not in kept


def test_steps_are_measured_with_what_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, str, int]] = []

    def run(recipe: Recipe, *_: object) -> None:
        first = recipe.discriminator.stages[0].channels
        seen.append((torch.backends.cudnn.benchmark, recipe.preset, first))

    monkeypatch.setattr(steps, "run_graphs", run)
    ways = steps.not_chosen(preset("paper-hwdb"), 3755, "cuda", 60)
    assert list(ways) == ["cudnn.benchmark", "D's first layer of 264 channels instead of 257"]
    for call in ways.values():
        call()
    assert seen == [(True, "paper-hwdb, cudnn.benchmark", 257), (False, "paper-hwdb", 264)]
    assert list(steps.not_chosen(preset("glyph-32"), 3755, "cuda", 60)) == ["cudnn.benchmark"]
