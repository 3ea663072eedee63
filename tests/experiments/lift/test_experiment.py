import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest
import torch

from hwgen.compute.tensor_files import load_texts
from hwgen.errors import InputError, RecipeChangedError
from hwgen.experiments.lift.arms import ARMS
from hwgen.experiments.lift.experiment import run_experiment
from hwgen.experiments.lift.plan import (
    NO_AUGMENTATION,
    PRETRAINED_STRONG_EPOCHS,
    STRONG_EPOCHS,
    Experiment,
)
from hwgen.progress import Control
from hwgen.recogniser.network import LIGHT, STRONG, RecogniserRecipe, fine_tuned
from hwgen.recogniser.training import from_stores, train_recogniser
from hwgen.results.lift import ALL, NONE, Lift
from hwgen.results.trials import Trial, TrialResult
from hwgen.store import Store
from tests.experiments.lift.toy import Copies, small

CPU = torch.device("cpu")
MakeStore = Callable[..., Store]


def test_every_trial_is_run_once_and_summed_up(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    train, test = make_store("train"), make_store("test", seed=9, counts=(5, 5, 5))
    copies, news = Copies([]), []
    result = run_experiment(
        train,
        test,
        small(toy),
        {"": copies},
        tmp_path / "out",
        device=CPU,
        control=Control(lambda *n: news.append(n)),
    )
    assert result is not None
    assert json.loads((tmp_path / "out" / Lift.NAME).read_text()) == result.to_json()
    assert Lift.load(tmp_path / "out") == result
    assert len(result.rows) == 2 * 2 * 4
    assert sorted(set(copies.calls)) == [(6, 4, 0), (6, 4, 1), (27, 4, 0), (27, 4, 1)]
    assert {row.facts["pictures"][0] for row in result.rows} == {6, 27}
    assert all(row.total == [5, 5, 5] for row in result.rows)
    assert news[-1] == (16, 16, "done")
    assert any("copying" in note for _, _, note in news)
    assert [done for done, _, _ in news] == sorted(done for done, _, _ in news)
    assert len(result.differences) == 2 * 3
    assert "real samples per class" in result.advice
    # Again: nothing is computed anew.
    copies.calls.clear()
    again = run_experiment(train, test, small(toy), {"": copies}, tmp_path / "out", device=CPU)
    assert again == result
    assert not copies.calls


def test_a_trial_equals_training_and_testing_by_hand(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    train, test = make_store("train"), make_store("test", seed=9, counts=(5, 4, 3))
    recipe = replace(toy, steps=40)
    protocol = small(recipe, real_per_class=(4,), trials=1, arms=("classical",))
    result = run_experiment(train, test, protocol, {"": Copies([])}, tmp_path / "out", device=CPU)
    assert result is not None
    drawn = Store(tmp_path / "out" / "draws" / "n4-draw0.store")
    recogniser = train_recogniser(from_stores([drawn], recipe, CPU), recipe, seed=0, device=CPU)
    assert recogniser is not None
    read = recogniser.read(test.all_images()).argmax(axis=1)
    right = [int(((read == test.labels) & (test.labels == c)).sum()) for c in range(3)]
    assert result.rows[0].correct == right
    assert result.accuracy_entries[0].mean == pytest.approx((read == test.labels).mean())


def test_the_seed_of_a_trial_is_that_of_its_records_generator_and_recogniser(
    make_store: MakeStore,
    toy: RecogniserRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train, test = make_store("train"), make_store("test", seed=9, counts=(5, 4, 3))
    copies, seeds = Copies([]), []

    def noted(*given: Any, **options: Any) -> Any:
        seeds.append(options["seed"])
        return train_recogniser(*given, **options)

    monkeypatch.setattr("hwgen.experiments.lift.experiment.train_recogniser", noted)
    experiment = small(toy, real_per_class=(4,), trials=3, arms=("synthetic",))
    run_experiment(train, test, experiment, {"": copies}, tmp_path / "out", device=CPU)
    assert seeds == [0, 1, 2]
    assert [seed for *_, seed in copies.calls] == [0, 1, 2]
    stores = [Store(tmp_path / "out" / "draws" / f"n4-draw{n}.store") for n in range(3)]
    assert len({store.manifest.content_sha256 for store in stores}) == 3


def test_the_rare_experiment_takes_few_samples_of_rare_classes_only(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    train, test = make_store("train", counts=(20, 20, 8)), make_store("test", seed=9)
    protocol = small(toy, kind="rare", real_per_class=(1,), trials=1, held_out_per_class=2)
    result = run_experiment(train, test, protocol, {"": Copies([])}, tmp_path / "out", device=CPU)
    assert result is not None
    drawn = Store(tmp_path / "out" / "draws" / "n1-draw0.store")
    assert np.bincount(drawn.labels).tolist() == [18, 18, 1]
    assert result.config["recipe"]["balanced"]
    assert set(result.groups) == {"rare", "rare among rare", "common", "all"}
    assert "of the rare classes" in result.advice


def test_settings_are_chosen_on_held_out_samples_of_the_train_store(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    train, test = make_store("train"), make_store("test", seed=9)
    protocol = small(toy, evaluate_on="held-out", real_per_class=(ALL,), arms=("none",), trials=1)
    result = run_experiment(train, test, protocol, {"": Copies([])}, tmp_path / "out", device=CPU)
    assert result is not None
    assert result.rows[0].total == [3, 3, 3]
    judged = Store(tmp_path / "out" / "draws" / "held-out.store").all_images()
    drawn = Store(tmp_path / "out" / "draws" / "all-draw0.store").all_images()
    assert len(judged) + len(drawn) == len(train)


def test_a_stop_keeps_what_is_finished(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    train, test = make_store("train"), make_store("test", seed=9)
    protocol = small(toy, real_per_class=(2,), trials=1)
    rows = tmp_path / "out" / "rows"

    def two_are_there() -> bool:
        return rows.is_dir() and len(list(rows.iterdir())) >= 2

    result = run_experiment(
        train,
        test,
        protocol,
        {"": Copies([])},
        tmp_path / "out",
        device=CPU,
        control=Control(stop=two_are_there),
    )
    assert result is None
    assert len(list(rows.iterdir())) == 2
    assert not (tmp_path / "out" / Lift.NAME).exists()
    part = run_experiment(
        train, test, protocol, {"": Copies([])}, tmp_path / "out", device=CPU, so_far=True
    )
    assert part is not None
    assert len(part.rows) == len(part.missing) == len(list(rows.iterdir())) == 2
    with pytest.raises(InputError, match="no trial is finished"):
        run_experiment(
            train, test, protocol, {"": Copies([])}, tmp_path / "new", device=CPU, so_far=True
        )
    assert run_experiment(train, test, protocol, {"": Copies([])}, tmp_path / "out", device=CPU)


def test_a_stopped_trial_is_resumed_in_the_training_of_its_recogniser(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    train, test = make_store("train"), make_store("test", seed=9)
    experiment = small(replace(toy, steps=30), real_per_class=(2,), trials=1, arms=("none",))
    stores, generators = (train, test), {"": Copies([])}
    whole = run_experiment(*stores, experiment, generators, tmp_path / "whole", device=CPU)
    asked = iter(range(1_000))
    stopping = Control(stop=lambda: next(asked) >= 22)  # once before the trial
    out = tmp_path / "out"
    stopped = run_experiment(*stores, experiment, generators, out, device=CPU, control=stopping)
    assert stopped is None
    (begun,) = (out / "rows").iterdir()
    assert begun.name == ".n2-draw0-none.json.hwgen-checkpoint"
    assert load_texts(begun)["step"] == "21"
    longer = small(replace(toy, steps=31), real_per_class=(2,), trials=1, arms=("none",))
    with pytest.raises(RecipeChangedError, match=r"recipe\.steps: 30 -> 31"):
        run_experiment(*stores, longer, generators, out, device=CPU)
    resumed = run_experiment(*stores, experiment, generators, out, device=CPU)
    assert whole is not None
    assert resumed is not None
    (there,), (here,) = whole.rows, resumed.rows
    assert (here.correct, here.facts["loss"]) == (there.correct, there.facts["loss"])
    assert [file.name for file in (out / "rows").iterdir()] == ["n2-draw0-none.json"]


def test_trials_that_another_process_runs_are_awaited(
    make_store: MakeStore,
    toy: RecogniserRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train, test = make_store("train"), make_store("test", seed=9)
    protocol = small(toy, real_per_class=(2,), trials=1, arms=("none", "synthetic"))
    out = tmp_path / "out"
    (out / "locks").mkdir(parents=True)
    locks = [
        filelock.FileLock(str(out / "locks" / name), is_singleton=False)
        for name in ("n2-draw0-none.lock", "generator-n2-draw0.lock")
    ]
    for lock in locks:
        lock.acquire()

    def other_finishes(seconds: float) -> None:
        assert not (out / "rows").exists()  # both were busy
        for lock in locks:
            lock.release()

    monkeypatch.setattr("hwgen.experiments.lift.experiment.time.sleep", other_finishes)
    result = run_experiment(train, test, protocol, {"": Copies([])}, out, device=CPU)
    assert result is not None
    assert len(result.rows) == 2


def test_pretrained_arms_start_from_pretrained_weights(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    other = make_store("other", labels="甲乙丙", counts=(30, 30, 30))
    start = train_recogniser(
        from_stores([other], toy, CPU), replace(toy, steps=60), seed=0, device=CPU
    )
    train, test = make_store("train"), make_store("test", seed=9)
    protocol = small(toy, real_per_class=(2,), trials=1, arms=("classical", "pretrained"))
    with pytest.raises(InputError, match="no recogniser for the pretrained arms"):
        run_experiment(train, test, protocol, {"": Copies([])}, tmp_path / "out", device=CPU)
    result = run_experiment(
        train, test, protocol, {"": Copies([])}, tmp_path / "out", device=CPU, init_from=start
    )
    assert result is not None
    assert result.start["pictures"] == 90
    plain, pretrained = result.rows
    assert plain.config["start"] is None
    assert pretrained.config["start"]["pictures"] == 90
    assert sum(pretrained.correct) > sum(plain.correct)


def test_augmentation_is_stronger_with_more_epochs(toy: RecogniserRecipe) -> None:
    mild = small(toy, real_per_class=(2,))
    strong = replace(mild, strong_epochs=5, pretrained_strong_epochs=10, kind="rare")
    images = toy.steps * toy.batch
    for arm, views, used in [
        ("classical", 5, STRONG),
        ("classical+synthetic", 5, STRONG),
        ("classical", 4.9, toy.augmentation),
        ("pretrained", 10, STRONG),
        ("pretrained", 9.9, toy.augmentation),
        ("none", 5, NO_AUGMENTATION),
        ("synthetic", 5, NO_AUGMENTATION),
    ]:
        base = fine_tuned(toy) if arm == "pretrained" else toy
        recipe = strong.recipe_of(ARMS[arm], images / views)
        assert recipe == replace(base, augmentation=used, balanced=True)
        if used == STRONG:
            assert mild.recipe_of(ARMS[arm], images / views) == replace(base, balanced=False)


@pytest.mark.parametrize(
    ("arm", "samples", "steps", "strong"),
    # What was measured: 89 classes with 1,000 steps of 64, and 3,755 with 4,000.
    [
        ("classical", 20 * 89, 1_000, True),
        ("classical", 50 * 89, 1_000, False),
        ("classical", 5 * 3_755, 4_000, False),
        ("pretrained", 3 * 89, 1_000, True),
        ("pretrained", 10 * 89, 1_000, False),
    ],
)
def test_the_augmentation_is_the_one_that_was_better(
    arm: str, samples: int, steps: int, strong: bool
) -> None:
    protocol = Experiment(
        recipe=replace(LIGHT, steps=steps),
        strong_epochs=STRONG_EPOCHS,
        pretrained_strong_epochs=PRETRAINED_STRONG_EPOCHS,
    )
    used = protocol.recipe_of(ARMS[arm], samples).augmentation
    assert used == (STRONG if strong else LIGHT.augmentation)


@pytest.mark.parametrize(("samples", "strong"), [(6, 1), (26, 1), (27, 2)])
def test_trial_results_name_their_augmentation(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path, samples: int, strong: int
) -> None:
    train, test = make_store("train"), make_store("test", seed=9)
    out = tmp_path / "out"
    # 2 of each of 3 classes, and all 9 that are not held out.
    mild = small(toy, real_per_class=(2, ALL), trials=1, arms=("none", "classical"))
    protocol = replace(mild, strong_epochs=toy.steps * toy.batch / samples)
    result = run_experiment(train, test, protocol, {"": Copies([])}, out, device=CPU)
    assert result is not None
    used = [row.config["recipe"]["augmentation"] for row in result.rows]
    assert used.count(asdict(STRONG)) == strong
    assert result.experiment["strong_views"] == protocol.strong_epochs
    with pytest.raises(RecipeChangedError, match="n2-draw0-classical"):
        run_experiment(train, test, mild, {"": Copies([])}, out, device=CPU)


def test_a_trial_result_survives_its_file(tmp_path: Path) -> None:
    row = TrialResult(Trial(5, 1, "none", 0), {"a": 1}, [3, 4], [5, 5], {"seconds": 2.0})
    row.save(tmp_path / "rows" / "row.json")
    assert TrialResult.load(tmp_path / "rows" / "row.json", {"a": 1}) == row
    assert Trial(ALL, 2, "synthetic", 30).name == "all-draw2-synthetic-30"
    several = Trial(NONE, 2, "synthetic", 30, "refiner", 500)
    assert several.name == "n0-draw2-synthetic-30-refiner-500steps"
    replace(row, trial=several, held_out=0.5).save(tmp_path / "several.json")
    assert TrialResult.load(tmp_path / "several.json").trial == several
    # The file of a trial with one generator is that of earlier versions.
    assert json.loads((tmp_path / "rows" / "row.json").read_text("utf-8")) == {
        "cell": {"count": 5, "draw": 1, "arm": "none", "amount": 0},
        "decides": {"a": 1},
        "right": [3, 4],
        "total": [5, 5],
        "facts": {"seconds": 2.0},
    }
