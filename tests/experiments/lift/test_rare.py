"""Rare characters beside common ones."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwgen.errors import CharsetError, InputError, RecipeChangedError
from hwgen.experiments.lift.arms import ARMS
from hwgen.experiments.lift.choice import choose_generators
from hwgen.experiments.lift.correct_counts import count_correct
from hwgen.experiments.lift.experiment import run_experiment
from hwgen.experiments.lift.generators import TrainedGenerator
from hwgen.experiments.lift.plan import Experiment
from hwgen.generators.base import get_kind
from hwgen.generators.deformation.recipe import DeformationRecipe
from hwgen.recogniser.network import STRONG, RecogniserRecipe
from hwgen.recogniser.training import from_stores, train_recogniser
from hwgen.report.lift_section import lift_section
from hwgen.results.lift import AMONG_RARE, NONE, Lift
from hwgen.results.trials import Trial
from hwgen.sources.strokes.hanzi_writer import HanziWriter
from hwgen.store import Store
from tests.generators.refiner.toy import (
    TOY_RECIPE,
    TOY_STROKES,
    ToyStrokes,
    run_training,
    write_graphics,
)

CPU = torch.device("cpu")
GENERATORS = {"": TrainedGenerator(get_kind("deformation"), DeformationRecipe(), "cpu")}
MakeStore = Callable[..., Store]


@pytest.fixture
def stores(make_store: MakeStore) -> tuple[Store, Store]:
    return make_store("train", counts=(9, 9, 9)), make_store("test", seed=9, counts=(5, 5, 5))


def rare(toy: RecogniserRecipe, *named: str, **changes: Any) -> Experiment:
    given: dict[str, Any] = {
        "kind": "rare",
        "rare": named,
        "real_per_class": (1,),
        "trials": 1,
        "arms": ("classical",),
        "synthetic_per_class": (4,),
        "held_out_per_class": 1,
        "recipe": toy,
    }
    return Experiment(**{**given, **changes})


def test_without_real_samples_of_rare_classes_every_arm_works(
    stores: tuple[Store, Store], make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    train, test = stores
    strokes = HanziWriter(write_graphics(tmp_path / "graphics.txt"))
    recipe, others = replace(TOY_RECIPE, images=8, every=8), make_store("others", labels="一丨口")
    run = run_training(others, tmp_path / "refiner", recipe, ToyStrokes(TOY_STROKES))
    generators = choose_generators(
        ["simulated", str(run.path)], train, device="cpu", strokes=strokes
    )
    start = train_recogniser(from_stores([train], toy, CPU), toy, seed=0, device=CPU)
    experiment = rare(replace(toy, steps=2), "丨", real_per_class=(NONE,), arms=tuple(ARMS))
    out = tmp_path / "out"
    lift = run_experiment(train, test, experiment, generators, out, device=CPU, init_from=start)
    assert lift is not None
    assert len(lift.rows) == 3 + 3 * 2  # of six arms, three have synthetic samples
    drawn = Store(out / "draws" / "n0-draw0.store")
    assert np.bincount(drawn.labels, minlength=3).tolist() == [8, 0, 8]
    assert lift.groups == ("rare", AMONG_RARE, "common", "all")
    # A single rare class is always read rightly where there is no other candidate.
    assert all(row.correct_among_rare == [0, 5, 0] for row in lift.rows)
    assert all(one.mean == 1.0 for place, one in lift.accuracy.items() if place[0] == AMONG_RARE)
    assert "of the rare classes: at 0, " in lift.advice
    assert Lift.load(out) == lift
    page = str(lift_section(lift, "one"))
    for text in ("class, rare among rare classes", "only the rare classes are candidates"):
        assert text in page


def test_rare_classes_that_were_not_trained_on_are_not_read(
    stores: tuple[Store, Store], toy: RecogniserRecipe, tmp_path: Path
) -> None:
    experiment = rare(replace(toy, steps=60), "丨", real_per_class=(NONE,))
    lift = run_experiment(*stores, experiment, GENERATORS, tmp_path / "out", device=CPU)
    assert lift is not None
    assert lift.rows[0].correct[1] == 0
    assert sum(lift.rows[0].correct) > 0


def test_candidates_are_all_classes_or_the_rare_ones(
    stores: tuple[Store, Store], toy: RecogniserRecipe
) -> None:
    train, test = stores
    recogniser = train_recogniser(from_stores([train], toy, CPU), toy, seed=0, device=CPU)
    assert recogniser is not None
    counts = count_correct(recogniser, test, {"rare": (2, 0), AMONG_RARE: (2, 0), "all": range(3)})
    labels, probabilities = test.labels, recogniser.read(test.all_images())
    read = probabilities.argmax(axis=1)
    few = np.array([2, 0])[probabilities[:, [2, 0]].argmax(axis=1)]
    assert counts.total == [5, 5, 5]
    assert counts.correct == [int(((read == labels) & (labels == c)).sum()) for c in range(3)]
    assert counts.among_rare == [int(((few == labels) & (labels == c)).sum()) for c in range(3)]
    assert counts.among_rare[1] == 0
    assert count_correct(recogniser, test).among_rare is None
    among = [(AMONG_RARE, counts.among_rare)]
    # The same by writer: each of the five wrote every class once.
    assert counts.by_writer is not None
    assert counts.by_writer["all"] == {
        f"w{number}": (int((read == labels)[test.columns["writer"] == number].sum()), 3)
        for number in range(5)
    }
    for name, by_class in (("rare", [counts.correct[0], counts.correct[2]]), *among):
        found = counts.by_writer[name].values()
        assert [sum(column) for column in zip(*found, strict=True)] == [sum(by_class), 10]


@pytest.mark.parametrize("writers", [("w0",), ("w0", "")])
def test_one_writer_or_unknown_ones_are_not_counted(
    make_store: MakeStore, toy: RecogniserRecipe, writers: tuple[str, ...]
) -> None:
    train, test = make_store("train"), make_store("test", counts=(5, 5, 5), writers=writers)
    recogniser = train_recogniser(from_stores([train], toy, CPU), toy, seed=0, device=CPU)
    assert recogniser is not None
    assert count_correct(recogniser, test, {"all": range(3)}).by_writer is None


def test_named_classes_are_settings_of_the_result(
    stores: tuple[Store, Store], toy: RecogniserRecipe, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    lift = run_experiment(*stores, rare(toy, "十", "一"), GENERATORS, out, device=CPU)
    assert lift is not None
    assert lift.experiment["rare"] == ["十", "一"]
    # Their order does not matter; other classes do.
    again = run_experiment(*stores, rare(toy, "一", "十"), GENERATORS, out, device=CPU)
    assert again is not None
    assert again.rows == lift.rows
    with pytest.raises(RecipeChangedError, match="rare: "):
        run_experiment(*stores, rare(toy, "丨"), GENERATORS, out, device=CPU)


def test_results_of_earlier_versions_are_read_and_written_as_they_were(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    train, test, out = make_store("train", counts=(9, 9, 3)), make_store("test", seed=9), tmp_path
    lift = run_experiment(train, test, rare(toy), GENERATORS, out, device=CPU)
    assert lift is not None
    assert "rare" not in lift.config
    assert "rare" not in lift.experiment
    file = out / "rows" / "n1-draw0-classical.json"
    row = json.loads(file.read_text("utf-8"))
    del row["right_among_rare"], row["by_writer"]
    file.write_text(json.dumps(row), "utf-8")
    before = run_experiment(train, test, rare(toy), GENERATORS, out, device=CPU)
    assert before is not None
    assert before.to_json()["rows"] == [row]
    assert before.groups == ("rare", "common", "all")
    assert lift.limits_over == "classes, seeds and test writers"
    assert before.limits_over == "classes and seeds, not test writers"


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ("丨木", "1 of 2 characters are not among the 3 classes: 木"),
        ("一丨十", "all classes with samples are rare"),
        ("", "so none is rare. Name the rare classes as --rare"),
    ],
)
def test_classes_that_cannot_be_rare_are_refused_before_any_work(
    stores: tuple[Store, Store], toy: RecogniserRecipe, tmp_path: Path, named: str, error: str
) -> None:
    with pytest.raises((CharsetError, InputError), match=error):
        run_experiment(*stores, rare(toy, *named), GENERATORS, tmp_path / "out", device=CPU)
    assert not (tmp_path / "out").exists()


def test_rare_classes_need_test_samples(
    stores: tuple[Store, Store], make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    test = make_store("other", seed=3, counts=(5, 0, 5))
    with pytest.raises(InputError, match="has no sample of the rare classes to test on"):
        run_experiment(stores[0], test, rare(toy, "丨"), GENERATORS, tmp_path / "out", device=CPU)


def test_rare_classes_of_a_few_shot_experiment_are_refused(toy: RecogniserRecipe) -> None:
    with pytest.raises(InputError, match="2 classes are named as rare, but the few-shot"):
        rare(toy, "一", "丨", kind="few-shot")


def test_augmentation_without_any_real_sample_is_strong(toy: RecogniserRecipe) -> None:
    # On 200 unseen classes of pen ink, 87.2 % instead of 86.0 % after 6,000 steps.
    experiment = Experiment(recipe=toy, real_per_class=(NONE,), strong_epochs=25)
    samples = experiment.samples(Trial(NONE, 0, "classical+synthetic", 100), 10, 1000)
    assert experiment.recipe_of(ARMS["classical+synthetic"], samples).augmentation == STRONG


def test_augmentation_without_real_samples_is_that_of_the_common_classes(
    toy: RecogniserRecipe,
) -> None:
    # Few passes over many samples of common classes, which strong augmentation would harm.
    experiment = rare(toy)
    for count, samples in ((NONE, 1000), (0, 1000), (3, 30)):
        assert experiment.samples(Trial(count, 0, "classical", 0), 10, 1000) == samples
