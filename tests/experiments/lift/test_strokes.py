"""Generators that write characters from strokes: simulated ones and refiners."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwgen.errors import CharsetError, InputError, RecipeChangedError
from hwgen.experiments.lift.choice import choose_generators
from hwgen.experiments.lift.experiment import run_experiment
from hwgen.experiments.lift.generators import PretrainedGenerator, TrainedGenerator
from hwgen.experiments.lift.plan import Experiment
from hwgen.experiments.lift.strokes import StrokeFile
from hwgen.exports.models import export_model
from hwgen.generators.base import get_kind
from hwgen.progress import Control
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.report.lift_plots import lift_svg
from hwgen.results.lift import NONE, Lift, Series
from hwgen.runs import Run
from hwgen.runs.snapshots import find_model
from hwgen.sources.strokes.hanzi import Hanzi
from hwgen.store import Store
from tests.experiments.lift.conftest import Graphics
from tests.generators.refiner.toy import (
    TOY_RECIPE,
    TOY_STROKES,
    ToyStrokes,
    run_training,
)

CPU = torch.device("cpu")
MakeStore = Callable[..., Store]
STROKES = ToyStrokes(TOY_STROKES)


@pytest.fixture
def stores(make_store: MakeStore) -> tuple[Store, Store]:
    return make_store("train"), make_store("test", seed=9, counts=(4, 4, 4))


@pytest.fixture
def refiner(make_store: MakeStore, tmp_path: Path) -> Run:
    """A run that was trained on 丨 and 口, and held 一 out."""
    store = make_store("others", labels="一丨口", seed=3)
    recipe = replace(TOY_RECIPE, held_out=0.3, images=8, every=8)
    return run_training(store, tmp_path / "refiner", recipe, STROKES)


def small(toy: RecogniserRecipe, **changes: Any) -> Experiment:
    given: dict[str, Any] = {
        "real_per_class": (NONE, 2),
        "trials": 2,
        "arms": ("classical", "classical+synthetic"),
        "synthetic_per_class": (4,),
        "held_out_per_class": 3,
        "recipe": replace(toy, steps=3),
    }
    return Experiment(**{**given, **changes})


def test_simulated_and_refined_samples_are_compared_on_the_same_subsets(
    stores: tuple[Store, Store],
    refiner: Run,
    graphics: Graphics,
    toy: RecogniserRecipe,
    tmp_path: Path,
) -> None:
    train, test = stores
    generators = choose_generators(
        ["simulated", str(refiner.path)], train, device="cpu", strokes=graphics
    )
    assert list(generators) == ["simulated", "refiner"]
    out = tmp_path / "out"
    lift = run_experiment(train, test, small(toy), generators, out, device=CPU)
    assert lift is not None
    assert Lift.load(out) == lift
    # Without real samples there is no classical arm, and all batches are synthetic.
    assert [row.trial.name for row in lift.rows if row.trial.seed == 0] == [
        "n0-draw0-classical+synthetic-4-simulated",
        "n0-draw0-classical+synthetic-4-refiner",
        "n2-draw0-classical",
        "n2-draw0-classical+synthetic-4-simulated",
        "n2-draw0-classical+synthetic-4-refiner",
    ]
    assert lift.counts == (NONE, 2)
    assert lift.rows[0].facts["pictures"] == [0, 12]
    both = [Series("classical+synthetic", 4, name) for name in ("simulated", "refiner")]
    assert list(lift.series) == [Series("classical", 0), *both]
    assert [one.name for one in both] == [
        "classical+simulated, 4 per class",
        "classical+refiner, 4 per class",
    ]
    assert {(one.count, one.series) for one in lift.difference_entries} == {(2, s) for s in both}
    assert [(one.count, one.series) for one in lift.generator_difference_entries] == [
        (NONE, both[1]),
        (2, both[1]),
    ]
    for text in (
        "Without real samples, train on 4 samples per class of ",
        "Samples of refiner instead of simulated, by the number of real samples per class: at 0, ",
        "refiner was trained on 1 of these classes, perhaps on samples of the test writers (never "
        "seen: 2 of 3 classes).",
    ):
        assert text in lift.advice
    assert "simulated was trained" not in lift.advice
    simulated, refined = lift.generators
    assert simulated.cost == "simulated needs no training."
    assert refined.images == 8
    assert "The training of refiner took 8 images and " in refined.cost
    drawn = Store(out / "synthetic" / "n0-draw0-simulated-4.store")
    assert (drawn.data_kind, drawn.size, len(drawn)) == ("simulated", 16, 12)
    assert Store(out / "synthetic" / "n0-draw0-refiner-4.store").charset == train.charset
    assert "classical+refiner" in lift_svg("p", lift)
    assert run_experiment(train, test, small(toy), generators, out, device=CPU) == lift


def test_an_exported_refiner_knows_the_classes_it_was_not_trained_on(
    refiner: Run, stores: tuple[Store, Store], tmp_path: Path
) -> None:
    export_model(refiner, tmp_path / "model")
    assert find_model(tmp_path / "model", "last").untrained == refiner.untrained == ("一",)
    run, model = (PretrainedGenerator((p,), "cpu") for p in (refiner.path, tmp_path / "model"))
    assert run.seen == model.seen == {"丨", "口"}
    assert run.settings == model.settings
    assert model.cost(tmp_path, 0) == {"images": 8, "seconds": None}


def test_each_trial_takes_one_of_several_runs(
    refiner: Run, make_store: MakeStore, stores: tuple[Store, Store], tmp_path: Path
) -> None:
    store = Store(tmp_path / "others")
    recipe = replace(TOY_RECIPE, held_out=0.3, images=8, every=8)
    other = run_training(store, tmp_path / "second", recipe, STROKES, seed=1)
    names = [f"{refiner.path},{other.path}"]
    (generator,) = choose_generators(names, stores[0], device="cpu").values()
    assert "refiner+second" in choose_generators([*names, "deformation-32"], stores[0])
    assert generator.settings["run"] == [refiner.id, other.id]
    made = [
        generator(
            stores[0],
            tmp_path / "unused",
            tmp_path / f"out{seed}",
            amount=2,
            seed=seed,
            progress=lambda *_: None,
            stop=lambda: False,
        )
        for seed in range(3)
    ]
    sources = [one.record(0).source.split()[1] for one in made if one is not None]
    assert sources == [refiner.id, other.id, refiner.id]
    third = run_training(store, tmp_path / "third", replace(recipe, batch=2), STROKES)
    with pytest.raises(InputError, match="another recipe") as refused:
        choose_generators([f"{refiner.path},{third.path}"], stores[0], device="cpu")
    assert refused.value.details == ("batch: 4 -> 2",)
    longer = run_training(store, tmp_path / "longer", replace(recipe, images=16), STROKES, seed=2)
    with pytest.raises(InputError, match="another recipe") as refused:
        choose_generators([f"{refiner.path},{longer.path}"], stores[0], device="cpu")
    assert refused.value.details == ("images: 8 -> 16",)
    longer.weights(16).unlink()  # its last weights saw 8 images, as those of the other run
    choose_generators([f"{refiner.path},{longer.path}"], stores[0], device="cpu")


def test_a_refiner_is_trained_in_each_trial_where_rare_classes_have_no_real_sample(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    train = make_store("train", counts=(9, 9, 0))
    test = make_store("test", seed=9, counts=(3, 3, 3))
    strokes = StrokeFile.of(STROKES, train.charset)
    recipe = replace(TOY_RECIPE, images=8, every=8)
    generator = TrainedGenerator(get_kind("refiner"), recipe, "cpu", strokes=strokes)
    experiment = small(toy, kind="rare", trials=1, real_per_class=(NONE,), held_out_per_class=1)
    out = tmp_path / "out"
    lift = run_experiment(train, test, experiment, {"": generator}, out, device=CPU)
    assert lift is not None
    assert [row.trial.name for row in lift.rows] == [
        "n0-draw0-classical",
        "n0-draw0-classical+synthetic-4",
    ]
    drawn = Store(out / "draws" / "n0-draw0.store")
    assert np.bincount(drawn.labels, minlength=3).tolist() == [8, 8, 0]
    assert len(Store(out / "synthetic" / "n0-draw0-4.store")) == 12
    assert lift.generators[0].cost.startswith("Each training of the generator took 8 images and ")
    assert "of the rare classes: at 0, " in lift.advice
    assert "never seen" not in lift.advice


def test_a_generator_that_needs_real_samples_is_left_out_where_there_are_none(
    stores: tuple[Store, Store], graphics: Graphics, toy: RecogniserRecipe
) -> None:
    generators = choose_generators(["simulated", "deformation-32"], stores[0], strokes=graphics)
    trials = small(toy, trials=1).all_trials(generators)
    assert [(one.count, one.generator) for one in trials] == [
        (NONE, "simulated"),
        (2, ""),
        (2, "simulated"),
        (2, "deformation-32"),
    ]
    with pytest.raises(InputError, match="without real samples there is no trial"):
        small(toy, real_per_class=(NONE,)).all_trials(choose_generators(["glyph-32"], stores[0]))


def test_the_best_number_of_steps_is_chosen_on_held_out_samples(
    stores: tuple[Store, Store], graphics: Graphics, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    generators = choose_generators(["simulated"], stores[0], strokes=graphics)
    experiment = small(toy, steps=(2, 5), trials=1)
    lift = run_experiment(*stores, experiment, generators, tmp_path / "out", device=CPU)
    assert lift is not None
    assert [row.trial.name for row in lift.rows][:2] == [
        "n0-draw0-classical+synthetic-4-2steps",
        "n0-draw0-classical+synthetic-4-5steps",
    ]
    assert {row.config["recipe"]["steps"] for row in lift.rows} == {2, 5}
    assert all(row.held_out is not None for row in lift.rows)
    assert lift.shown == (Series("classical", 0), Series("classical+synthetic", 4))
    for place, best in lift.accuracy.items():
        if not place[2].steps:
            rows = {
                row.trial.steps: row.held_out
                for row in lift.rows
                if (row.trial.count, row.trial.arm) == (place[1], place[2].arm)
            }
            assert rows[best.best_steps] == max(rows.values())
    assert "number of training steps that is best on held-out samples" in lift.advice
    # Without held-out samples every number of steps is shown, and compared with its own baseline.
    experiment = replace(experiment, held_out_per_class=0)
    lift = run_experiment(*stores, experiment, generators, tmp_path / "all", device=CPU)
    assert lift is not None
    assert (
        {one.steps for one in lift.shown}
        == {2, 5}
        == {one.steps for one in lift.difference_entries}
    )
    assert "(5 training steps in all)" in lift.advice


def test_simulated_samples_resume_and_are_not_mixed_up(
    stores: tuple[Store, Store], graphics: Graphics, tmp_path: Path
) -> None:
    (generator,) = choose_generators(["simulated"], stores[0], strokes=graphics).values()

    def make(amount: int, *, stop: bool = False) -> Store | None:
        return generator(
            stores[0],
            tmp_path / "unused",
            tmp_path / "out",
            amount=amount,
            seed=0,
            progress=lambda *_: None,
            stop=lambda: stop,
        )

    assert make(2, stop=True) is None
    first = make(2)
    assert first is not None
    assert make(2) == first or len(first) == 6
    with pytest.raises(RecipeChangedError, match="writers"):
        make(3)


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (["deformation-32"], "--strokes has no effect on deformation-32"),
        (["simulated", "simulated"], "two generators have the name 'simulated'"),
    ],
)
def test_generators_of_one_name_or_with_no_use_for_strokes_are_refused(
    stores: tuple[Store, Store], names: list[str], error: str
) -> None:
    with pytest.raises(InputError, match=error):
        choose_generators(names, stores[0], strokes=STROKES)


def test_without_strokes_a_run_has_its_own_and_others_those_of_hwgen(
    refiner: Run, stores: tuple[Store, Store]
) -> None:
    names = ["simulated", "refiner-32", str(refiner.path), "deformation-32"]
    found = choose_generators(names, stores[0], device="cpu")
    given = choose_generators(names[:3], stores[0], device="cpu", strokes=Hanzi())
    settings = [one.settings.get("strokes") for one in found.values()]
    hanzi = given["simulated"].settings["strokes"]
    assert settings == [hanzi, hanzi, None, None]
    assert [one.settings["strokes"] for one in given.values()] == [hanzi] * 3


def test_classes_without_strokes_are_refused(
    refiner: Run, make_store: MakeStore, stores: tuple[Store, Store]
) -> None:
    other = make_store("other", labels="一丨龘")
    with pytest.raises(CharsetError, match="龘"):
        choose_generators(["simulated"], other, strokes=STROKES)
    with pytest.raises(CharsetError, match="龘"):
        choose_generators([str(refiner.path)], other, device="cpu")


def test_a_refiner_that_was_trained_on_a_store_of_the_lift_is_refused(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    train, test = make_store("train"), make_store("test", seed=9)
    recipe = replace(TOY_RECIPE, images=8, every=8)
    for store in (train, test):
        run = run_training(store, tmp_path / f"run-{store.path.name}", recipe, STROKES)
        generators = choose_generators([str(run.path)], train, device="cpu")
        with pytest.raises(InputError, match="a generator was trained on this store"):
            run_experiment(train, test, small(toy), generators, tmp_path / "out", device=CPU)


def test_a_run_that_started_from_another_one_does_not_name_its_classes(
    refiner: Run, stores: tuple[Store, Store], toy: RecogniserRecipe, tmp_path: Path
) -> None:
    file = refiner.path / "run.json"
    info = json.loads(file.read_text("utf-8"))
    info["data"]["init_from"] = {"run": "another", "data": {"content_sha256": "x"}}
    file.write_text(json.dumps(info), "utf-8")
    generators = choose_generators([str(refiner.path)], stores[0], device="cpu")
    experiment = small(toy, trials=1, real_per_class=(NONE,))
    stopped = Control(stop=lambda: False)
    lift = run_experiment(
        *stores, experiment, generators, tmp_path / "out", device=CPU, control=stopped
    )
    assert lift is not None
    assert "trained on classes that its run does not name" in lift.advice
