from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hwgen.compute.tensor_files import load_tensors, save_tensors
from hwgen.errors import CollapsedError, DivergedError, RunError
from hwgen.generators.adversarial.collapse import LARGEST
from hwgen.generators.adversarial.rollback import (
    advice,
    go_back,
    last_good_snapshot,
    place_to_go_back_to,
)
from hwgen.generators.gan.presets import PRESETS, Recipe
from hwgen.io.json_files import write_json
from hwgen.runs import Run

REAL = 45.0
DIVERGED, COLLAPSED = DivergedError("a number is large"), CollapsedError("the samples are alike")


def make_run(
    path: Path, recipe: Recipe, deviations: dict[int, float], weight: float = 1.0
) -> tuple[Run, Recipe]:
    """A run with a snapshot of each of these steps, and the last one's checkpoint."""
    path.mkdir()
    write_json(
        path / "run.json",
        {
            "format": "hwgen-run",
            "format_version": 1,
            "kind": "gan",
            "id": "id",
            "recipe": {},
            "seed": 0,
            "data": {},
            "versions": {},
            "charset": ["一"],
        },
    )
    run, recipe = Run(path), replace(recipe, batch=4, every=40)
    for step, found in deviations.items():
        run.log({"images": 4 * step, "deviation": found})
        save_tensors(run.weights(4 * step), {"g.x": torch.full((3,), weight)}, {})
        put_checkpoint(run, run.checkpoint, step, weight)
    return run, recipe


def put_checkpoint(run: Run, place: Path, step: int, weight: float = 1.0) -> None:
    texts = {"run": run.id, "step": str(step), "seconds": "1"}
    # Moments may be large where losses were.
    tensors = {"d.x": torch.full((3,), weight), "optimizer_d.0.exp_avg_sq": torch.full((3,), 1e12)}
    save_tensors(place, tensors, texts)


def told(run: Run, recipe: Recipe, error: CollapsedError | DivergedError, back: bool = True) -> str:
    own = PRESETS.get(recipe.preset, recipe)
    return advice(run, recipe, own, REAL, error, may_go_back=back)


def test_a_good_end_is_kept_and_gone_back_to(toy_recipe: Recipe, tmp_path: Path) -> None:
    run, recipe = make_run(tmp_path / "run", toy_recipe, {10: 0.0, 20: 30.0})
    assert last_good_snapshot(run, REAL) == run.weights(80)
    assert place_to_go_back_to(run, recipe, REAL) == run.checkpoint
    for error in (DIVERGED, COLLAPSED):
        assert told(run, recipe, error).startswith(
            "The last good snapshot is 000000080.safetensors, and its checkpoint is still there. "
            "Give --on-collapse rollback to resume from there"
        )
    assert "--precision fp32" in told(run, recipe, DIVERGED)
    assert "ignore" in told(run, recipe, COLLAPSED)
    assert go_back(run, recipe, REAL) == 20
    assert len(run.snapshots()) == 2


def test_a_dead_end_is_not_called_good(toy_recipe: Recipe, tmp_path: Path) -> None:
    run, recipe = make_run(tmp_path / "run", toy_recipe, {10: 30.0, 20: 0.0})
    assert last_good_snapshot(run, REAL) == run.weights(40)
    assert place_to_go_back_to(run, recipe, REAL) is None
    text = told(run, recipe, COLLAPSED)
    assert text.startswith("The last good snapshot is 000000040.safetensors. Start a new run")
    assert "rollback" not in text
    put_checkpoint(run, run.last_good, 10)  # as training does
    assert "rollback" in told(run, recipe, COLLAPSED)
    (run.grids).mkdir()
    (run.grids / "000000080.png").touch()
    assert go_back(run, recipe, REAL) == 10
    assert load_tensors(run.checkpoint)[1]["step"] == "10"
    # What comes later is not the run's last snapshot any more.
    assert run.snapshots() == [run.weights(40)]
    assert run.grid_files() == []


@pytest.mark.parametrize(
    ("deviations", "weight", "kept"),
    [
        ({10: 0.0, 20: 0.0}, 1.0, "None of the 2 snapshots is good"),
        ({10: 30.0}, 10 * LARGEST, "None of the 1 snapshots is good"),
        ({10: 30.0}, torch.nan, "None of the 1 snapshots is good"),
        ({}, 1.0, "There is no snapshot yet"),
    ],
)
def test_where_nothing_is_good_all_begins_anew(
    toy_recipe: Recipe, tmp_path: Path, deviations: dict[int, float], weight: float, kept: str
) -> None:
    run, recipe = make_run(tmp_path / "run", toy_recipe, deviations, weight)
    for error in (DIVERGED, COLLAPSED):
        assert told(run, recipe, error).startswith(f"{kept}. Start a new run in another --out with")
        assert "rollback" not in told(run, recipe, error)
    assert go_back(run, recipe, REAL) == 0
    assert not run.checkpoint.exists()
    assert run.snapshots() == []


def test_a_run_that_went_back_too_often_is_not_sent_back_again(
    toy_recipe: Recipe, tmp_path: Path
) -> None:
    run, recipe = make_run(tmp_path / "run", toy_recipe, {10: 30.0})
    text = told(run, recipe, COLLAPSED, back=False)
    assert text.startswith("The last good snapshot is 000000040.safetensors. Start a new run")
    assert text.endswith("r1_gamma")


def test_damaged_files_are_not_good_and_foreign_ones_are_refused(
    toy_recipe: Recipe, tmp_path: Path
) -> None:
    run, recipe = make_run(tmp_path / "run", toy_recipe, {10: 30.0, 20: 30.0})
    run.weights(80).write_bytes(b"half of it")
    assert last_good_snapshot(run, REAL) == run.weights(40)
    tensors, texts = load_tensors(run.checkpoint)
    save_tensors(run.checkpoint, tensors, {**texts, "run": "another"})
    with pytest.raises(RunError, match="belongs to run 'another'"):
        place_to_go_back_to(run, recipe, REAL)
    run.checkpoint.write_bytes(b"half of it")
    assert place_to_go_back_to(run, recipe, REAL) is None


def test_rates_are_advised_that_are_lower_than_these_and_no_higher_than_the_presets(
    toy_recipe: Recipe, tmp_path: Path
) -> None:
    run, recipe = make_run(tmp_path / "run", toy_recipe, {})
    own = recipe.optimizer
    high = replace(recipe, optimizer=replace(own, lr_g=1000.0, lr_d=own.lr_d))
    text = told(run, high, DIVERGED)
    assert f"--set optimizer.lr_g={own.lr_g:.3g} --set optimizer.lr_d={own.lr_d / 10:.3g}" in text
    assert "lr_g" in told(run, replace(recipe, preset="a stranger's"), DIVERGED)
