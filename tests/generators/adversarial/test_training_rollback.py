"""Tests of what happens where a training diverges or its samples collapse."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwgen.compute.tensor_files import load_tensors
from hwgen.errors import CollapsedError, DivergedError
from hwgen.generators.adversarial import sample_monitor, snapshot_writer, training
from hwgen.generators.adversarial.steps import State
from hwgen.generators.gan.presets import Recipe, change
from hwgen.record import Image
from hwgen.runs import Run
from hwgen.runs.snapshots import find_snapshot
from hwgen.store import Store
from tests.trainings import assert_same_files, run_training, stop_after, timeless


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_state(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_step = training.train_step

    def poisoned(*args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        measured, step = real_step(*args, **kwargs), args[4].step
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
    with pytest.raises(DivergedError, match="There is no snapshot yet"):
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

    def huge(state: State, *args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        measured, step = real_step(state, *args, **kwargs), args[3].step
        if step == 48:  # of the average, so that no loss tells of it
            next(state.ema.parameters()).fill_(1e15)
        return measured

    monkeypatch.setattr(training, "train_step", huge)
    out = tmp_path / "run"
    text = r"run: the norm of G.s average is .*e\+1\d, above .*000000100.safetensors, and its"
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
    advice = r"There is no snapshot yet\. Start a new run in another --out with lower"
    with pytest.raises(DivergedError, match=advice) as stopped:
        run_training(toy_store, tmp_path / "stopped", recipe)
    assert "rollback" not in str(stopped.value)
    with pytest.raises(DivergedError, match=r"after 3 rollbacks\. " + advice):
        run_training(toy_store, tmp_path / "back", recipe, on_collapse="rollback")
    for name in ("stopped", "back"):
        assert Run(tmp_path / name).snapshots() == []
        assert not Run(tmp_path / name).checkpoint.exists()


def collapsing(
    monkeypatch: pytest.MonkeyPatch, when: Callable[[int, float], bool]
) -> list[tuple[int, float]]:
    """G ignores z after steps where `when` (step, rate of G) says so; lists all steps taken."""
    real_step = training.train_step
    taken: list[tuple[int, float]] = []

    def sick(state: State, *args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        measured, step = real_step(state, *args, **kwargs), args[3].step
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
    text = r"after 200 images: mode collapse: .*000000100.*on-collapse"
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
    assert all("mode collapse" in e["why"] for e in lines)
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
    assert len({training.step_seed(0, 30, rollbacks) for rollbacks in range(4)}) == 4


def test_a_run_stopped_before_its_first_snapshot_goes_back_to_the_beginning(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = toy_recipe.optimizer.lr_g
    real_step = training.train_step

    def poisoned(state: State, *args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        measured, step = real_step(state, *args, **kwargs), args[3].step
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
    with pytest.raises(CollapsedError, match=r"mode collapse.*after 3 rollbacks.*000000100"):
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

    def poisoned(*args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        measured, step = real_step(*args, **kwargs), args[4].step
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
    monkeypatch.setattr(training, "real_deviation", lambda store, recipe, classes: 45.0)
    monkeypatch.setattr(sample_monitor, "real_deviation", lambda store, recipe, classes: 45.0)
    monkeypatch.setattr(snapshot_writer, "collapse", lambda *args, **kwargs: "")
    real_step = training.train_step
    now = 0

    def poisoned(state: State, *args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        nonlocal now
        measured, step = real_step(state, *args, **kwargs), args[3].step
        now = 4 * (step + 1)
        wrong = step == 12 and state.optimizer_g.param_groups[0]["lr"] == full
        return {**measured, "loss_g": torch.tensor(math.nan)} if wrong else measured

    monkeypatch.setattr(training, "train_step", poisoned)
    monkeypatch.setattr(sample_monitor, "deviation", lambda grid, ids: seen.get(now, 30.0))
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

    with pytest.raises(CollapsedError, match=r"no longer legible: 30.0% .*, down from 90.0%"):
        run_training(toy_store, tmp_path / "run", toy_recipe, score=score)
    assert find_snapshot(Run(tmp_path / "run"), "best").name == "000000100.safetensors"
