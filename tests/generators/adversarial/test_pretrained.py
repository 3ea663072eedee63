"""Runs that start from the weights of another one."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hwgen.charset import Charset
from hwgen.compute.tensor_files import file_hash, load_tensors, save_tensors
from hwgen.errors import DivergedError, InputError, RecipeChangedError, RunError
from hwgen.exports.models import export_model
from hwgen.generators.adversarial import training
from hwgen.generators.base import load_generator
from hwgen.generators.gan.presets import Recipe, change
from hwgen.io.json_files import write_json
from hwgen.record import Record
from hwgen.runs import Run
from hwgen.runs.models import read_model
from hwgen.runs.snapshots import find_model
from hwgen.runs.training_data import stores_seen
from hwgen.store import Store, StoreWriter
from hwgen.synthesis.synthesize import synthesize
from tests.trainings import assert_same_files, run_training, stop_after, timeless

SLOW = {"optimizer.lr_g": "1e-12", "optimizer.lr_d": "1e-12"}


@pytest.fixture
def recipe(toy_recipe: Recipe) -> Recipe:
    return replace(toy_recipe, images=40, every=20)


@pytest.fixture
def before(toy_store: Store, recipe: Recipe, tmp_path: Path) -> Run:
    return run_training(toy_store, tmp_path / "before", recipe)


@pytest.fixture
def few(tmp_path: Path) -> Store:
    """Two samples of a class that was seen, and one of a class that was not."""
    rng = np.random.default_rng(5)
    with StoreWriter(tmp_path / "few", size=8, recipe={}) as writer:
        for number, label in enumerate("口丨丨"):
            writer.add(Record(rng.integers(0, 256, (8, 8), np.uint8), label, "me", "", number))
        return writer.finish(charset=Charset(tuple("口丨")), origin={"kind": "gnt"})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"discriminator.norm": "spectral"},
        {"discriminator.label": "concat", "discriminator.norm": "batch"},
        {"ema": "0"},
        {"conditional": "false"},
    ],
    ids=["projection", "spectral", "concat", "no-average", "unconditional"],
)
def test_g_starts_from_the_snapshot_and_d_from_the_checkpoint(
    toy_store: Store, recipe: Recipe, few: Store, tmp_path: Path, changes: dict[str, str]
) -> None:
    first = change(recipe, changes)
    run = run_training(toy_store, tmp_path / "first", first)
    # A step of no length leaves the weights as they began.
    still = change(replace(first, images=4, every=4), SLOW)
    then = run_training(few, tmp_path / "then", still, init_from=run.path, on_collapse="ignore")
    g, d = load_file(run.snapshots()[-1]), load_tensors(run.checkpoint, "d.")[0]
    found = load_file(then.checkpoint)
    for name, tensor in {**g, **d}.items():
        ours = found[name]
        if "label_map" in name and name.endswith(("weight", "original")):
            assert torch.allclose(ours[1], tensor[1])  # 丨, which both have
            assert torch.allclose(ours[0], tensor.mean(dim=0), atol=1e-6)  # 口 is new
        elif "running" not in name and "num_batches" not in name and "._" not in name:
            assert torch.allclose(ours, tensor, atol=1e-6), name
    # Not by chance: from scratch they are others.
    fresh = run_training(few, tmp_path / "fresh", still, on_collapse="ignore")
    others = load_file(fresh.checkpoint)
    assert not any(torch.allclose(others[n], t) for n, t in g.items() if n.endswith("start.weight"))


def test_a_run_records_what_it_started_from_and_so_do_its_samples(
    toy_store: Store, recipe: Recipe, before: Run, few: Store, tmp_path: Path
) -> None:
    run = run_training(few, tmp_path / "run", recipe, init_from=before.path, on_collapse="ignore")
    assert run.data["init_from"] == {
        "run": before.id,
        "snapshot": file_hash(before.snapshots()[-1]),
        "images": 40,
        "data": before.data,
    }
    hashes = (few.manifest.content_sha256, toy_store.manifest.content_sha256)
    third = run_training(toy_store, tmp_path / "third", recipe, init_from=run.path)
    assert stores_seen(third.data) == hashes[::-1]
    export_model(run, tmp_path / "model")
    assert read_model(tmp_path / "model").stores_seen == hashes
    assert hashes[1] in (tmp_path / "model" / "README.md").read_text("utf-8")
    drawn = synthesize(load_generator(run, device="cpu"), tmp_path / "synthetic", per_class=2)
    assert drawn is not None
    assert drawn.manifest.origin["data"] == hashes[0]
    assert drawn.manifest.origin["more_data"] == [hashes[1]]


def test_untrusted_data_of_a_run_are_read_with_care() -> None:
    assert stores_seen({}) == ()
    assert stores_seen({"content_sha256": 3, "init_from": []}) == ()
    assert stores_seen({"content_sha256": "a", "init_from": {"data": "b"}}) == ("a",)
    endless: dict[str, object] = {"content_sha256": "a"}
    endless["init_from"] = {"data": endless}
    assert stores_seen(endless) == ("a",)


def test_a_resumed_run_is_the_uninterrupted_one_and_needs_the_same_start(
    toy_store: Store, recipe: Recipe, before: Run, few: Store, tmp_path: Path
) -> None:
    given = {"init_from": before.path, "on_collapse": "ignore"}
    straight = run_training(few, tmp_path / "straight", recipe, **given)
    out = tmp_path / "broken"
    for steps in (3, 4, 0):
        stop = stop_after(steps) if steps else None
        run = run_training(few, out, recipe, stop=stop, **given)
    assert run.id == straight.id
    assert_same_files(run.checkpoint, straight.checkpoint)
    assert timeless(run.read_log()) == timeless(straight.read_log())
    other = run_training(toy_store, tmp_path / "other", recipe, seed=1)
    with pytest.raises(RecipeChangedError, match=r"data\.init_from\.run: \w+ -> \w+"):
        run_training(few, out, recipe, init_from=other.path)
    with pytest.raises(RecipeChangedError, match=r"data\.init_from\.run: \w+ -> absent"):
        run_training(few, out, recipe)


def test_a_rollback_to_the_start_goes_back_to_the_pretrained_weights(
    recipe: Recipe, before: Run, few: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = []
    copy_to = training.Pretrained.copy_to
    monkeypatch.setattr(
        training.Pretrained, "copy_to", lambda self, *nets: copied.append(copy_to(self, *nets))
    )
    step = training.train_step

    def diverging(*arguments: object, **options: object) -> dict[str, torch.Tensor]:
        found = step(*arguments, **options)  # type: ignore[arg-type]
        return {**found, "loss_d": found["loss_d"] * float("nan")}

    monkeypatch.setattr(training, "train_step", diverging)
    with pytest.raises(DivergedError):
        run_training(few, tmp_path / "run", recipe, init_from=before.path, on_collapse="rollback")
    assert len(copied) == 4


def test_other_networks_are_refused_and_the_differences_listed(
    recipe: Recipe, before: Run, few: Store, tmp_path: Path
) -> None:
    wider = change(recipe, {"discriminator.hidden": "9", "generator.z_dim": "7", "batch": "3"})
    with pytest.raises(InputError) as refused:
        run_training(few, tmp_path / "run", wider, init_from=before.path)
    assert refused.value.details == (
        "discriminator.hidden: 8 -> 9",
        "generator.z_dim: 6 -> 7",
    )
    assert not (tmp_path / "run").exists()


def test_what_has_no_discriminator_is_refused(
    toy_store: Store, recipe: Recipe, before: Run, few: Store, tmp_path: Path
) -> None:
    export_model(before, tmp_path / "model")
    unfinished = run_training(toy_store, tmp_path / "half", recipe, stop=stop_after(3))
    lost = run_training(toy_store, tmp_path / "lost", replace(recipe, images=20))
    lost.checkpoint.unlink()
    for place, error in (
        (tmp_path / "model", "is an exported model, which has no discriminator"),
        (unfinished.path, "is not finished"),
        (lost.path, "has no checkpoint, which has the discriminator"),
        (tmp_path / "nothing", "no run here"),
        (few.path, "no run here"),
    ):
        with pytest.raises(RunError, match=error):
            run_training(few, tmp_path / "run", recipe, init_from=place)
    info = json.loads((before.path / "run.json").read_text())
    write_json(before.path / "run.json", {**info, "kind": "refiner"})
    with pytest.raises(InputError, match="is a run of kind 'refiner', expected 'gan'"):
        run_training(few, tmp_path / "run", recipe, init_from=before.path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["d.label_map.weight", "d.out.weight"])
def test_a_checkpoint_of_other_shapes_is_refused(
    recipe: Recipe, before: Run, few: Store, tmp_path: Path, name: str
) -> None:
    tensors, texts = load_tensors(before.checkpoint)
    save_tensors(before.checkpoint, {**tensors, name: tensors[name][:1, :4]}, texts)
    with pytest.raises(RunError, match="does not fit its"):
        run_training(few, tmp_path / "run", recipe, init_from=before.path)


def test_the_start_is_read_at_the_start_only(
    recipe: Recipe, before: Run, few: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"init_from": before.path, "on_collapse": "ignore"}
    run_training(few, tmp_path / "run", recipe, stop=stop_after(3), **given)
    monkeypatch.setattr(training.Pretrained, "copy_to", None)
    run = run_training(few, tmp_path / "run", recipe, **given)
    assert find_model(run, "last").images == 40
