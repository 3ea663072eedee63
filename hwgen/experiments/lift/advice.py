"""What a user should do, in words, from the figures of a lift.

A gain is promised only where its interval excludes 0 and is not due to more training: more steps no
longer help the baseline, or the arm trained for at most as many, pretraining included. Of several
arms and generators it takes the one with the highest lower limit, on the figures that it quotes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from hwgen.experiments.lift.arms import ARMS
from hwgen.results.lift import BASELINES, COMMON, Estimate, Series, count_name
from hwgen.results.trials import NONE

_ACTIONS = {
    "classical+synthetic": "add {}",
    "pretrained": "start from them",
    "pretrained+synthetic": "start from them and add {}",
}
"""What an arm asks of a user who augments classically already."""

_KEEP = {"classical": "keep to classical augmentation", "pretrained": "start from them alone"}
"""What to do where no arm gains, by baseline."""

_STARTED = "With pretrained weights"

_CHOICES = {
    "With these samples alone": ("classical+synthetic",),
    _STARTED: ("pretrained", "pretrained+synthetic"),
}
"""What a user may have at hand, and the arms to choose from in that case."""


def advise(
    accuracy: Sequence[Estimate],
    differences: Sequence[Estimate],
    between: Sequence[Estimate],
    group: str,
    amount: int,
    steps: Mapping[str, int | None],
    baseline: str = BASELINES[0],
    first: str = "",
    kind: str = "real",
) -> str:
    """What a user should do.

    Args:
        accuracy: see hwgen.experiments.lift.summary.Summary.
        differences: to the baseline, see there.
        between: differences to the first generator, see there.
        group: of classes, that the advice is about.
        amount: synthetic samples per class; other amounts are not considered.
        steps: by arm: total steps of its recognisers, pretraining included; None if not known.
        baseline: the arm that others are compared with.
        first: name of the first generator.
        kind: of the training samples: "real" or "simulated".
    """
    # Where no number of steps was chosen, the advice is about the largest.
    most = max((one.steps for one in accuracy or differences), key=lambda n: (n == 0, n), default=0)

    def about(found: Iterable[Estimate], group: str = group) -> list[Estimate]:
        right = [one for one in found if one.group == group and one.amount in (0, amount)]
        return [one for one in right if one.steps == most]

    some = "" if group == "all" else f" of the {group} classes"
    compared = about(differences)
    common = {one.place[1:]: one for one in about(differences, COMMON)}
    settled = {one.count for one in about(accuracy) if one.arm == baseline and one.converged}
    real = "real samples" if kind == "real" else "samples"
    by = f"by the number of {real} per class{some}"
    sentences = [_without_real(about(accuracy), compared, f"{real}{some}")]
    for opening, arms in _CHOICES.items():
        # Arms that start from nothing differ from a pretrained baseline in two ways: no advice.
        alike = baseline not in _CHOICES[_STARTED] or opening == _STARTED
        if alike and (found := [one for one in compared if one.arm in arms]):
            sentences.append(_gains(opening, found, common, by, steps, baseline, settled))
    sentences += _between(about(between), first, by, baseline)
    return " ".join(filter(None, sentences)) or (
        f"No arm was compared with {baseline}, so there is no advice."
    )


def _without_real(accuracy: Sequence[Estimate], compared: Sequence[Estimate], real: str) -> str:
    """The accuracy without any real sample, where no baseline exists."""
    if any(one.count == NONE for one in compared):
        return ""
    found = [one for one in accuracy if one.count == NONE and one.arm in _ACTIONS]
    if not found:
        return ""
    best = max(found, key=lambda one: one.low)
    start = "start from the pretrained weights and " if ARMS[best.arm].pretrained else ""
    return (
        f"Without {real}, {start}train on {_samples(best.series)}: "
        f"{100 * best.mean:.1f} % ({100 * best.low:.1f} to {100 * best.high:.1f})."
    )


def _gains(
    opening: str,
    found: Sequence[Estimate],
    common: Mapping[tuple[int, Series], Estimate],
    by: str,
    steps: Mapping[str, int | None],
    baseline: str,
    settled: Set[int],
) -> str:
    """A sentence on arms; `settled` are the counts at which more steps do not help the baseline."""
    every = [steps.get(one.arm) for one in found]
    own = None if None in every else max(one for one in every if one is not None)
    plain, counts = steps.get(baseline), {one.count for one in found}
    if any(one.best_steps for one in found):
        opening += ", each arm with the number of training steps that is best on held-out samples"
    elif own is not None:
        opening += f" ({own:,} training steps in all)"
    if own is not None and plain is not None:
        fair = counts & settled if own > plain else counts
    else:
        alike = ARMS[found[0].arm].pretrained == ARMS[baseline].pretrained
        fair = counts if own == plain and alike else set()
    if not fair:
        chosen = any(one.best_steps for one in found)
        return f"{opening}: {_unequal(own, plain, baseline, chosen=chosen)}."
    if own is not None and plain is not None and own > plain:
        opening += f" (at most {own:,}, pretraining included; {baseline} at most {plain:,})"
    promises = _promises([one for one in found if one.count in fair], common, _KEEP[baseline])
    text = f"{opening}, {by}: {promises}"
    if late := sorted(counts - fair, key=_place):
        named = ", ".join(map(count_name, late))
        text += f" At {named}, no gain is promised, since {baseline} has not converged."
    return text


def _unequal(own: int | None, plain: int | None, baseline: str, *, chosen: bool) -> str:
    """Why no gain is promised, and how to compare."""
    if own is None or plain is None:
        return (
            "no gain is promised, since the number of pretraining steps is not known; rerun "
            f"{baseline} with as many steps in all to compare at equal training"
        )
    if chosen:
        return (
            f"no gain is promised, since {baseline} trained for {plain:,} of at most {own:,} steps "
            "in all and has not converged; try more of them"
        )
    return (
        f"no gain is promised, since {baseline} trained for {plain:,} only; rerun {baseline} with "
        f"--steps {own} to compare at equal training"
    )


def _promises(
    found: Sequence[Estimate], common: Mapping[tuple[int, Series], Estimate], keep: str
) -> str:
    """What to add at each number of real samples, and what that costs the common classes."""
    parts, without, costs = [], [], []
    for count in sorted({one.count for one in found}, key=_place):
        best = max((one for one in found if one.count == count), key=lambda one: one.low)
        if best.low > 0:
            action = _ACTIONS[best.arm].format(_samples(best.series))
            parts.append(f"at {count_name(count)}, {action}: {_points(best)}")
            if cost := common.get((count, best.series)):
                costs.append(f"at {count_name(count)}, {_points(cost)}")
        else:
            without.append(count_name(count))
    if without:
        parts.append(f"at {', '.join(without)}, {keep}")
    text = f"{'; '.join(parts)}."
    if costs:
        text += f" This changes the accuracy of the common classes: {'; '.join(costs)}."
    return text


def _between(found: Sequence[Estimate], first: str, by: str, baseline: str) -> list[str]:
    """One sentence for each generator but the first, about the baseline with both."""
    own = [one for one in found if one.arm == f"{baseline}+synthetic"]
    sentences = []
    for name in dict.fromkeys(one.generator for one in own):
        parts = [
            f"at {count_name(one.count)}, {_points(one)}"
            for one in sorted(own, key=lambda one: _place(one.count))
            if one.generator == name
        ]
        sentences.append(f"Samples of {name} instead of {first}, {by}: {'; '.join(parts)}.")
    return sentences


def _place(count: int) -> int:
    return count or 10**9


def _samples(series: Series) -> str:
    """`100 synthetic samples per class`, `100 samples per class of refiner-32`."""
    if series.generator:
        return f"{series.amount} samples per class of {series.generator}"
    return f"{series.amount} synthetic samples per class"


def _points(one: Estimate) -> str:
    return f"{100 * one.mean:+.1f} points ({100 * one.low:+.1f} to {100 * one.high:+.1f})"
