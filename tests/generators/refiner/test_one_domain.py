"""Runs of one store that start from one domain of a run of several."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hwgen.compute.tensor_files import load_network
from hwgen.errors import InputError, RecipeChangedError
from hwgen.exports.models import export_model
from hwgen.generators.adversarial.layers import LabelMap
from hwgen.generators.base import load_generator
from hwgen.generators.refiner.generator import DomainLabelMap, fold_label_map
from hwgen.generators.refiner.network import RefinerNet, fold_style
from hwgen.generators.refiner.one_domain import domain_to_start_from
from hwgen.generators.refiner.recipe import RefinerRecipe, recipe_from_json
from hwgen.runs import Run
from hwgen.runs.training_data import stores_seen
from hwgen.store import Store
from tests.generators.refiner.test_domains import run_both, scans_of
from tests.generators.refiner.test_training import store_of
from tests.generators.refiner.toy import TOY_RECIPE, TOY_STROKES, ToyStrokes, run_training

STILL = replace(
    TOY_RECIPE,
    images=4,
    every=4,
    optimizer=replace(TOY_RECIPE.optimizer, lr_g=1e-12, lr_d=1e-12),
)
"""A step of no length leaves the weights as they began."""


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return scans_of(tmp_path_factory.mktemp("other") / "scans", "十口龘二")


@pytest.fixture(scope="module")
def both(toy_store: Store, scans: Store, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of scans and of the toy store; read only."""
    return run_both(scans, toy_store, tmp_path_factory.mktemp("both") / "run", TOY_RECIPE)


@pytest.fixture
def mine(tmp_path: Path) -> Store:
    return scans_of(tmp_path / "mine", "口一", per_class=1)


def adapt(mine: Store, out: Path, both: Run, domain: str | None, **options: object) -> Run:
    recipe = options.pop("recipe", STILL)
    assert isinstance(recipe, RefinerRecipe)
    given = {"on_collapse": "ignore", "init_from": both.path, **options}
    return run_training(mine, out, recipe, ToyStrokes(TOY_STROKES), domain=domain, **given)


@pytest.mark.parametrize(("domain", "number"), [("scans", 0), ("2", 1)])
def test_one_store_starts_from_a_domain_of_several(
    mine: Store, both: Run, tmp_path: Path, domain: str, number: int
) -> None:
    run = adapt(mine, tmp_path / "run", both, domain)
    recipe = recipe_from_json(both.recipe)
    theirs = load_network(
        both.snapshots()[-1], "g.net", lambda: RefinerNet(recipe.generator, recipe.size)
    )
    ours = load_network(run.checkpoint, "g.net", lambda: RefinerNet(STILL.generator, STILL.size))
    x, z = torch.rand(3, 1, 16, 16), torch.randn(3, STILL.generator.z_dim)
    for net in (ours, theirs):
        net.train()  # the running statistics have moved
    torch.testing.assert_close(ours(x, z), theirs(x, z, torch.full((3,), number)))
    here, there = load_file(run.checkpoint), load_file(both.checkpoint)
    rows = there["d.label_map.classes.weight"]  # 十口龘二 of the first store, 一丨十 of the other
    bias = there["d.label_map.classes.bias"] + there["d.label_map.weight"][number]
    torch.testing.assert_close(here["d.label_map.bias"], bias)
    mean = rows.mean(dim=0)
    expected = torch.stack([rows[1], mean] if number == 0 else [mean, rows[4]])
    torch.testing.assert_close(here["d.label_map.weight"], expected)


def test_it_is_as_any_run_of_one_store(
    mine: Store, both: Run, scans: Store, toy_store: Store, tmp_path: Path
) -> None:
    recipe = replace(STILL, images=8)
    straight = adapt(mine, tmp_path / "straight", both, "store", recipe=recipe)
    adapt(mine, tmp_path / "run", both, "store", recipe=recipe, stop=1)
    run = adapt(mine, tmp_path / "run", both, "2", recipe=recipe)  # the same by number
    assert run.id == straight.id
    assert "domains" not in run.recipe["generator"]
    assert run.data["init_from"]["domain"] == "store"
    hashes = [one.manifest.content_sha256 for one in (mine, scans, toy_store)]
    assert list(stores_seen(run.data)) == hashes
    with pytest.raises(RecipeChangedError, match=r"data\.init_from\.domain: store -> scans"):
        adapt(mine, tmp_path / "run", both, "scans", recipe=recipe)
    export_model(run, tmp_path / "model")
    ids, indices = np.zeros(3, int), np.arange(3)
    first, second = (
        load_generator(place, device="cpu").sample(ids, indices)
        for place in (run, tmp_path / "model")
    )
    np.testing.assert_array_equal(first, second)


def test_the_domain_must_be_chosen_and_be_one_of_the_run(
    mine: Store, both: Run, toy_store: Store, toy_run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(InputError, match=r"2 stores, and the new run has one\. .*: scans, store"):
        adapt(mine, out, both, None)
    with pytest.raises(InputError, match=r"'ink'\. Choose one of scans, store"):
        adapt(mine, out, both, "ink")
    with pytest.raises(InputError, match="as many stores"):
        adapt(mine, out, both, "scans", also=[toy_store])
    with pytest.raises(InputError, match=r"as many stores\. Leave --domain out"):
        adapt(mine, out, toy_run, "1")
    with pytest.raises(InputError, match=r"on 1 store, and the new run has 2\. .*leave --also out"):
        adapt(mine, out, toy_run, None, also=[toy_store])
    three = store_of(tmp_path / "three", "丨")
    with pytest.raises(InputError, match=r"on 2 stores, and the new run has 3\. .* and --domain"):
        adapt(mine, out, both, None, also=[toy_store, three])
    with pytest.raises(InputError, match="without a run to start from"):
        run_training(mine, out, STILL, ToyStrokes(TOY_STROKES), domain="scans")
    assert not out.exists()
    # Nothing to choose; what they are is refused elsewhere.
    assert domain_to_start_from(None, None, stores=1) is None
    assert domain_to_start_from(toy_run.path, None, stores=1) is None
    export_model(both, tmp_path / "model")
    assert domain_to_start_from(tmp_path / "model", "scans", stores=1) is None


def test_folding_a_domain_changes_no_result() -> None:
    torch.manual_seed(0)
    phi = DomainLabelMap(LabelMap(3, 4, 0.1), torch.tensor([0, 1, 1]), 2, 0.1)
    tensors = dict(phi.state_dict())
    fold_label_map(tensors, "", 1, 2)
    folded = LabelMap(3, 4, 0.1)
    folded.load_state_dict(tensors)
    y = torch.tensor([2, 1])
    torch.testing.assert_close(folded(y), phi(y))


def test_weights_that_do_not_fit_are_not_folded() -> None:
    for tensors in (
        {},
        {"style.0.weight": torch.zeros(4, 2), "style.0.bias": torch.zeros(4)},
        {"style.0.weight": torch.zeros(4), "style.0.bias": torch.zeros(4)},
        {"weight": torch.zeros(2, 3), "classes.bias": torch.zeros(4)},
    ):
        before = dict(tensors)
        fold_style(tensors, "", 1, 2)
        fold_label_map(tensors, "", 1, 2)
        assert tensors == before
