"""Refiners of several stores, each a domain."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hwgen.charset import Charset
from hwgen.compute.tensor_files import load_tensors
from hwgen.errors import InputError, RecipeChangedError, RunError, StoreError
from hwgen.exports.models import export_model
from hwgen.generators.adversarial import training
from hwgen.generators.adversarial.estimate import count_parameters
from hwgen.generators.adversarial.layers import LabelMap
from hwgen.generators.adversarial.sample_monitor import deviation
from hwgen.generators.base import load_generator
from hwgen.generators.refiner.domains import domains_of, find_domain
from hwgen.generators.refiner.generator import DomainLabelMap, build_without_images
from hwgen.generators.refiner.recipe import RefinerRecipe, recipe_from_json
from hwgen.generators.refiner.sampling import RefinerSampler
from hwgen.io.json_files import read_json, write_json
from hwgen.record import Record
from hwgen.runs import Run
from hwgen.runs.snapshots import find_model
from hwgen.runs.training_data import charsets, class_count, domain_names, stores_seen
from hwgen.store import Store, StoreWriter
from hwgen.synthesis.synthesize import synthesize
from tests.generators.refiner.toy import TOY_STROKES, ToyStrokes, run_training
from tests.trainings import assert_same_files, timeless


def scans_of(path: Path, labels: str, *, per_class: int = 3, **origin: Any) -> Store:
    """Random images; grey level of a corner: 100, and 10 more for each further class."""
    rng = np.random.default_rng(1)
    with StoreWriter(path, size=16, recipe={}) as writer:
        for number in range(len(labels) * per_class):
            image = rng.integers(0, 256, (16, 16), np.uint8)
            image[0, 0] = 100 + 10 * (number % len(labels))
            writer.add(Record(image, labels[number % len(labels)], "s", "scan", number))
        return writer.finish(charset=Charset(tuple(labels)), origin=origin)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return scans_of(tmp_path_factory.mktemp("other") / "scans", "十口龘二")


@pytest.fixture(scope="module")
def both(
    toy_store: Store,
    scans: Store,
    recipe: RefinerRecipe,
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """A finished run of scans and of the toy store; read only."""
    out = tmp_path_factory.mktemp("both") / "run"
    return run_both(scans, toy_store, out, recipe)


def run_both(first: Store, second: Store, out: Path, recipe: RefinerRecipe, **options: Any) -> Run:
    given = {"on_collapse": "ignore", **options}
    return run_training(first, out, recipe, ToyStrokes(TOY_STROKES), also=[second], **given)


def test_a_run_of_one_store_knows_no_domains(toy_run: Run, toy_store: Store) -> None:
    assert "domains" not in toy_run.recipe["generator"]
    assert toy_run.data == {"content_sha256": toy_store.manifest.content_sha256, "count": 30}
    assert toy_run.origin == {"kind": "gnt"}
    assert recipe_from_json(toy_run.recipe).generator.domains == 1
    weights, spec = load_file(toy_run.snapshots()[-1]), toy_run.recipe["generator"]
    assert weights["g.net.style.0.weight"].shape[1] == spec["z_dim"]
    assert {n for n in load_file(toy_run.checkpoint) if n.startswith("d.label")} == {
        "d.label_map.weight",
        "d.label_map.bias",
    }


def test_a_run_records_its_stores_and_has_a_row_for_each_of_their_classes(
    both: Run, toy_store: Store, scans: Store, recipe: RefinerRecipe
) -> None:
    assert both.charset == scans.charset
    assert both.data["also"] == [
        {
            "content_sha256": toy_store.manifest.content_sha256,
            "count": 30,
            "classes": 3,
            "charset": toy_store.charset.fingerprint,
        }
    ]
    hashes = (scans.manifest.content_sha256, toy_store.manifest.content_sha256)
    assert stores_seen(both.data) == hashes
    assert domain_names(both) == ["scans", "store"]
    assert charsets(both) == [scans.charset, toy_store.charset]
    assert class_count(both) == 7
    tensors = load_file(both.checkpoint)
    assert tensors["d.label_map.classes.weight"].shape == (7, 8)
    assert tensors["d.label_map.weight"].shape == (2, 8)
    assert tensors["g.net.style.0.weight"].shape[1] == recipe.generator.z_dim + 2
    parameters = count_parameters(build_without_images, recipe_from_json(both.recipe), 7)
    found = [sum(t.numel() for n, t in tensors.items() if n.startswith(f"{p}.")) for p in "gd"]
    assert parameters[1] == found[1]
    entry = next(entry for entry in both.read_log() if "without_strokes" in entry)
    assert entry["without_strokes"] == ["龘"]


def test_every_batch_has_as_many_samples_of_each_store_and_labels_fit(
    scans: Store,
    toy_store: Store,
    recipe: RefinerRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[list[tuple[int, int]]] = []
    step = training.train_step

    def watched(
        state: Any, recipe: Any, x: torch.Tensor, y: torch.Tensor, *rest: Any, **k: Any
    ) -> Any:
        corner = ((x[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()
        seen.append(list(zip(y.tolist(), corner, strict=True)))
        g = state.g
        assert g.rows.domains[y].tolist() == [0, 0, 1, 1]
        for row, label in zip(g.rows.images[y].tolist(), y.tolist(), strict=True):
            union = "十口龘二一丨"
            assert union[row] == ("十口龘二" + "一丨十")[label]
        return step(state, recipe, x, y, *rest, **k)

    monkeypatch.setattr(training, "train_step", watched)
    run_both(scans, toy_store, tmp_path / "run", recipe)
    labels = {label for batch in seen for label, _ in batch}
    assert labels == {0, 1, 3, 4, 5, 6}  # all but 龘
    for batch in seen:
        assert all(corner == 100 + 10 * label for label, corner in batch if label < 4)


def test_a_character_that_is_held_out_is_held_out_in_every_store(
    recipe: RefinerRecipe, tmp_path: Path
) -> None:
    stores = [scans_of(tmp_path / "a", "一丨十二"), scans_of(tmp_path / "b", "口二十丨一")]
    found = domains_of(stores, replace(recipe, held_out=0.5), TOY_STROKES.keys(), few=False)
    held_out = {stores[0].charset[n] for n in found.classes[0].held_out}
    assert len(held_out) == 2
    assert held_out == {stores[1].charset[n] for n in found.classes[1].held_out}
    assert not held_out & {found.charset[n] for n in found.trained}
    assert set(found.labels()["held_out"]) == held_out
    for store, classes in zip(stores, found.classes, strict=True):
        assert set(store.labels[found.records(store)]) == set(classes.trained)
    lines = dict(found.in_words())
    assert lines["classes to train on (b)"] == "3"
    assert lines["classes of the first store in b"] == "2"
    assert found.warnings() == []


def test_stores_without_common_characters_are_named_and_trained_on(
    recipe: RefinerRecipe, tmp_path: Path
) -> None:
    stores = [scans_of(tmp_path / "a", "一"), scans_of(tmp_path / "b", "二十龘")]
    found = domains_of(stores, recipe, TOY_STROKES.keys(), few=False)
    assert found.warnings() == [
        "b: 1 of the 3 classes have no strokes and are left out: 龘",
        "b has no character of the first store that is trained on, so that how the stores differ "
        "cannot be told from how their characters do",
    ]
    assert run_both(*stores, tmp_path / "run", replace(recipe, images=4, every=4)).snapshots()


def test_stores_that_do_not_fit_are_refused_before_anything_is_made(
    scans: Store, toy_store: Store, recipe: RefinerRecipe, tmp_path: Path
) -> None:
    wide = scans_of(tmp_path / "wide", "一丨", framing={"size": 16, "margin": 4, "stretch": False})
    none = scans_of(tmp_path / "none", "龘")
    out = tmp_path / "run"
    with pytest.raises(InputError, match=r"expected images with margin -1 .* found 4"):
        run_both(scans, wide, out, recipe)
    with pytest.raises(InputError, match="none of the 1 classes with records has strokes"):
        run_both(scans, none, out, recipe)
    with pytest.raises(InputError, match="same records as a store before it"):
        run_both(scans, scans, out, recipe)
    with pytest.raises(
        InputError, match=r"batch of 3 cannot be divided .* 2 stores\. Give --batch 4"
    ):
        run_both(scans, toy_store, out, replace(recipe, batch=3))
    assert not out.exists()
    given = replace(recipe, margin=2, images=4, every=4)
    assert run_both(scans, wide, out, given).recipe["margin"] == 2


def test_a_resumed_run_is_the_uninterrupted_one_and_needs_the_same_stores(
    both: Run, scans: Store, toy_store: Store, recipe: RefinerRecipe, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    for steps in (3, 4, 0):
        run = run_both(scans, toy_store, out, recipe, stop=steps)
    assert run.id == both.id
    assert_same_files(run.checkpoint, both.checkpoint)
    assert timeless(run.read_log()) == timeless(both.read_log())
    with pytest.raises(RecipeChangedError, match=r"data\.also"):
        run_training(scans, out, recipe, ToyStrokes(TOY_STROKES))
    with pytest.raises(RecipeChangedError, match="charset"):
        run_both(toy_store, scans, out, recipe)


def sample(sampler: Any) -> np.ndarray:
    images: np.ndarray = sampler.sample(np.zeros(4, int), np.arange(4))
    return images


def test_the_domain_chooses_whose_look_samples_have(
    both: Run, scans: Store, toy_store: Store, tmp_path: Path
) -> None:
    export_model(both, tmp_path / "model")
    for place in (both, tmp_path / "model"):
        made = {
            name: load_generator(place, device="cpu", domain=name)
            for name in (None, "scans", "store", "1", "2")
        }
        first, second = sample(made[None]), sample(made["store"])
        assert (first != second).any()
        assert (sample(made["scans"]) == first).all()
        assert (sample(made["1"]) == first).all()
        assert (sample(made["2"]) == second).all()
        assert made["2"].data == (toy_store.manifest.content_sha256, scans.manifest.content_sha256)
        with pytest.raises(InputError, match=r"no.* a store 'ink'\. Choose one of scans, store"):
            load_generator(place, device="cpu", domain="ink")
    card = (tmp_path / "model" / "README.md").read_text("utf-8")
    assert "2 stores at once" in card
    assert toy_store.manifest.content_sha256 in card
    assert made["2"].charset.labels == ("十", "口", "二")
    drawn = synthesize(made["2"], tmp_path / "synthetic", per_class=2)
    assert drawn is not None
    assert drawn.manifest.origin["domain"] == "store"
    assert drawn.manifest.origin["data"] == toy_store.manifest.content_sha256
    with pytest.raises(StoreError, match="already there"):
        synthesize(made["1"], tmp_path / "synthetic", per_class=2)


def test_grids_are_of_the_first_domain(both: Run) -> None:
    sampler = RefinerSampler.of_model(find_model(both, "last"), "cpu")
    ids = np.repeat(np.arange(3), 12)
    images = sampler.sample(ids, np.tile(np.arange(12), 3), seed=both.seed)
    assert sampler.charset.labels == ("十", "口", "二")
    assert both.read_log()[-1]["deviation"] == pytest.approx(deviation(images, ids), abs=0.05)


def test_a_refiner_of_one_store_has_no_domain_to_choose(
    toy_run: Run, recipe: RefinerRecipe
) -> None:
    assert find_domain(toy_run, recipe, None) == (0, "")
    with pytest.raises(InputError, match="was trained on one store"):
        load_generator(toy_run, device="cpu", domain="1")


def test_a_run_of_several_stores_is_adapted_to_as_many(
    both: Run, toy_store: Store, recipe: RefinerRecipe, tmp_path: Path
) -> None:
    mine = scans_of(tmp_path / "mine", "口一", per_class=1)
    still = replace(
        recipe, images=4, every=4, optimizer=replace(recipe.optimizer, lr_g=1e-12, lr_d=1e-12)
    )
    run = run_both(mine, toy_store, tmp_path / "run", still, init_from=both.path)
    ours, theirs = (load_file(one.checkpoint)["d.label_map.classes.weight"] for one in (run, both))
    assert torch.allclose(ours[0], theirs[1])  # 口 of the first store
    assert torch.allclose(ours[1], theirs.mean(dim=0), atol=1e-6)  # 一 was not in that
    assert torch.allclose(ours[2:], theirs[4:])
    assert len(stores_seen(run.data)) == 3


def test_a_run_that_does_not_record_its_classes_is_no_start(
    scans: Store, toy_store: Store, recipe: RefinerRecipe, tmp_path: Path
) -> None:
    short = replace(recipe, images=4, every=4)
    run = run_both(scans, toy_store, tmp_path / "run", short)
    info = read_json(run.path / "run.json")
    info["origin"]["domains"][1]["labels"] = ["口"]
    info["origin"]["domains"][0]["name"] = "store"
    write_json(run.path / "run.json", info)
    assert domain_names(Run(run.path)) == ["1", "2"]  # not unique
    assert load_generator(run.path, device="cpu", domain="2").charset
    with pytest.raises(RunError, match="does not record the classes of all its stores"):
        run_both(scans, toy_store, tmp_path / "then", short, init_from=run.path)


def test_the_label_map_adds_the_row_of_the_domain() -> None:
    torch.manual_seed(0)
    classes = LabelMap(3, 4, 0.1)
    phi = DomainLabelMap(classes, torch.tensor([0, 1, 1]), 2, 0.1)
    found = phi(torch.tensor([2, 0]))
    expected = classes.weight[[2, 0]] + classes.bias + phi.weight[[1, 0]]
    torch.testing.assert_close(found, expected)
    assert set(phi.state_dict()) == {"classes.weight", "classes.bias", "weight"}


def test_a_recipe_takes_its_domains_from_the_stores(recipe: RefinerRecipe) -> None:
    with pytest.raises(InputError, match=r"generator\.domains must be from 1 to 64"):
        replace(recipe, generator=replace(recipe.generator, domains=65))


def test_the_labels_of_a_run_are_in_its_checkpoint_too(both: Run) -> None:
    _, texts = load_tensors(both.checkpoint)
    assert "domains" in texts["recipe"]
