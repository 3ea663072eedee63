"""Which snapshots and checkpoints a training writes and keeps."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwgen.generators.adversarial import kept_snapshots, snapshot_writer
from hwgen.generators.adversarial.kept_snapshots import spacing
from hwgen.generators.adversarial.sample_monitor import Score
from hwgen.generators.gan.presets import Recipe
from hwgen.record import Image
from hwgen.runs import Run, checkpoints
from hwgen.runs.checkpoints import read_step
from hwgen.runs.snapshots import find_snapshot
from hwgen.store import Store
from tests.trainings import assert_same_files, run_training, stop_after, timeless


def seen(files: Iterable[Path]) -> list[int]:
    return [int(file.stem) for file in files]


@pytest.mark.parametrize(
    ("count", "kept_every"), [(0, 1), (64, 1), (65, 2), (128, 2), (129, 4), (1_000, 16)]
)
def test_at_most_64_spaced_snapshots_are_kept(count: int, kept_every: int) -> None:
    assert spacing(count) == kept_every


def score_best_at(images: int) -> Score:
    calls = 0

    def score(_: Image, class_ids: np.ndarray) -> Mapping[str, float | str]:
        nonlocal calls
        calls += 1
        return {"purity": 1.0 if 4 * calls == images else 0.9, "diversity": 1.0}

    return score


def test_spaced_best_and_last_snapshots_are_kept(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_snapshots, "MOST", 4)
    recipe = replace(toy_recipe, batch=4, images=44, every=4)
    run = run_training(toy_store, tmp_path / "run", recipe, score=score_best_at(12))
    assert seen(run.snapshots()) == [12, 16, 32, 44]
    assert find_snapshot(run, "best") == run.weights(12)
    assert len(run.grid_files()) == 11


def test_other_files_and_later_snapshots_stay(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_snapshots, "MOST", 2)
    recipe = replace(toy_recipe, batch=4, images=24, every=4)
    run = run_training(toy_store, tmp_path / "run", recipe, stop=stop_after(2))
    for mine in (run.weights(4).with_stem("mine"), run.weights(444)):
        mine.write_bytes(b"")
    run = run_training(toy_store, tmp_path / "run", recipe)
    assert seen(run.snapshots()) == [16, 24, 444]
    assert run.weights(4).with_stem("mine").exists()


def test_a_snapshot_soon_after_another_gets_no_checkpoint(
    toy_store: Store, toy_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    real_save = snapshot_writer.save_checkpoint

    def save(run: Run, *args: object, step: int, seconds: float) -> None:
        real_save(run, *args, step=step, seconds=seconds)  # type: ignore[arg-type]
        assert read_step(run.checkpoint, run.id) == step
        steps.append(step)

    monkeypatch.setattr(snapshot_writer, "save_checkpoint", save)
    recipe = replace(toy_recipe, batch=4, images=24, every=4)
    run = run_training(toy_store, tmp_path / "run", recipe)
    assert steps == [1, 6]  # the first of the process, and the end
    assert seen(run.snapshots()) == [4, 8, 12, 16, 20, 24]
    steps.clear()
    run_training(toy_store, tmp_path / "rolling", recipe, on_collapse="rollback")
    assert steps == [1, 2, 3, 4, 5, 6]
    steps.clear()
    run_training(toy_store, tmp_path / "stopped", replace(recipe, every=8), stop=stop_after(5))
    assert steps == [2, 5]
    steps.clear()
    run_training(toy_store, tmp_path / "stopped there", recipe, stop=stop_after(4))
    assert steps == [1, 4]  # a stop at a snapshot
    steps.clear()
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SECONDS", 0.0)
    run_training(toy_store, tmp_path / "slow", recipe)
    assert steps == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("killed_at", [2, 3, 5, 6])
def test_a_run_killed_after_its_last_checkpoint_ends_as_one_that_was_not(
    toy_store: Store,
    toy_recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    killed_at: int,
) -> None:
    monkeypatch.setattr(kept_snapshots, "MOST", 2)
    recipe = replace(toy_recipe, batch=4, images=24, every=4)

    def kill_after(steps: int) -> None:
        left = steps
        real = snapshot_writer.prune_snapshots

        def prune(*args: object, **kwargs: object) -> None:
            nonlocal left
            real(*args, **kwargs)  # type: ignore[arg-type]
            left -= 1
            if not left:
                raise KeyboardInterrupt

        monkeypatch.setattr(snapshot_writer, "prune_snapshots", prune)

    whole = run_training(toy_store, tmp_path / "whole", recipe)
    kill_after(killed_at)
    with pytest.raises(KeyboardInterrupt):
        run_training(toy_store, tmp_path / "killed", recipe)
    monkeypatch.undo()
    monkeypatch.setattr(kept_snapshots, "MOST", 2)
    resumed = run_training(toy_store, tmp_path / "killed", recipe)
    assert seen(resumed.snapshots()) == seen(whole.snapshots())
    assert timeless(resumed.read_log()) == timeless(whole.read_log())
    for ours, theirs in zip(resumed.snapshots(), whole.snapshots(), strict=True):
        assert_same_files(ours, theirs)
    assert_same_files(resumed.checkpoint, whole.checkpoint)
