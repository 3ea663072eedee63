"""Tests of training: resumption, refusals, and what a run holds."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PilImage
from safetensors.torch import load_file

from hwgen.charset import Charset
from hwgen.compute.tensor_files import file_hash, load_tensors, save_tensors
from hwgen.errors import InputError, RecipeChangedError, RunError
from hwgen.generators.adversarial.training import note
from hwgen.generators.gan.presets import Recipe, change
from hwgen.generators.gan.training import train
from hwgen.io.json_files import write_json
from hwgen.progress import Control
from hwgen.record import Image, Record
from hwgen.runs import Run
from hwgen.runs.snapshots import find_snapshot
from hwgen.store import Store, StoreWriter
from tests.trainings import assert_same_files, run_training, stop_after, timeless


def picture(path: Path) -> tuple[tuple[int, int], str]:
    with PilImage.open(path) as opened:
        return opened.size, opened.mode


def scored(images: Image, class_ids: np.ndarray) -> Mapping[str, float | str]:
    return {"purity": float(images.mean() / 255), "diversity": 0.5 + class_ids.mean() / 100}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer.kind": "rmsprop", "translate": "1"},
        {
            "discriminator.norm": "spectral",
            "generator.norm": "batch",
            "generator.upsampling": "deconv",
            "generator.z": "uniform",
        },
        {"discriminator.norm": "batch", "discriminator.label": "concat", "loss.reduction": "sum"},
        {"conditional": "false", "ema": "0", "optimizer.kind": "tf-rmsprop"},
        {
            "balanced": "true",
            "warp.scale": "0.1",
            "warp.fade": "0.1",
            "transition": "[0.1, 0.6]",
            "label_pull": "1",
        },
    ],
    ids=["adam", "rmsprop", "spectral", "concat", "unconditional", "few-shot"],
)
def test_a_stopped_and_resumed_run_is_the_uninterrupted_one(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, changes: dict[str, str]
) -> None:
    recipe = change(toy_recipe, changes)
    straight = run_training(toy_store, tmp_path / "straight", recipe, score=scored)
    for steps in (13, 24, 20, 0):  # 70 in all; a snapshot each 25, a log line each 50
        run = run_training(
            toy_store,
            tmp_path / "broken",
            recipe,
            score=scored,
            stop=stop_after(steps) if steps else None,
        )
    assert [path.name for path in run.snapshots()] == [p.name for p in straight.snapshots()]
    for ours, theirs in zip(run.snapshots(), straight.snapshots(), strict=True):
        assert ours.read_bytes() == theirs.read_bytes()
    assert_same_files(run.checkpoint, straight.checkpoint)
    assert timeless(run.read_log()) == timeless(straight.read_log())
    assert [e["images"] for e in run.read_log() if "began" in e] == [0, 52, 148, 228]
    for grid in straight.grids.iterdir():
        assert (run.grids / grid.name).read_bytes() == grid.read_bytes()


def test_what_a_crash_left_in_the_log_is_not_logged_twice(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    recipe = replace(toy_recipe, every=160)  # the checkpoint is of step 40, the log of step 50
    asked = 0

    def crash() -> bool:
        nonlocal asked
        asked += 1
        if asked == 60:
            raise MemoryError
        return False

    with pytest.raises(MemoryError):
        run_training(toy_store, tmp_path / "crashed", recipe, stop=crash)
    with open(tmp_path / "crashed" / "log.jsonl", "a", encoding="utf-8") as file:
        file.write('{"images": 240, "lo')
    crashed = run_training(toy_store, tmp_path / "crashed", recipe)
    straight = run_training(toy_store, tmp_path / "straight", recipe)
    assert timeless(crashed.read_log()) == timeless(straight.read_log())
    assert_same_files(crashed.checkpoint, straight.checkpoint)


def test_a_snapshot_that_is_written_again_has_the_same_hash(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        # After the snapshot, before its checkpoint.
        patch.setattr("hwgen.generators.adversarial.snapshot_writer.save_checkpoint", killed)
        with pytest.raises(Killed):
            run_training(toy_store, out, toy_recipe)
    (snapshot,) = Run(out).snapshots()
    before = file_hash(snapshot)
    written = snapshot.stat().st_ino
    run_training(toy_store, out, toy_recipe)
    assert snapshot.stat().st_ino != written
    assert file_hash(snapshot) == before


def test_a_finished_run_is_left_as_it_is(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    run = run_training(toy_store, tmp_path / "run", toy_recipe)
    before = run.checkpoint.read_bytes()
    again = run_training(toy_store, tmp_path / "run", toy_recipe)
    assert again.checkpoint.read_bytes() == before
    assert timeless(again.read_log()) == timeless(run.read_log())


@pytest.mark.parametrize("stopped", [False, True])
def test_a_lengthened_run_is_the_one_that_was_to_be_as_long(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, stopped: bool
) -> None:
    longer = replace(toy_recipe, images=500)
    straight = run_training(toy_store, tmp_path / "straight", longer)
    stop = stop_after(13) if stopped else None
    run_training(toy_store, tmp_path / "run", toy_recipe, stop=stop)
    run = run_training(toy_store, tmp_path / "run", longer)
    assert run.recipe == straight.recipe
    assert_same_files(run.snapshots()[-1], straight.snapshots()[-1])
    end = [] if stopped else [280]  # the last snapshot of the shorter run
    assert [int(p.stem) for p in run.snapshots()] == sorted([100, 200, 300, 400, 500, *end])
    with pytest.raises(RecipeChangedError, match="images: 500 -> 280"):
        run_training(toy_store, run.path, toy_recipe)


def test_a_run_holds_what_its_first_lines_promise(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    seen: list[tuple[float, float, str]] = []
    control = Control(lambda *news: seen.append(news))
    run = run_training(toy_store, tmp_path / "run", toy_recipe, control=control)
    assert [int(path.stem) for path in run.snapshots()] == [100, 200, 280]
    assert sorted(path.name for path in run.grids.iterdir()) == [
        "000000100.png",
        "000000200.png",
        "000000280.png",
        "real.png",
    ]
    assert (
        len({picture(path) for path in run.grids.iterdir()}) == 1
    )  # samples and real ones lie side by side
    lines = [entry for entry in run.read_log() if "loss_d" in entry]
    assert [entry["images"] for entry in lines] == [200, 280]
    for entry in lines:
        assert {"loss_g", "d_real", "d_fake", "r1", "seconds", "images_per_second"} <= entry.keys()
    assert [news[:2] for news in seen] == [(0, 280), (200, 280), (280, 280)]
    assert seen[-1][2] == note(lines[-1])
    assert f"D {lines[-1]['loss_d']:.3f}" in seen[-1][2]
    for file in (run.checkpoint, run.snapshots()[0]):
        _, texts = load_tensors(file)
        assert json.loads(texts["charset"]) == ["一", "丨", "十"]
        assert json.loads(texts["recipe"]) == run.recipe
        assert texts["run"] == run.id
    tensors, _ = load_tensors(run.checkpoint)
    assert {name.split(".")[0] for name in tensors} == {
        "g",
        "d",
        "ema",
        "optimizer_g",
        "optimizer_d",
    }


def test_the_snapshot_is_the_average_with_its_statistics(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    run = run_training(toy_store, tmp_path / "run", toy_recipe)
    snapshot, (everything, _) = load_file(run.snapshots()[-1]), load_tensors(run.checkpoint)
    assert any("running_mean" in name for name in snapshot)
    for name, tensor in snapshot.items():
        assert torch.equal(tensor, everything["ema" + name.removeprefix("g")])
    assert any(not torch.equal(snapshot[name], everything[name]) for name in snapshot)


def test_seeds_matter(toy_store: Store, toy_recipe: Recipe, tmp_path: Path) -> None:
    recipe = replace(toy_recipe, images=8, every=8)
    files = [
        run_training(toy_store, tmp_path / str(seed), recipe, seed=seed).snapshots()[-1]
        for seed in (0, 1)
    ]
    assert not torch.equal(*(load_file(file)["g.start.weight"] for file in files))


def test_other_recipes_seeds_and_stores_are_refused(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    recipe = replace(toy_recipe, images=8, every=8)
    run_training(toy_store, out, recipe)
    with pytest.raises(RecipeChangedError, match=r"recipe\.batch: 4 -> 8"):
        run_training(toy_store, out, replace(recipe, batch=8))
    with pytest.raises(RecipeChangedError, match="seed: 0 -> 1"):
        run_training(toy_store, out, recipe, seed=1)
    with pytest.raises(RecipeChangedError, match=r"data\.content_sha256"):
        run_training(small_store(tmp_path / "other"), out, recipe)


def test_a_run_that_an_earlier_hwgen_began_goes_on(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    recipe = replace(toy_recipe, images=40, every=20)
    run_training(toy_store, tmp_path / "run", recipe, stop=stop_after(5))
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    for added in ("balanced", "warp", "transition", "label_pull"):
        del info["recipe"][added]
    write_json(tmp_path / "run" / "run.json", info)
    run = run_training(toy_store, tmp_path / "run", recipe)
    straight = run_training(toy_store, tmp_path / "straight", recipe)
    assert_same_files(run.snapshots()[-1], straight.snapshots()[-1])


def small_store(path: Path, *, size: int = 8, channels: int = 1, count: int = 4) -> Store:
    shape = (size, size) if channels == 1 else (size, size, 3)
    with StoreWriter(path, size=size, channels=channels, recipe={}) as writer:
        for n in range(count):
            writer.add(Record(np.full(shape, 50 * n, np.uint8), "一丨十"[n % 3], "", "", n))
        return writer.finish(charset=Charset(tuple("一丨十")), origin={})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"channels": 3}, "expected 1 channel, found 3"),
        ({"size": 7}, "--size 8"),
        ({"count": 0}, "0 images"),
    ],
)
def test_stores_that_do_not_fit_are_refused_before_anything_is_made(
    toy_recipe: Recipe, tmp_path: Path, options: dict[str, int], text: str
) -> None:
    store = small_store(tmp_path / "store", **options)
    with pytest.raises(InputError, match=text):
        run_training(store, tmp_path / "run", toy_recipe)
    assert not (tmp_path / "run").exists()


def test_cuda_graphs_are_refused_without_a_gpu(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="one process on a GPU, found 1 process on cpu"):
        train(toy_store, tmp_path / "run", toy_recipe, device="cpu", cuda_graphs=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_cuda_graphs_train_what_plain_steps_train(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    runs = [
        train(toy_store, tmp_path / name, toy_recipe, device="cuda", cuda_graphs=graphs)
        for name, graphs in (("plain", False), ("graphs", True))
    ]
    plain, graphs = ([entry for entry in run.read_log() if "loss_d" in entry][-1] for run in runs)
    assert plain["images"] == graphs["images"]
    assert graphs["loss_d"] == pytest.approx(plain["loss_d"], rel=0.1)


def test_colour_pictures_are_trained_on(toy_recipe: Recipe, tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", channels=3, count=3)
    stages = (toy_recipe.generator.stages[0], replace(toy_recipe.generator.stages[1], channels=3))
    recipe = replace(
        toy_recipe,
        channels=3,
        generator=replace(toy_recipe.generator, stages=stages),
        images=8,
        every=8,
    )
    run = run_training(store, tmp_path / "run", recipe)
    assert picture(run.grids / "real.png")[1] == "RGB"
    assert picture(run.grids / "000000008.png")[1] == "RGB"


def test_scores_choose_the_best_snapshot(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    purities = iter([0.2, 0.8, 0.9])
    varieties = iter([1.5, 0.9, 0.5])
    shapes = []

    def score(images: Image, class_ids: np.ndarray) -> Mapping[str, float | str]:
        shapes.append((images.shape, np.bincount(class_ids).tolist()))
        return {"purity": next(purities), "diversity": next(varieties), "recogniser": "a1"}

    run = run_training(toy_store, tmp_path / "run", toy_recipe, score=score)
    assert shapes == [((60, 8, 8), [20, 20, 20])] * 3
    assert [e["purity"] for e in run.read_log() if "purity" in e] == [0.2, 0.8, 0.9]
    assert find_snapshot(run, "best") == run.weights(200)  # 0.2 x 1, 0.8 x 0.9, 0.9 x 0.5


def test_damaged_and_foreign_checkpoints_are_refused(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    run = run_training(toy_store, tmp_path / "run", toy_recipe, stop=stop_after(3))
    good = run.checkpoint.read_bytes()
    tensors, texts = load_tensors(run.checkpoint)
    run.checkpoint.write_bytes(good[:-9])
    with pytest.raises(RunError, match="is not a readable safetensors file"):
        run_training(toy_store, run.path, toy_recipe)
    save_tensors(run.checkpoint, tensors, {**texts, "run": "another"})
    with pytest.raises(RunError, match="belongs to run 'another'"):
        run_training(toy_store, run.path, toy_recipe)
    save_tensors(run.checkpoint, {"g.start.weight": torch.zeros(1)}, texts)
    with pytest.raises(RunError, match="does not fit its recipe"):
        run_training(toy_store, run.path, toy_recipe)
    run.checkpoint.write_bytes(good)
    assert run_training(toy_store, run.path, toy_recipe, stop=stop_after(1)).id == run.id


def test_a_class_without_a_record_is_refused_unless_labels_are_left_out(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    with StoreWriter(tmp_path / "store", size=toy_store.size, recipe={}) as writer:
        writer.add(toy_store.record(0))
        writer.add(toy_store.record(1))
        charset = Charset((*toy_store.charset.labels, "龘"))
        store = writer.finish(charset=charset, origin={"kind": "gnt"})
    with pytest.raises(InputError, match=r"have no record.*--drop-empty"):
        run_training(store, tmp_path / "run", toy_recipe)
    assert not (tmp_path / "run").exists()
    unlabelled = replace(toy_recipe, conditional=False, images=8, every=8)
    run_training(store, tmp_path / "run", unlabelled)
