"""Tests of training; as a script, what two processes of torchrun train together."""

import json
import math
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PilImage
from safetensors.torch import load_file

from hwgen.charset import Charset
from hwgen.checkpoints import load_tensors, save_tensors
from hwgen.distributed import join
from hwgen.errors import CollapsedError, DivergedError, InputError, RecipeChangedError, RunError
from hwgen.files import write_json
from hwgen.gan import health, training
from hwgen.gan.snapshots import find_snapshot
from hwgen.gan.steps import State
from hwgen.gan.training import AGREE_STEPS, Progress, train
from hwgen.presets import Recipe, change, recipe_from_json, recipe_to_json
from hwgen.record import Image, Record
from hwgen.runs import Run
from hwgen.store import Store, StoreWriter


def run_training(store: Store, out: Path, recipe: Recipe, **options: Any) -> Run:
    return train(store, out, recipe, device="cpu", precision="fp32", **options)


def stop_after(steps: int) -> Callable[[], bool]:
    left = steps

    def stop() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    return stop


def timeless(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A log without what depends on the clock or on being resumed."""
    kept = [entry for entry in log if "began" not in entry]
    return [
        {k: v for k, v in entry.items() if k not in ("seconds", "images_per_second")}
        for entry in kept
    ]


def assert_same_files(a: Path, b: Path) -> None:
    found, expected = load_file(a), load_file(b)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


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
        assert_same_files(ours, theirs)
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


def test_a_finished_run_is_left_as_it_is(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    run = run_training(toy_store, tmp_path / "run", toy_recipe)
    before = run.checkpoint.read_bytes()
    again = run_training(toy_store, tmp_path / "run", toy_recipe)
    assert again.checkpoint.read_bytes() == before
    assert timeless(again.read_log()) == timeless(run.read_log())


def test_a_run_holds_what_its_first_lines_promise(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    run = run_training(toy_store, tmp_path / "run", toy_recipe, progress=seen.append)
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
    assert [(p.images, p.total) for p in seen] == [(200, 280), (280, 280)]
    assert seen[-1].measured["loss_d"] == lines[-1]["loss_d"]
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
        ({"channels": 3}, "3 channels"),
        ({"size": 7}, "--size 8"),
        ({"count": 0}, "0 pictures"),
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
    with pytest.raises(InputError, match="one process on a GPU, this is 1 on cpu"):
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
    plain, graphs = (run.read_log()[-1] for run in runs)
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


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_state(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_step = training.train_step

    def poisoned(*args: Any, step: int, **kwargs: Any) -> dict[str, torch.Tensor]:
        measured = real_step(*args, step=step, **kwargs)
        return {**measured, "loss_g": torch.tensor(math.nan)} if step == 27 else measured

    monkeypatch.setattr(training, "train_step", poisoned)
    out = tmp_path / "run"
    with pytest.raises(DivergedError, match=r"loss_g is no.*000000100.safetensors.*--out"):
        run_training(toy_store, out, toy_recipe)
    tensors, texts = load_tensors(Run(out).checkpoint)
    assert texts["step"] == "25"
    assert all(tensor.isfinite().all() for tensor in tensors.values())

    def stop_at_30() -> bool:  # nor does being stopped save what went wrong
        nonlocal asked
        asked += 1
        return asked == 5

    asked = 0
    with pytest.raises(DivergedError):
        run_training(toy_store, out, toy_recipe, stop=stop_at_30)
    assert load_tensors(Run(out).checkpoint)[1]["step"] == "25"


@pytest.mark.parametrize("every", [4, 100])
def test_weights_that_are_no_numbers_are_not_saved(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, every: int
) -> None:
    recipe = change(
        toy_recipe, {"optimizer.lr_g": "1e18", "optimizer.lr_d": "1e18", "every": str(every)}
    )
    with pytest.raises(DivergedError, match="No snapshot was made yet"):
        run_training(toy_store, tmp_path / "run", recipe)
    assert Run(tmp_path / "run").snapshots() == []
    assert not Run(tmp_path / "run").checkpoint.exists()


@pytest.mark.parametrize("on_collapse", ["stop", "ignore"])
def test_a_run_beyond_measure_stops_though_its_numbers_are_finite(
    toy_store: Store,
    toy_recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    on_collapse: str,
) -> None:
    real_step = training.train_step

    def huge(state: State, *args: Any, step: int, **kwargs: Any) -> dict[str, torch.Tensor]:
        measured = real_step(state, *args, step=step, **kwargs)
        if step == 48:  # of the average, so that no loss tells of it
            next(state.ema.parameters()).fill_(1e15)
        return measured

    monkeypatch.setattr(training, "train_step", huge)
    out = tmp_path / "run"
    text = r"run: the average.s size is .*e\+1\d, and no sound run.*000000100.safetensors, and its"
    with pytest.raises(DivergedError, match=text):
        run_training(toy_store, out, toy_recipe, on_collapse=on_collapse)
    assert [path.stem for path in Run(out).snapshots()] == ["000000100"]
    assert load_tensors(Run(out).checkpoint)[1]["step"] == "25"


def test_a_real_divergence_is_told_by_the_first_snapshot_and_after_rollbacks(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    recipe = change(
        toy_recipe, {"optimizer.lr_g": "1000", "optimizer.lr_d": "1000", "ema": "0", "every": "40"}
    )
    advice = r"No snapshot was made yet\. Begin anew in another --out with lower learning rates"
    with pytest.raises(DivergedError, match=advice) as stopped:
        run_training(toy_store, tmp_path / "stopped", recipe)
    assert "rollback" not in str(stopped.value)
    with pytest.raises(DivergedError, match=r"after 3 rollbacks\. " + advice):
        run_training(toy_store, tmp_path / "back", recipe, on_collapse="rollback")
    for name in ("stopped", "back"):
        assert Run(tmp_path / name).snapshots() == []
        assert not Run(tmp_path / name).checkpoint.exists()


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
    with pytest.raises(RunError, match="is not a checkpoint"):
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


def collapsing(
    monkeypatch: pytest.MonkeyPatch, when: Callable[[int, float], bool]
) -> list[tuple[int, float]]:
    """G ignores z after steps where `when` (step, rate of G) says so; lists all steps taken."""
    real_step = training.train_step
    taken: list[tuple[int, float]] = []

    def sick(state: State, *args: Any, step: int, **kwargs: Any) -> dict[str, torch.Tensor]:
        measured = real_step(state, *args, step=step, **kwargs)
        rate = state.optimizer_g.param_groups[0]["lr"]
        taken.append((step, rate))
        if when(step, rate):
            for network in (state.g, state.ema):
                with torch.no_grad():
                    for name, parameter in network.named_parameters():
                        if "label" not in name:
                            parameter.zero_()
        return measured

    monkeypatch.setattr(training, "train_step", sick)
    return taken


def test_a_collapse_stops_and_keeps_the_last_good_state(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collapsing(monkeypatch, lambda step, rate: step == 48)
    out = tmp_path / "run"
    text = r"after 200 images the samples of a class have become alike.*000000100.*on-collapse"
    with pytest.raises(CollapsedError, match=text):
        run_training(toy_store, out, toy_recipe)
    run = Run(out)
    assert [path.name for path in run.snapshots()] == ["000000100.safetensors"]
    assert load_tensors(run.checkpoint)[1]["step"] == "25"
    assert (run.grids / "collapsed.png").exists()
    assert not (run.grids / "000000200.png").exists()
    # Nor is it saved by who stops the run before the next snapshot.
    with pytest.raises(CollapsedError, match="after 196 images"):
        run_training(toy_store, out, toy_recipe, stop=stop_after(24))
    assert load_tensors(run.checkpoint)[1]["step"] == "25"


def test_a_rollback_goes_on_from_there_with_other_noise_and_half_the_rate(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = toy_recipe.optimizer.lr_g
    taken = collapsing(monkeypatch, lambda step, rate: step == 48 and rate > full / 4)
    run = run_training(toy_store, tmp_path / "run", toy_recipe, on_collapse="rollback")
    steps = [*range(50), *range(25, 50), *range(25, 70)]
    rates = [full] * 50 + [full / 2] * 25 + [full / 4] * 45
    assert taken == list(zip(steps, rates, strict=True))
    lines = [e for e in run.read_log() if "rollback" in e]
    assert [(e["images"], e["rollback"]) for e in lines] == [(100, 1), (100, 2)]
    assert all("become alike" in e["why"] for e in lines)
    assert [e["images"] for e in run.read_log() if "deviation" in e] == [100, 200, 280]
    assert len(run.snapshots()) == 3

    # Stopped anywhere, it ends the same.
    for steps_now in (30, 60, 70, 0):  # also after the first rollback, and after the second
        left = stop_after(steps_now) if steps_now else None
        broken = run_training(
            toy_store, tmp_path / "broken", toy_recipe, on_collapse="rollback", stop=left
        )
    assert_same_files(broken.checkpoint, run.checkpoint)
    assert timeless(broken.read_log()) == timeless(run.read_log())

    # Other noise at the same steps: not what half the rate alone gives.
    assert len({training._step_seed(0, 30, rollbacks) for rollbacks in range(4)}) == 4


def test_a_run_stopped_before_its_first_snapshot_goes_back_to_the_beginning(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = toy_recipe.optimizer.lr_g
    real_step = training.train_step

    def poisoned(state: State, *args: Any, step: int, **kwargs: Any) -> dict[str, torch.Tensor]:
        measured = real_step(state, *args, step=step, **kwargs)
        wrong = step == 20 and state.optimizer_g.param_groups[0]["lr"] == full
        return {**measured, "loss_g": torch.tensor(math.nan)} if wrong else measured

    monkeypatch.setattr(training, "train_step", poisoned)
    straight = run_training(toy_store, tmp_path / "straight", toy_recipe, on_collapse="rollback")
    for left in (stop_after(10), stop_after(5), None):
        run = run_training(
            toy_store, tmp_path / "run", toy_recipe, on_collapse="rollback", stop=left
        )
    assert [e["images"] for e in run.read_log() if "rollback" in e] == [0]
    assert_same_files(run.checkpoint, straight.checkpoint)
    assert timeless(run.read_log()) == timeless(straight.read_log())
    assert not run.last_good.exists()


def test_a_run_that_collapses_again_and_again_stops(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = collapsing(monkeypatch, lambda step, rate: step == 30)
    with pytest.raises(CollapsedError, match=r"alike.*after 3 rollbacks.*000000100"):
        run_training(toy_store, tmp_path / "run", toy_recipe, on_collapse="rollback")
    assert len(taken) == 50 + 3 * 25
    taken.clear()
    with pytest.raises(CollapsedError, match="after 3 rollbacks"):  # the count is kept
        run_training(toy_store, tmp_path / "run", toy_recipe, on_collapse="rollback")
    assert len(taken) == 25


def test_numbers_that_are_not_finite_roll_back_too_also_to_the_beginning(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_step = training.train_step
    poison = iter([7])

    def poisoned(*args: Any, step: int, **kwargs: Any) -> dict[str, torch.Tensor]:
        measured = real_step(*args, step=step, **kwargs)
        hit = step == 7 and next(poison, None)
        return {**measured, "loss_g": torch.tensor(math.nan)} if hit else measured

    monkeypatch.setattr(training, "train_step", poisoned)
    run = run_training(toy_store, tmp_path / "run", toy_recipe, on_collapse="rollback")
    lines = [e for e in run.read_log() if "rollback" in e]
    assert [(e["images"], e["why"]) for e in lines] == [(0, "loss_g is no longer finite")]
    assert len(run.snapshots()) == 3


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_rollback_passes_over_young_snapshots_that_are_not_good(
    toy_store: Store,
    toy_recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    interrupted: bool,
) -> None:
    # As good at the first snapshot, alike at the second, young one, which is no collapse yet.
    seen = {20: 30.0, 40: 1.0, 60: 30.0}
    recipe = replace(toy_recipe, batch=4, images=280, every=20)
    full = recipe.optimizer.lr_g
    monkeypatch.setattr(training, "real_deviation", lambda store, recipe: 45.0)
    monkeypatch.setattr(health, "real_deviation", lambda store, recipe: 45.0)
    monkeypatch.setattr(training, "collapse", lambda *args, **kwargs: "")
    real_step = training.train_step
    now = 0

    def poisoned(state: State, *args: Any, step: int, **kwargs: Any) -> dict[str, torch.Tensor]:
        nonlocal now
        now = 4 * (step + 1)
        measured = real_step(state, *args, step=step, **kwargs)
        wrong = step == 12 and state.optimizer_g.param_groups[0]["lr"] == full
        return {**measured, "loss_g": torch.tensor(math.nan)} if wrong else measured

    monkeypatch.setattr(training, "train_step", poisoned)
    monkeypatch.setattr(health, "deviation", lambda grid, ids: seen.get(now, 30.0))
    options: dict[str, Any] = {"on_collapse": "rollback"}
    if interrupted:  # behind the second snapshot
        run_training(toy_store, tmp_path / "run", recipe, stop=stop_after(11), **options)
    run = run_training(toy_store, tmp_path / "run", recipe, **options)
    assert [e["images"] for e in run.read_log() if "rollback" in e] == [20]
    assert [int(path.stem) for path in run.snapshots()] == list(range(20, 281, 20))
    assert not run.last_good.exists()


def test_an_ignored_collapse_is_logged(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collapsing(monkeypatch, lambda step, rate: step == 48)
    run = run_training(toy_store, tmp_path / "run", toy_recipe, on_collapse="ignore")
    told = [e["images"] for e in run.read_log() if "collapse" in e]
    assert told[0] == 200
    assert len(run.snapshots()) == 3


def test_samples_that_are_no_longer_legible_are_a_collapse(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path
) -> None:
    purities = iter([0.9, 0.3])

    def score(images: Image, class_ids: np.ndarray) -> Mapping[str, float | str]:
        return {"purity": next(purities), "diversity": 1.0, "recogniser": "a1"}

    with pytest.raises(CollapsedError, match=r"not legible any more: 30.0% .* and 90.0% were"):
        run_training(toy_store, tmp_path / "run", toy_recipe, score=score)
    assert find_snapshot(Run(tmp_path / "run"), "best").name == "000000100.safetensors"


TOGETHER = {
    # Conditional batch norm, projection, R1, a moving average, a mean.
    "glyph": {"translate": "1"},
    # Batch norm in G and D, concatenated labels, a sum; and R1, which asks for the gradient of
    # D's batch norm's gradient.
    "paper": {
        "generator.norm": "batch",
        "generator.upsampling": "deconv",
        "generator.z": "uniform",
        "discriminator.norm": "batch",
        "discriminator.label": "concat",
        "loss.reduction": "sum",
        "ema": "0",
    },
}


def train_together(folder: Path) -> None:
    """As one of two processes: train both kinds, go on with one's run, begin one, and fail."""
    torch.set_num_threads(1)
    store = Store(folder / "store")
    with join("cpu") as ranks:

        def together(recipe: Recipe, out: Path, **options: Any) -> Run:
            return run_training(store, out, recipe, ranks=ranks, **options)

        seen: list[Progress] = []
        recipes = {
            kind: recipe_from_json(json.loads((folder / f"{kind}.json").read_text()))
            for kind in TOGETHER
        }
        for kind, recipe in recipes.items():
            together(recipe, folder / f"{kind}-two", progress=seen.append)
        assert [p.images for p in seen] == ([160, 160] if ranks.first else [])
        together(recipes["glyph"], folder / "begun-by-one")
        with pytest.raises(InputError, match=r"2 processes cannot share a batch of 5.*Start 1 of"):
            together(change(recipes["glyph"], {"batch": "5"}), folder / "uneven")
        assert not (folder / "uneven").exists()
        with pytest.raises(RecipeChangedError, match="seed: 0 -> 1"):
            together(recipes["glyph"], folder / "glyph-two", seed=1)
        begun = together(recipes["glyph"], folder / "begun-by-two", stop=lambda: ranks.rank == 1)
        assert load_tensors(begun.checkpoint)[1]["step"] == str(AGREE_STEPS)
        # As on two machines that do not see the same files.
        elsewhere = folder / "elsewhere"
        out = begun.path if ranks.first else elsewhere
        with pytest.raises(RunError, match="elsewhere: no run here"):
            together(recipes["glyph"], out)
        if ranks.first:
            elsewhere.mkdir()
            shutil.copy(begun.path / "run.json", elsewhere)
        with pytest.raises(RunError, match=r"different steps: 10, 0\. Put --out where all"):
            together(recipes["glyph"], out)


def assert_near(found: Run, expected: Run) -> None:
    """The same numbers, but for the order in which floats were summed."""
    lines = zip(timeless(found.read_log()), timeless(expected.read_log()), strict=True)
    for ours, theirs in lines:
        # Of pictures, whose grey levels are rounded.
        assert ours.pop("deviation", 0) == pytest.approx(theirs.pop("deviation", 0), rel=1e-3)
        assert ours == pytest.approx(theirs, rel=1e-5)
    tensors, others = load_file(found.checkpoint), load_file(expected.checkpoint)
    assert tensors.keys() == others.keys()
    for name, tensor in others.items():
        # Before batch norm a bias has no gradient but rounding, which Adam makes whole steps of;
        # the running mean follows it, and undoes it.
        if name.startswith(("g.", "d.", "ema.")) and not name.endswith((".bias", "running_mean")):
            assert (tensors[name] - tensor).float().norm() <= 1e-5 * tensor.float().norm(), name


def test_two_processes_train_what_one_trains(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, torchrun: Callable[..., Any]
) -> None:
    (tmp_path / "store").symlink_to(toy_store.path)
    shorter = replace(toy_recipe, batch=8, images=160, every=80)
    recipes = {kind: change(shorter, changes) for kind, changes in TOGETHER.items()}
    for kind, recipe in recipes.items():
        write_json(tmp_path / f"{kind}.json", recipe_to_json(recipe))
    run_training(toy_store, tmp_path / "begun-by-one", recipes["glyph"], stop=stop_after(13))
    process = torchrun(Path(__file__), tmp_path)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    run_training(toy_store, tmp_path / "begun-by-two", recipes["glyph"])
    alone = {
        kind: run_training(toy_store, tmp_path / f"{kind}-one", recipe)
        for kind, recipe in recipes.items()
    }
    for kind in TOGETHER:
        assert_near(Run(tmp_path / f"{kind}-two"), alone[kind])
    glyph = alone["glyph"]
    for name, processes in {"begun-by-one": [1, 2], "begun-by-two": [2, 1]}.items():
        run = Run(tmp_path / name)
        assert_near(run, glyph)
        began = [entry["began"]["processes"] for entry in run.read_log() if "began" in entry]
        assert began == processes


if __name__ == "__main__":
    train_together(Path(sys.argv[1]))
