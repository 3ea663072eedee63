from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hwgen.errors import CharsetError, InputError, RecipeChangedError, RunError
from hwgen.experiments.lift.checks import check_sharpness
from hwgen.experiments.lift.experiment import run_experiment
from hwgen.experiments.lift.plan import Experiment
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.recogniser.training import from_stores, train_recogniser
from hwgen.store import Store
from tests.experiments.lift.toy import Copies, small

CPU = torch.device("cpu")
MakeStore = Callable[..., Store]


def test_other_settings_are_refused_before_any_work(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    train, test = make_store("train"), make_store("test", seed=9)
    protocol = small(toy, real_per_class=(2,), trials=1, arms=("none",))
    run_experiment(train, test, protocol, {"": Copies([])}, tmp_path / "out", device=CPU)
    with pytest.raises(RecipeChangedError, match=r"recipe.steps: 10 -> 11"):
        run_experiment(
            train,
            test,
            replace(protocol, recipe=replace(toy, steps=11)),
            {"": Copies([])},
            tmp_path / "out",
            device=CPU,
        )
    row = tmp_path / "out" / "rows" / "n2-draw0-none.json"
    row.write_text("{")
    with pytest.raises(RunError, match="not a finished trial"):
        run_experiment(train, test, protocol, {"": Copies([])}, tmp_path / "out", device=CPU)


@pytest.mark.parametrize("wrong", [0, 1])
def test_synthetic_stores_are_refused(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path, wrong: int
) -> None:
    stores = [make_store("real"), make_store("drawn", seed=1, kind="synthetic")]
    train, test = stores if wrong else stores[::-1]
    with pytest.raises(InputError, match="synthetic"):
        run_experiment(train, test, small(toy), {"": Copies([])}, tmp_path / "out", device=CPU)


def test_equal_stores_and_other_classes_are_refused(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    train = make_store("train")
    with pytest.raises(InputError, match="exactly the samples of the train store"):
        run_experiment(train, train, small(toy), {"": Copies([])}, tmp_path / "out", device=CPU)
    other = make_store("other", labels="丨一十")
    with pytest.raises(CharsetError, match="not the 3 of"):
        run_experiment(train, other, small(toy), {"": Copies([])}, tmp_path / "out", device=CPU)


@pytest.mark.parametrize(
    "wrong",
    [
        {"arms": ("some",)},
        {"arms": ()},
        {"real_per_class": ()},
        {"trials": 0},
        {"synthetic_per_class": (0,)},
        {"evaluate_on": "held-out", "held_out_per_class": 0},
    ],
)
def test_impossible_experiments_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Experiment(**wrong)


def test_impossible_inputs_are_refused_before_any_work(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    train, test, out = make_store("train"), make_store("test", seed=9), tmp_path / "out"
    with pytest.raises(InputError, match=r"expected 10 samples of ., found 9"):
        run_experiment(
            train, test, small(toy, real_per_class=(2, 10)), {"": Copies([])}, out, device=CPU
        )
    large = small(replace(toy, size=64))
    with pytest.raises(InputError, match="at least 32 pixels"):
        run_experiment(train, test, large, {"": Copies([])}, out, device=CPU)
    knows_test = Copies([], before=test.manifest.content_sha256)
    with pytest.raises(InputError, match="a generator was trained on this store"):
        run_experiment(train, test, small(toy), {"": knows_test}, out, device=CPU)
    start = train_recogniser(
        from_stores([train], toy, CPU), replace(toy, steps=1), seed=0, device=CPU
    )
    assert start is not None
    protocol = small(toy, arms=("pretrained",))
    start.provenance["decides"] = {"data": {"train": train.manifest.content_sha256}}
    with pytest.raises(InputError, match="the recogniser to start from was trained"):
        run_experiment(train, test, protocol, {"": Copies([])}, out, device=CPU, init_from=start)
    start.provenance["decides"] = {"data": {"train": "another"}}
    wider = replace(protocol, recipe=replace(toy, hidden=20))
    with pytest.raises(InputError, match="other layers"):
        run_experiment(train, test, wider, {"": Copies([])}, out, device=CPU, init_from=start)
    assert not (out / "rows").exists()


def test_subsets_of_other_settings_are_refused(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    train, test = make_store("train"), make_store("test", seed=9)
    protocol = small(toy, real_per_class=(2,), trials=1, arms=("none",))
    run_experiment(train, test, protocol, {"": Copies([])}, tmp_path / "out", device=CPU)
    (tmp_path / "out" / "rows" / "n2-draw0-none.json").unlink()
    with pytest.raises(RecipeChangedError, match="a subset of other settings"):
        run_experiment(
            train,
            test,
            replace(protocol, held_out_per_class=4),
            {"": Copies([])},
            tmp_path / "out",
            device=CPU,
        )


def test_enlarged_images_are_not_mixed_with_sharper_ones(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    small, large = make_store("small", size=14), make_store("large")
    for recipe in (replace(toy, size=14), toy):
        check_sharpness([small, small], recipe)
        check_sharpness([large], recipe)
    check_sharpness([small, large], replace(toy, size=14))
    with pytest.raises(
        InputError, match="samples of 14 pixels would be enlarged beside"
    ) as refused:
        check_sharpness([large, small], toy)
    assert str(small.path) in str(refused.value)


def test_a_generator_of_smaller_images_is_refused_beside_sharper_real_ones(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    class Smaller(Copies):
        def __call__(self, *_: Any, **__: Any) -> Store:
            return make_store("smaller", size=14, kind="synthetic")

    experiment = small(toy, real_per_class=(2,), trials=1, arms=("synthetic",))
    stores = make_store("train"), make_store("test", seed=9)
    with pytest.raises(InputError, match="samples of 14 pixels would be enlarged"):
        run_experiment(*stores, experiment, {"": Smaller([])}, tmp_path / "out", device=CPU)
