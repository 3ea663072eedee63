"""Which trials of a lift are needed until more steps no longer help, and what is said of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from hwgen.experiments.convergence import LEAST_GAIN, is_converged
from hwgen.results.lift import Estimate, count_name
from hwgen.results.trials import Trial, TrialResult

Results = Mapping[Trial, TrialResult | None]


def needed(trials: Sequence[Trial], results: Results) -> list[Trial]:
    """Trials of each arm up to the number of steps from which more no longer help.

    An arm, at one number of real samples, is given more steps once all its repetitions are
    finished: their mean decides. The first two numbers of steps are always needed.

    Args:
        trials: all that are possible.
        results: of each, None where it is not finished.

    Returns:
        Fewest steps first, so that an early stop leaves whole comparisons; else in their order.
    """
    arms: dict[Trial, dict[int, list[Trial]]] = {}
    for trial in trials:
        budgets = arms.setdefault(replace(trial, seed=0, steps=0), {})
        budgets.setdefault(trial.steps, []).append(trial)
    chosen: set[Trial] = set()
    for budgets in arms.values():
        known: list[list[TrialResult]] = []
        for number, steps in enumerate(sorted(budgets)):
            chosen.update(budgets[steps])
            found = [result for one in budgets[steps] if (result := results[one]) is not None]
            if len(found) == len(budgets[steps]):
                known.append(found)
            if number and (len(known) <= number or arm_is_converged(known)):
                break
    return sorted((one for one in trials if one in chosen), key=lambda one: one.steps)


def arm_is_converged(budgets: Sequence[Sequence[TrialResult]]) -> bool:
    """Whether more steps no longer help an arm; see `is_converged`.

    Not if the augmentation changed with the last number of steps: then a loss may be due to that.

    Args:
        budgets: its results for each number of steps, ascending.
    """
    if len(budgets) < 2 or _settings(budgets[-2]) != _settings(budgets[-1]):
        return False
    return is_converged([mean_held_out(own) for own in budgets])


def mean_held_out(results: Sequence[TrialResult]) -> float:
    """Mean accuracy on held-out samples; NaN where it was not measured."""
    scores = [math.nan if one.held_out is None else one.held_out for one in results]
    return fmean(scores)


def _settings(results: Sequence[TrialResult]) -> dict[str, Any] | None:
    """The recipe without its steps."""
    recipe = results[0].config.get("recipe")
    return {**recipe, "steps": 0} if isinstance(recipe, Mapping) else None


def about_training(accuracy: Sequence[Estimate], group: str, steps: int) -> str:
    """Whether more steps would help, one sentence; "" if several were compared and none chosen.

    Args:
        accuracy: all of a lift.
        group: of classes, that the lift is about.
        steps: of each recogniser where there is one number of them; else 0.
    """
    if steps:
        return (
            f"A quick look: each recogniser was trained for {steps:,} steps, and more may change "
            "the comparison; --steps converged trains until they no longer help."
        )
    chosen = [one for one in accuracy if one.group == group and one.best_steps]
    late: dict[str, list[str]] = {}
    for one in chosen:
        if not one.converged:
            late.setdefault(one.series.name, []).append(count_name(one.count))
    if late:
        arms = "; ".join(f"{name} at {', '.join(counts)}" for name, counts in late.items())
        return f"Not converged, so that more steps may change the comparison: {arms}."
    if not chosen:
        return ""
    return (
        "Every arm has converged: the last increase of its steps gained less than "
        f"{100 * LEAST_GAIN:g} points on held-out samples."
    )
