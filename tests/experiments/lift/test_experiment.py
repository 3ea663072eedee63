import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest
import torch

from hwgen.compute.tensor_files import load_texts
from hwgen.errors import CharsetError, InputError, RecipeChangedError, RunError
from hwgen.experiments.lift.arms import ARMS
from hwgen.experiments.lift.experiment import run_experiment
from hwgen.experiments.lift.generators import (
    Generator,
    PretrainedGenerator,
    TrainedGenerator,
)
from hwgen.experiments.lift.plan import (
    NO_AUGMENTATION,
    PRETRAINED_STRONG_EPOCHS,
    STRONG_EPOCHS,
    Experiment,
)
from hwgen.experiments.lift.subsets import write_subset
from hwgen.generators.base import get_kind
from hwgen.generators.deformation.recipe import DeformationRecipe
from hwgen.generators.deformation.training import train_deformation
from hwgen.generators.gan.presets import Recipe
from hwgen.progress import Control
from hwgen.recogniser.network import LIGHT, STRONG, RecogniserRecipe, fine_tuned
from hwgen.recogniser.training import from_stores, train_recogniser
from hwgen.results.lift import ALL, NONE, Lift
from hwgen.results.trials import Trial, TrialResult
from hwgen.store import Store, StoreWriter

CPU = torch.device("cpu")
MakeStore = Callable[..., Store]
TOY_DEFORMATION = DeformationRecipe(size=16, z_dim=2, width=4, grid=4, batch=8, steps=3)


@dataclass
class Copies:
    """A generator that repeats the real samples; says what it was given."""

    calls: list[tuple[int, int, int]]
    before: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        return {"kind": "copies"}

    @property
    def trained_before(self) -> bool:
        return False

    @property
    def trained_on(self) -> frozenset[str]:
        return frozenset([self.before] if self.before else [])

    @property
    def seen(self) -> frozenset[str] | None:
        return None

    def works_without_real(self, *, others: bool) -> bool:
        return False

    def cost(self, run: Path, seed: int) -> dict[str, Any]:
        return {"images": 7, "seconds": 1.5}

    def check(self, real: Store, run: Path, *, seed: int) -> None:
        pass

    def __call__(
        self, real: Store, run: Path, out: Path, *, amount: int, seed: int, progress: Any, stop: Any
    ) -> Store | None:
        self.calls.append((len(real), amount, seed))
        progress("copying", 0.5)
        labels = real.labels
        records = np.concatenate(
            [np.resize(np.flatnonzero(labels == c), amount) for c in range(len(real.charset))]
        )
        with StoreWriter(out, size=real.size, recipe={}, overwrite=True) as writer:
            for record in records.tolist():
                writer.add(real.record(record))
            return writer.finish(charset=real.charset, origin={"kind": "synthetic"})


def small(toy: RecogniserRecipe, **changes: Any) -> Experiment:
    given = {
        "real_per_class": (2, ALL),
        "trials": 2,
        "synthetic_per_class": (4,),
        "held_out_per_class": 3,
        "recipe": toy,
    }
    return Experiment(**{**given, **changes})


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


def test_the_seed_of_a_trial_trains_and_samples_its_generator(
    make_store: MakeStore, tmp_path: Path
) -> None:
    kind = get_kind("deformation")
    trained = TrainedGenerator(kind, TOY_DEFORMATION, "cpu")
    real = make_store("real")
    pretrained = None
    for seed in (0, 3):
        run = tmp_path / f"run{seed}"
        made = trained(
            real,
            run,
            tmp_path / f"out{seed}",
            amount=2,
            seed=seed,
            progress=lambda *_: None,
            stop=lambda: False,
        )
        assert made is not None
        assert made.manifest.origin["seed"] == seed
        assert json.loads((run / "run.json").read_text())["seed"] == seed
        pretrained = PretrainedGenerator((run,), "cpu")
    assert pretrained is not None
    again = pretrained(
        real,
        tmp_path / "unused",
        tmp_path / "again",
        amount=2,
        seed=7,
        progress=lambda *_: None,
        stop=lambda: False,
    )
    assert again is not None
    assert again.manifest.origin["seed"] == 7


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


@pytest.mark.parametrize("learnt", [False, True])
def test_deformation_models_are_trained_on_the_subset_or_before(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path, learnt: bool
) -> None:
    train, test = make_store("train"), make_store("test", seed=9)
    generator: Generator = TrainedGenerator(get_kind("deformation"), TOY_DEFORMATION, "cpu")
    if learnt:
        run = train_deformation(make_store("others"), tmp_path / "r", TOY_DEFORMATION, device="cpu")
        generator = PretrainedGenerator((run.path,), "cpu")
    protocol = small(toy, real_per_class=(3,), trials=1, arms=("classical", "synthetic"))
    result = run_experiment(train, test, protocol, {"": generator}, tmp_path / "out", device=CPU)
    assert result is not None
    assert (tmp_path / "out" / "generators" / "n3-draw0").exists() != learnt
    kind = "deformation learnt before" if learnt else "deformation"
    assert result.generator["kind"] == kind
    assert len(Store(tmp_path / "out" / "synthetic" / "n3-draw0-4.store")) == 12


@pytest.mark.parametrize("learnt", [False, True])
def test_subsets_that_a_generator_cannot_use_are_refused_before_any_training(
    make_store: MakeStore,
    toy: RecogniserRecipe,
    tmp_path: Path,
    learnt: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train, test = make_store("train"), make_store("test", seed=9)
    generator: Generator = TrainedGenerator(get_kind("deformation"), TOY_DEFORMATION, "cpu")
    if learnt:
        run = train_deformation(make_store("others"), tmp_path / "r", TOY_DEFORMATION, device="cpu")
        generator = PretrainedGenerator((run.path,), "cpu")
    # The trial of 3 samples, which is possible, comes first; one sample has no pair.
    experiment = small(toy, real_per_class=(3, 1), trials=1, arms=("classical", "synthetic"))
    out = tmp_path / "out"

    def trained(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hwgen.experiments.lift.experiment.train_recogniser", trained)
    with pytest.raises(KeyboardInterrupt if learnt else InputError):
        run_experiment(train, test, experiment, {"": generator}, out, device=CPU)
    assert not (out / "generators").exists()


def test_samples_too_near_to_real_ones_are_rejected(make_store: MakeStore, tmp_path: Path) -> None:
    draw = make_store("train")
    learnt = train_deformation(draw, tmp_path / "r", TOY_DEFORMATION, device="cpu")
    plain = PretrainedGenerator((learnt.path,), "cpu")
    generator = replace(plain, no_copies=True)
    assert generator.settings == {**plain.settings, "no_copies": True}

    def drawn(generator: Generator, out: str, stop: bool = False) -> Store | None:
        return generator(
            draw,
            tmp_path / "unused",
            tmp_path / out,
            amount=4,
            seed=0,
            progress=lambda *_: None,
            stop=lambda: stop,
        )

    everything, kept = drawn(plain, "all"), drawn(generator, "kept")
    assert everything is not None
    assert kept is not None
    assert "filter" not in everything.manifest.origin
    assert kept.manifest.origin["filter"]["no_copies"] == draw.manifest.content_sha256
    assert len(kept) < len(everything) == 12  # a toy bends hardly at all
    assert drawn(generator, "none", stop=True) is None


def test_a_gan_is_trained_on_the_subset(
    make_store: MakeStore, toy: RecogniserRecipe, toy_recipe: Recipe, tmp_path: Path
) -> None:
    train, test = make_store("train"), make_store("test", seed=9)
    recipe = replace(toy_recipe, images=8, every=8)
    protocol = small(replace(toy, size=8), real_per_class=(3,), trials=1, arms=("synthetic",))
    generator = TrainedGenerator(get_kind("gan"), recipe, "cpu")
    result = run_experiment(train, test, protocol, {"": generator}, tmp_path / "out", device=CPU)
    assert result is not None
    assert result.generator["recipe"]["images"] == 8
    assert result.rows[0].facts["pictures"] == [9, 12]


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


def test_subsets_count_as_real(make_store: MakeStore, tmp_path: Path) -> None:
    assert not write_subset(make_store("s"), [0], tmp_path / "part").is_synthetic


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
