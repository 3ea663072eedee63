"""The card tells what was measured of the very model that is exported, and of no other."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from hwgen.errors import HwgenError, InputError
from hwgen.evaluation.provenance import training_data
from hwgen.experiments.lift.generators import PretrainedGenerator
from hwgen.exports.models import export_model
from hwgen.generators.deformation.recipe import DeformationRecipe
from hwgen.generators.deformation.training import train_deformation
from hwgen.generators.gan.presets import Recipe
from hwgen.generators.gan.sampling import Sampler
from hwgen.generators.gan.training import train
from hwgen.runs import Run
from hwgen.runs.models import model_of_run, read_model, run_or_model
from hwgen.store import Store
from hwgen.synthesis.synthesize import synthesize

BEND = DeformationRecipe(size=16, grid=4, z_dim=4, width=4, batch=4, steps=2)


@pytest.fixture(scope="module")
def run(toy_store: Store, toy_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = replace(toy_recipe, images=8, every=4)
    return train(toy_store, tmp_path_factory.mktemp("judged") / "run", recipe, device="cpu")


@pytest.fixture(scope="module")
def bending(toy_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("judged") / "bending"
    made = train_deformation(toy_store, out, BEND, device="cpu")
    assert made is not None
    return made


def evaluation(folder: Path, provenance: str | None) -> Path:
    figure = {"title": "purity", "value": 0.75, "floor": 0.875, "unit": "share",
              "better": "higher", "meaning": "Share."}  # fmt: skip
    store = {"path": "s", "count": 12, "content_sha256": "ab" * 32}
    judged = {**store, **({} if provenance is None else {"provenance": provenance})}
    told = {
        "format": "hwgen-evaluation", "format_version": 1, "settings": {}, "versions": {},
        "synthetic": judged, "real": store, "real_test": None, "notes": ["A note."],
        "figures": {"purity": figure, "exact": {**figure, "floor": None}},
        "per_class": {"purity": {}},
    }  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "evaluation.json").write_text(json.dumps(told))
    return folder


def lift(folder: Path, root: Path, generator: dict[str, Any]) -> Path:
    real = root / "benchmarks" / "results" / "lift-2026-11-23-2cpu" / "few-shot" / "lift.json"
    folder.mkdir(parents=True)
    told = {**json.loads(real.read_text("utf-8")), "generator": generator, "advice": "Add 400."}
    (folder / "lift.json").write_text(json.dumps(told), encoding="utf-8")
    return folder


def test_the_card_has_the_figures(run: Run, root: Path, tmp_path: Path) -> None:
    model = model_of_run(run, run.snapshots()[-1])
    own = evaluation(tmp_path / "own", model.provenance)
    alike = lift(tmp_path / "lift", root, {"kind": "gan", "recipe": run.recipe})
    export_model(run, tmp_path / "out", results=[own, alike])
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "| purity | 0.750 | 0.875 | higher | Share. |" in text
    assert "| purity | 0.750 |  | higher | Share. |" in text
    assert "- A note." in text
    assert "--experiment few-shot" in text
    assert "Add 400." in text


def test_an_evaluation_of_other_weights_is_refused(run: Run, tmp_path: Path) -> None:
    first, last = (model_of_run(run, snapshot) for snapshot in run.snapshots())
    told: list[tuple[str | None, str]] = [
        (first.provenance, f"'{first.provenance}', but the exported model is '{last.provenance}'"),
        (f"{last.provenance}0", "evaluates samples of"),
        ("", "does not name a model"),
        (None, "does not name a model"),
    ]
    for number, (provenance, message) in enumerate(told):
        folder = evaluation(tmp_path / f"e{number}", provenance)
        with pytest.raises(InputError, match=message) as refused:
            export_model(run, tmp_path / "out", results=[folder])
        assert refused.value.where == str(folder)
        assert "hwgen synthesize" in refused.value.remedy
    export_model(run, tmp_path / "out", snapshot="4", results=[tmp_path / "e0"])
    with pytest.raises(InputError, match="contains neither"):
        export_model(run, tmp_path / "other", results=[tmp_path])


def test_a_lift_of_another_generator_is_refused(
    run: Run, bending: Run, root: Path, tmp_path: Path
) -> None:
    model = model_of_run(bending, bending.snapshots()[-1])
    before = {
        "kind": "deformation learnt before",
        "run": model.run,
        "weights": [model.snapshot_hash],
    }
    generators: list[tuple[dict[str, Any], str]] = [
        ({"kind": "gan", "recipe": run.recipe}, "but the lift uses a generator of kind 'gan'"),
        ({"kind": "deformation", "recipe": asdict(BEND) | {"steps": 9}}, "steps: 9 -> 2"),
        ({"kind": "deformation", "recipe": {"size": "x"}}, "size should be int"),
        ({"kind": "deformation"}, "should be an object, found None"),
        ({**before, "run": "other"}, "but the lift uses a generator of run 'other'"),
        ({**before, "weights": []}, f"but the lift uses a generator of run '{model.run}'"),
        ({}, "of kind None"),
    ]
    for number, (generator, message) in enumerate(generators):
        folder = lift(tmp_path / f"l{number}", root, generator)
        with pytest.raises(InputError, match=message):
            export_model(bending, tmp_path / "out", results=[folder])
    good = [
        lift(tmp_path / "a", root, {"kind": "deformation", "recipe": asdict(BEND)}),
        lift(tmp_path / "b", root, before),
    ]
    export_model(bending, tmp_path / "out", results=good)
    assert (tmp_path / "out" / "README.md").read_text("utf-8").count("--experiment few-shot") == 2


def test_an_exported_model_names_its_training_data(
    run: Run, bending: Run, toy_store: Store, tmp_path: Path
) -> None:
    export_model(run, tmp_path / "gan")
    model = run_or_model(tmp_path / "gan")
    assert (model.id, model.kind, model.data) == (run.id, "gan", run.data)
    drawn = synthesize(Sampler.load(tmp_path / "gan", device="cpu"), tmp_path / "s", per_class=2)
    assert drawn is not None
    content = toy_store.manifest.content_sha256
    assert training_data(drawn, model) == training_data(drawn, run) == (content,)
    export_model(bending, tmp_path / "bending")
    with pytest.raises(InputError, match=f"not from run {bending.id}"):
        training_data(drawn, read_model(tmp_path / "bending"))
    ours, theirs = (PretrainedGenerator((p,)) for p in (bending.path, tmp_path / "bending"))
    assert ours.settings == theirs.settings
    assert ours.trained_on == theirs.trained_on == {content}
    with pytest.raises(HwgenError, match="no run here"):
        run_or_model(tmp_path)
