"""Two processes train what one process trains, and resume its runs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from hwgen.generators.gan.presets import Recipe, change, recipe_to_json
from hwgen.io.json_files import write_json
from hwgen.runs import Run
from hwgen.store import Store
from tests.trainings import run_training, stop_after, timeless

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
        write_json(tmp_path / f"{kind}.recipe.json", recipe_to_json(recipe))
    run_training(toy_store, tmp_path / "begun-by-one", recipes["glyph"], stop=stop_after(13))
    process = torchrun(Path(__file__).with_name("together.py"), tmp_path)
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
