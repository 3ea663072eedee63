"""Classes without strokes, which a lift leaves out."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hwgen.errors import CharsetError, InputError, RunError
from hwgen.experiments.lift.choice import choose_generators
from hwgen.experiments.lift.experiment import run_experiment
from hwgen.experiments.lift.left_out import in_words, leave_out, without_rare, without_strokes
from hwgen.experiments.lift.plan import Experiment
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.report.lift_section import lift_section
from hwgen.results.lift import NONE, Lift
from hwgen.runs import Run
from hwgen.store import Store
from tests.experiments.lift.conftest import Graphics
from tests.generators.refiner.toy import TOY_RECIPE, TOY_STROKES, ToyStrokes, run_training

CPU = torch.device("cpu")
MakeStore = Callable[..., Store]
STROKES = ToyStrokes(TOY_STROKES)  # 一, 丨, 口


@pytest.fixture
def stores(make_store: MakeStore) -> tuple[Store, Store]:
    labels = "一丨垍"
    return (
        make_store("train", labels=labels),
        make_store("test", labels=labels, seed=9, counts=(4, 4, 4)),
    )


@pytest.fixture
def refiner(make_store: MakeStore, tmp_path: Path) -> Run:
    store = make_store("others", labels="一丨口", seed=3)
    recipe = replace(TOY_RECIPE, held_out=0.0, images=8, every=8)
    return run_training(store, tmp_path / "refiner", recipe, STROKES)


def test_every_generator_must_have_strokes_of_a_class(
    stores: tuple[Store, Store], refiner: Run
) -> None:
    charset, run = stores[0].charset, str(refiner.path)
    for names in (["simulated"], ["refiner-32"], [run], ["deformation-32", run]):
        given = None if run in names else STROKES
        assert without_strokes(charset, names, given) == ("垍",)
    assert without_strokes(charset, ["deformation-32"]) == ()
    # The strokes that come with hwgen have no 垍, which is not in GB2312.
    assert without_strokes(charset, ["simulated"]) == ("垍",)
    none = ToyStrokes({"口": TOY_STROKES["口"]})
    assert without_strokes(charset, ["simulated"], none) == ()  # so that the error names all


def test_a_lift_of_the_other_classes(
    stores: tuple[Store, Store],
    refiner: Run,
    toy: RecogniserRecipe,
    graphics: Graphics,
    tmp_path: Path,
) -> None:
    train, test = stores
    names, out = ["simulated", str(refiner.path)], tmp_path / "out"
    with pytest.raises(CharsetError, match="no strokes for 1 of 3 characters: 垍"):
        choose_generators(names, train, strokes=graphics)
    labels = without_strokes(train.charset, names, graphics)
    for _ in range(2):  # the stores are written once
        some, judged = leave_out(train, test, labels, out)
        assert [len(some), len(judged)] == [24, 8]
        assert tuple(some.charset) == tuple(judged.charset) == ("一", "丨")
        assert some.data_kind == train.data_kind == "real"
    experiment = Experiment(
        recipe=replace(toy, steps=2),
        real_per_class=(NONE, 2),
        synthetic_per_class=(2,),
        trials=1,
        held_out_per_class=0,
    )
    generators = choose_generators(names, some, strokes=graphics)
    lift = run_experiment(some, judged, experiment, generators, out, device=CPU, left_out=labels)
    assert lift is not None
    assert {tuple(row.total) for row in lift.rows} == {(4, 4)}
    assert Lift.load(out).left_out == ("垍",)
    page = str(lift_section(lift, "one"))
    assert "Left out, without strokes" in page
    assert "垍" in page


def test_without_such_classes_the_stores_are_those_given(
    stores: tuple[Store, Store], tmp_path: Path
) -> None:
    assert leave_out(*stores, (), tmp_path / "out") == stores
    assert not (tmp_path / "out").exists()


def test_a_generator_that_saw_the_whole_store_is_refused(
    make_store: MakeStore, stores: tuple[Store, Store], toy: RecogniserRecipe, tmp_path: Path
) -> None:
    train, test = stores
    recipe = replace(TOY_RECIPE, held_out=0.0, images=8, every=8)
    run = run_training(train, tmp_path / "refiner", recipe, STROKES)
    some, judged = leave_out(train, test, ("垍",), tmp_path / "out")
    generators = choose_generators([str(run.path)], some)
    experiment = Experiment(recipe=toy, real_per_class=(2,), synthetic_per_class=(2,), trials=1)
    with pytest.raises(InputError, match="a generator was trained on this store"):
        run_experiment(some, judged, experiment, generators, tmp_path / "out", device=CPU)


def test_two_processes_share_a_directory(stores: tuple[Store, Store], tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(leave_out, *stores, ("垍",), tmp_path / "out") for _ in range(2)]
        hashes = {tuple(one.manifest.content_sha256 for one in each.result()) for each in both}
    assert len(hashes) == 1


def test_rare_classes_without_strokes(toy: RecogniserRecipe) -> None:
    experiment = Experiment(recipe=toy, kind="rare", rare=("垍", "一"))
    assert without_rare(experiment, ("垍",)).rare == ("一",)
    assert without_rare(replace(experiment, rare=()), ("垍",)).rare == ()
    with pytest.raises(InputError, match="none of the rare classes has strokes: 垍"):
        without_rare(replace(experiment, rare=("垍",)), ("垍",))


def test_nothing_is_written_into_a_folder_of_something_else(
    stores: tuple[Store, Store], tmp_path: Path
) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(RunError):
        leave_out(*stores, ("垍",), tmp_path / "notes")


def test_words() -> None:
    assert in_words(("垍",), 3) == "1 of 3 classes is left out, since it has no strokes: 垍"
    assert in_words(("垍", "垕"), 3_755) == (
        "2 of 3,755 classes are left out, since they have no strokes: 垍垕"
    )
