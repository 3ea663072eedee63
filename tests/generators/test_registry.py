"""A kind of generator that only this test knows works with every command."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwgen.compute.tensor_files import load_tensors, save_tensors
from hwgen.errors import InputError, RunError
from hwgen.generators import base
from hwgen.generators.base import GeneratorKind, get_kind, kind_of_preset, load_generator
from hwgen.generators.descriptions import CardTexts, Curve, Description, ReferenceTable
from hwgen.generators.training_run import RunWriter, open_run, read_own_checkpoint
from hwgen.progress import NO_CONTROL, Control
from hwgen.record import Image
from hwgen.runs import Run
from hwgen.runs.models import Model
from hwgen.schema import from_json, with_changes
from hwgen.store import Store


@dataclass(frozen=True)
class MeanRecipe:
    """Of the toy: mean images of the classes, with noise of some grey levels."""

    size: int = 16
    batch: int = 4
    steps: int = 2
    noise: int = 9


class MeanSampler:
    """The mean image of a class, with noise."""

    preset = "mean"

    def __init__(self, model: Model) -> None:
        recipe = from_json(MeanRecipe, model.recipe, "recipe")
        self._means = load_tensors(model.weights)[0]["means"].numpy()
        self.charset, self.size, self.channels, self.noise = model.charset, 16, 1, recipe.noise
        self.provenance, self.data = model.provenance, model.stores_seen

    def sample(self, class_ids: Any, indices: Any, *, seed: int = 0, batch: int = 512) -> Image:
        images = [
            self._means[class_id]
            + np.random.default_rng((seed, class_id, index)).integers(self.noise, size=(16, 16))
            for class_id, index in zip(class_ids, indices, strict=True)
        ]
        return np.stack(images).clip(0, 255).astype(np.uint8)


class MeanKind(GeneratorKind):
    """What the registry needs to know."""

    @property
    def presets(self) -> Mapping[str, MeanRecipe]:
        return {"mean-16": MeanRecipe()}

    @property
    def about(self) -> Mapping[str, str]:
        return {"mean-16": "Mean images."}

    def recipe(self, name: str, changes: Mapping[str, str]) -> MeanRecipe:
        given = dict(changes)
        images = int(given.pop("images", 8))
        recipe = self.recipe_from_json(with_changes(asdict(self.presets[name]), given))
        return replace(recipe, steps=images // recipe.batch)

    def recipe_to_json(self, recipe: MeanRecipe) -> dict[str, Any]:
        return asdict(recipe)

    def recipe_from_json(self, value: Mapping[str, Any]) -> MeanRecipe:
        recipe: MeanRecipe = from_json(MeanRecipe, value, "recipe")
        return recipe

    def parameters(self, recipe: MeanRecipe, classes: int) -> Mapping[str, int]:
        return {"mean": classes * recipe.size**2}

    def plan(self, recipe: MeanRecipe, store: Store, **options: Any) -> Sequence[tuple[str, str]]:
        return [("steps", str(recipe.steps))]

    def check(self, store: Store, out: Path, recipe: MeanRecipe, **options: Any) -> None:
        if recipe.steps < 1:
            raise InputError("no steps")

    def train(
        self,
        store: Store,
        out: Path,
        recipe: MeanRecipe,
        *,
        seed: int = 0,
        device: str = "auto",
        control: Control = NO_CONTROL,
        ranks: Any = None,
        **options: Any,
    ) -> Run:
        with open_run(store, out, kind="mean", recipe=asdict(recipe), seed=seed) as run:
            begun = read_own_checkpoint(run)
            writer = RunWriter(run, begun, steps=recipe.steps, batch=recipe.batch, control=control)
            writer.begin(begun.step, {"device": "cpu"})
            for step in range(begun.step, recipe.steps):
                writer.log(step + 1, {"error": 1 / (step + 1)}, "averaging")
            images, labels = store.all_images(), store.labels
            means = np.stack([images[labels == k].mean(0) for k in range(len(store.charset))])
            metadata = {"step": str(recipe.steps), "seconds": "1", "run": run.id}
            save_tensors(run.checkpoint, {}, metadata)
            weights = run.weights(recipe.steps * recipe.batch)
            save_tensors(weights, {"means": torch.from_numpy(means)}, {"run": run.id})
        return run

    def load(self, model: Model, *, device: str = "auto", source: Store | None = None) -> Any:
        return MeanSampler(model)

    def describe(self, run: Run) -> Description:
        return Description(
            planned=8,
            facts=[("Averages", "3")],
            recipe=[("Noise", f"{run.recipe['noise']} grey levels")],
            unreadable="",
            curves=[Curve("error", "Error of the mean", "Falls.", {"error": "error"})],
            key_figures=[("3", "averages")],
        )

    def card(self, model: Model, name: str) -> CardTexts:
        return CardTexts(pipeline_tag="text-to-image", usage=f"hwgen synthesize {name} averages\n")

    def reference_tables(self, classes: int) -> list[ReferenceTable]:
        rows = [("mean-16", "Means.")]
        return [ReferenceTable("Presets of means", "", ("preset", "for"), rows)]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = MeanKind(name="mean", title="table of means", loss_fields=("error",))
    monkeypatch.setitem(base.KINDS, "mean", kind)


Command = Callable[..., int]


@pytest.fixture
def hwgen(monkeypatch: pytest.MonkeyPatch) -> Command:
    from hwgen_cli.__main__ import main

    def call(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["hwgen", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as leaving:
            main()
        return int(leaving.value.code or 0)

    return call


def test_a_new_kind_needs_nothing_but_its_package_and_one_line(
    hwgen: Command, toy_store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, model, synthetic = tmp_path / "run", tmp_path / "model", tmp_path / "synthetic"
    train = ["train", toy_store.path, "--preset", "mean-16", "--set", "noise=5"]

    assert hwgen(*train, "--out", run, "--dry-run") == 0
    assert "noise" in capsys.readouterr().out
    assert hwgen(*train, "--out", run) == 0
    assert "averaging" in capsys.readouterr().err
    assert hwgen(*train, "--out", run, "--loss", "lsgan-01") == 1
    assert "--loss has no effect with --preset mean-16" in " ".join(capsys.readouterr().err.split())

    assert hwgen("inspect", run, "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["last"], summary["snapshots"]) == ({"error": 0.5}, [8])

    assert hwgen("export-model", run, "--out", model) == 0
    card = (model / "README.md").read_text("utf-8")
    assert "A table of means of hwgen" in card
    assert "hwgen synthesize model averages" in card
    assert (model / "samples.png").is_file()
    assert hwgen("export-model", run, "--out", tmp_path / "onnx", "--onnx") == 1
    assert "a table of means cannot be exported as ONNX" in capsys.readouterr().err

    assert hwgen("synthesize", model, "--out", synthetic, "--per-class", 4, "--device", "cpu") == 0
    images = Store(synthetic).all_images()
    assert np.array_equal(images[:4], load_generator(run).sample([0] * 4, range(4)))
    assert hwgen("synthesize", run, "--out", tmp_path / "s", "--real", toy_store.path) == 1
    assert "a table of means does not change existing images" in capsys.readouterr().err

    assert hwgen("report", run, synthetic, "--out", tmp_path / "report.html") == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    for shown in ("Error of the mean", "5 grey levels", "averages", "Training images seen"):
        assert shown in page, shown


def test_unknown_kinds_and_presets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"here: is of kind 'other'.*it has gan, refiner, deformation, mean"
    ):
        get_kind("other", "here")
    with pytest.raises(InputError, match=r"no preset 'mean-32'\. Did you mean mean-16"):
        kind_of_preset("mean-32")
    with pytest.raises(
        InputError, match=r"'few-shot-32' was removed, .* use refiner-32, or contin"
    ):
        kind_of_preset("few-shot-32")
    assert not base.REMOVED_PRESETS.keys() & {n for kind in base.all_kinds() for n in kind.presets}
