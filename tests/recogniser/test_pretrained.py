from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hwgen.charset import Charset
from hwgen.errors import InputError, RunError
from hwgen.io.json_files import write_json
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe, recipe_to_json
from hwgen.recogniser.pretrained import load_pretrained
from hwgen.recogniser.store_checks import check_unseen
from hwgen.results.trials import total_steps
from hwgen.store import Store

CPU = torch.device("cpu")
MakeStore = Callable[..., Store]


def run_with_recogniser(
    folder: Path, recipe: RecogniserRecipe, data: dict[str, Any], **provenance: Any
) -> Path:
    """A run directory with a recogniser, and the path of that."""
    folder.mkdir()
    charset = Charset(("一", "丨"))
    info = {"kind": "refiner", "id": "1", "recipe": {}, "seed": 0, "charset": ["一", "丨"]}
    head = {"format": "hwgen-run", "format_version": 1, "versions": {}}
    write_json(folder / "run.json", {**head, **info, "data": data})
    network = RecogniserNetwork(recipe, len(charset))
    file = folder / "recogniser.safetensors"
    Recogniser(network, recipe, charset, provenance=provenance).save(file)
    return file


def test_the_recogniser_of_a_run_knows_its_steps_and_its_stores(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    store = make_store("store")
    data = {"content_sha256": store.manifest.content_sha256, "count": len(store)}
    found = load_pretrained(run_with_recogniser(tmp_path / "run", toy, data, seed=3), CPU)
    assert found.provenance["seed"] == 3
    assert total_steps({"recipe": recipe_to_json(toy), "start": found.provenance}) == 2 * toy.steps
    with pytest.raises(InputError, match="the recogniser to start from was trained on this store"):
        check_unseen(store, found.provenance, by="the recogniser to start from")


def test_a_run_that_started_from_another_has_the_recogniser_of_that(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    first, own = make_store("first"), make_store("own", seed=1)
    before = {"run": "0", "data": {"content_sha256": first.manifest.content_sha256}}
    data = {"content_sha256": own.manifest.content_sha256, "init_from": before}
    found = load_pretrained(run_with_recogniser(tmp_path / "run", toy, data), CPU)
    check_unseen(own, found.provenance, by="it")
    with pytest.raises(InputError):
        check_unseen(first, found.provenance, by="it")


def test_a_recogniser_that_knows_its_training_keeps_what_it_knows(
    toy: RecogniserRecipe, tmp_path: Path
) -> None:
    known = {"data": {"train": "hash"}, "recipe": {"steps": 5}}
    file = run_with_recogniser(tmp_path / "run", toy, {"content_sha256": "other"}, decides=known)
    assert load_pretrained(file, CPU).provenance["decides"] == known
    alone = tmp_path / "alone.safetensors"
    run_with_recogniser(tmp_path / "plain", toy, {}).rename(alone)
    assert load_pretrained(alone, CPU).provenance == {}


def test_a_damaged_run_is_refused(toy: RecogniserRecipe, tmp_path: Path) -> None:
    file = run_with_recogniser(tmp_path / "run", toy, {})
    (tmp_path / "run" / "run.json").write_text("{}")
    with pytest.raises(RunError, match="not a run"):
        load_pretrained(file, CPU)
