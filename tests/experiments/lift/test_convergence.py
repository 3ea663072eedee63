import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hwgen.errors import InputError
from hwgen.experiments import convergence
from hwgen.experiments.lift.convergence import about_training, arm_is_converged, needed
from hwgen.experiments.lift.experiment import run_experiment
from hwgen.experiments.lift.plan import Experiment
from hwgen.experiments.lift.summary import summarise
from hwgen.progress import Control
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.results.lift import Lift, Series
from hwgen.results.trials import Trial, TrialResult
from hwgen.store import Store
from tests.experiments.lift.toy import Copies

CPU = torch.device("cpu")
MakeStore = Callable[..., Store]
START = {"decides": {"recipe": {"steps": 6000}}}


def row(trial: Trial, held_out: float | None, correct: int = 5, **recipe: Any) -> TrialResult:
    config = {
        "recipe": {"steps": trial.steps, **recipe},
        "start": START if "pretrained" in trial.arm else None,
    }
    return TrialResult(trial, config, [correct, correct], [10, 10], {}, held_out=held_out)


def trials(arms: tuple[str, ...] = ("classical",), seeds: int = 1) -> list[Trial]:
    return [
        Trial(5, seed, arm, 0, steps=steps)
        for seed in range(seeds)
        for arm in arms
        for steps in (1, 2, 4, 8)
    ]


def results(found: Mapping[int, float], all_trials: list[Trial]) -> dict[Trial, TrialResult | None]:
    return {one: row(one, found[one.steps]) if one.steps in found else None for one in all_trials}


@pytest.mark.parametrize(
    ("found", "steps"),
    [
        ({}, [1, 2]),
        ({1: 0.5}, [1, 2]),
        ({1: 0.5, 2: 0.6}, [1, 2, 4]),
        ({1: 0.5, 2: 0.5}, [1, 2]),
        ({1: 0.5, 2: 0.6, 4: 0.7}, [1, 2, 4, 8]),
        ({1: 0.5, 2: 0.6, 4: 0.601, 8: 0.9}, [1, 2, 4]),
    ],
)
def test_an_arm_gets_more_steps_while_they_help(found: dict[int, float], steps: list[int]) -> None:
    every = trials()
    assert [one.steps for one in needed(every, results(found, every))] == steps


def test_the_mean_of_all_repetitions_decides_and_the_fewest_steps_come_first() -> None:
    every = trials(("none", "classical"), seeds=2)
    found = results({1: 0.5, 2: 0.6}, every)
    late = Trial(5, 1, "classical", 0, steps=2)
    found[late] = None
    chosen = needed(every, found)
    assert [one.steps for one in chosen] == [1] * 4 + [2] * 4 + [4] * 2
    assert {one.arm for one in chosen if one.steps == 4} == {"none"}
    assert [one.seed for one in chosen[:4]] == [0, 0, 1, 1]
    found[late] = row(late, 0.4)  # a mean of 0.5
    assert {one.arm for one in needed(every, found) if one.steps == 4} == {"none"}
    found[late] = row(late, 0.5)
    assert len(needed(every, found)) == 12


def test_an_arm_whose_augmentation_changed_has_not_converged() -> None:
    one, two = Trial(5, 0, "classical", 0, steps=1), Trial(5, 0, "classical", 0, steps=2)
    assert arm_is_converged([[row(one, 0.5)], [row(two, 0.5)]])
    assert not arm_is_converged([[row(one, 0.5)], [row(two, 0.5, augmentation={"blur": 1})]])
    assert not arm_is_converged([[row(one, 0.5)], [row(two, None)]])


def test_the_figures_say_whether_an_arm_has_converged_and_all_its_steps() -> None:
    arms = ("classical", "pretrained")
    found = [
        row(one, {1: 0.5, 2: 0.6, 4: 0.6}[one.steps], 4 + one.steps)
        for one in trials(arms)
        if one.steps < 8
    ]
    accuracy = summarise(found, {"all": [0, 1]}, 50).accuracy
    best = {one.arm: one for one in accuracy if not one.steps}
    assert best["classical"].converged
    assert (best["classical"].best_steps, best["pretrained"].total_steps) == (2, 6002)
    assert best["classical"].held_out == 0.6
    by_steps = {one.steps: one for one in accuracy if one.arm == "classical" and one.steps}
    assert [by_steps[steps].mean for steps in (1, 2, 4)] == [0.5, 0.6, 0.8]
    assert by_steps[1].converged is None
    assert about_training(accuracy, "all", 0).startswith("Every arm has converged")
    late = [one for one in found if one.trial.steps < 4]
    accuracy = summarise(late, {"all": [0, 1]}, 50).accuracy
    assert about_training(accuracy, "all", 0) == (
        "Not converged, so that more steps may change the comparison: classical at 5; pretrained "
        "at 5."
    )
    assert about_training(accuracy, "all", 1000).startswith("A quick look: each recogniser was ")
    assert about_training([], "all", 0) == ""


def test_a_gain_over_a_converged_baseline_is_promised_whatever_its_steps() -> None:
    def advice(held_out: Mapping[int, float]) -> str:
        found = [
            row(one, held_out[one.steps], 9 if one.arm == "pretrained" else 4)
            for one in trials(("classical", "pretrained"))
            if one.steps in held_out
        ]
        return summarise(found, {"all": [0, 1]}, 50).advice

    assert advice({1: 0.5, 2: 0.6, 4: 0.6}) == (
        "With pretrained weights, each arm with the number of training steps that is best on "
        "held-out samples (at most 6,002, pretraining included; classical at most 4), by the "
        "number of real samples per class: at 5, start from them: +50.0 points (+50.0 to "
        "+50.0)."
    )
    assert (
        "no gain is promised, since classical trained for 2 of at most 6,002 steps in all and "
        in (advice({1: 0.5, 2: 0.6}))
    )


def small(toy: RecogniserRecipe, **changes: Any) -> Experiment:
    given = {"real_per_class": (2,), "trials": 2, "arms": ("none",), "held_out_per_class": 3}
    steps = {"steps": (1, 2, 4), "until_converged": True}
    return Experiment(**{**given, **steps, "recipe": toy, **changes})


@pytest.mark.parametrize(("gain", "steps"), [(2.0, [1, 2]), (-2.0, [1, 2, 4])])
def test_trials_are_run_until_more_steps_no_longer_help(
    make_store: MakeStore,
    toy: RecogniserRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gain: float,
    steps: list[int],
) -> None:
    train, test = make_store("train"), make_store("test", seed=9, counts=(5, 5, 5))
    monkeypatch.setattr(convergence, "LEAST_GAIN", gain)
    news: list[tuple[float, float, str]] = []
    copies = {"": Copies([])}
    control = Control(lambda *given: news.append(given))
    out = tmp_path / "out"
    lift = run_experiment(train, test, small(toy), copies, out, device=CPU, control=control)
    assert lift is not None
    assert [row.trial.steps for row in lift.rows] == [one for one in steps for _ in range(2)]
    assert lift.experiment["until_converged"]
    assert news[-1] == (len(lift.rows), len(lift.rows), "done")
    assert not lift.missing
    best = lift.accuracy["all", 2, Series("none", 0)]
    assert best.converged == (gain > 0)
    assert ("has converged" in lift.advice) == (gain > 0)
    assert lift.shown == (Series("none", 0),)
    assert [one.steps for one in lift.budgets] == steps
    assert Lift.load(out) == lift
    assert "until_converged" in json.loads((out / "lift.json").read_text("utf-8"))["protocol"]
    # Resumed with more repetitions: those that are there count.
    more = run_experiment(train, test, small(toy, trials=3), copies, out, device=CPU)
    assert more is not None
    assert len(more.rows) == 3 * len(steps)
    assert all(row in more.rows for row in lift.rows)


def test_without_held_out_samples_nothing_shows_convergence(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no samples are held out"):
        small(toy, held_out_per_class=0)
    with pytest.raises(InputError, match="held-out samples say"):
        replace(small(toy), steps=(3,))
    few = make_store("few", counts=(2, 2, 2))
    test = make_store("test", seed=9)
    with pytest.raises(InputError, match="no class has enough samples to hold some out"):
        run_experiment(few, test, small(toy), {"": Copies([])}, tmp_path / "out", device=CPU)
    assert not (tmp_path / "out" / "rows").exists()
