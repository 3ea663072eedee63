"""In: a key and ballots, or two counts. Out: who is preferred, how surely, and who was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hwgen.errors import InputError
from hwgen.evaluation.metrics.intervals import Interval, t_interval, wilson_interval
from hwgen.study.measures import Agreement, agreement, binomial_p
from hwgen.study.votes import Ballot, Key

MOST_VOTES = 10**9
"""That are counted; the exact test takes as many terms as the square root."""

MAX_DISAGREEMENT = 0.3
"""Largest share of a voter's controls that may be judged differently the second time."""


@dataclass(frozen=True)
class Preference:
    """A share of votes.

    Attributes:
        a: votes for A.
        b: votes for B.
        share: of A, with Wilson's 95 % interval, as if all votes were independent.
        p_value: of the exact two-sided binomial test against one half.
    """

    a: int
    b: int
    share: Interval
    p_value: float


@dataclass(frozen=True)
class Voter:
    """One person, and whether the votes count.

    Attributes:
        name: typed, or the random id.
        a: votes for A, controls not counted.
        b: votes for B.
        left: votes for the left picture, controls counted.
        votes: all, controls counted.
        controls: pairs judged both times.
        disagreements: of these, judged differently the second time.
        excluded: why the votes do not count; "" where they do.
    """

    name: str
    a: int
    b: int
    left: int
    votes: int
    controls: int
    disagreements: int
    excluded: str


@dataclass(frozen=True)
class Tally:
    """A counted study; all but `voters` is about those who were not excluded.

    Attributes:
        study: its id.
        question: that was asked.
        names: of A and of B.
        preference: over all votes, controls not counted.
        by_voter: mean over voters of their share of A, with Student's 95 % interval: votes of one
            person are not independent; no limits for a single voter.
        left: share of votes for the left picture, with Wilson's interval: near 1/2 if people look.
        agreement: None where no pair was judged twice.
        classes: preference by label, in the order of the labels' first pairs.
        voters: everybody, in the order given.
        max_disagreement: that was allowed.
    """

    study: str
    question: str
    names: tuple[str, str]
    preference: Preference
    by_voter: Interval
    left: Interval
    agreement: Agreement | None
    classes: dict[str, Preference]
    voters: tuple[Voter, ...]
    max_disagreement: float


def preference(a: int, b: int) -> Preference:
    """Share and chance of plain counts.

    Raises:
        InputError: a negative count, no votes, or more than there are people.
    """
    if min(a, b) < 0 or not 0 < a + b <= MOST_VOTES:
        raise InputError(f"{a} votes for A and {b} for B cannot be compared")
    return Preference(a, b, wilson_interval(a, a + b), binomial_p(a, a + b))


def tally(
    key: Key, ballots: Sequence[Ballot], *, max_disagreement: float = MAX_DISAGREEMENT
) -> Tally:
    """Count a study.

    A control is a pair that came a second time with its sides exchanged; its second vote is
    compared with the first and counted nowhere else. A voter who judged more than
    `max_disagreement` of the controls differently is left out. One who answered no control cannot
    be judged and is kept.

    Args:
        key: of the study.
        ballots: of that study, one a person.
        max_disagreement: in [0, 1]; 1 excludes nobody.

    Raises:
        InputError: no votes, or none of a voter who is kept.
    """
    voters = [_voter(key, ballot, max_disagreement) for ballot in ballots]
    kept = [
        (voter, ballot)
        for voter, ballot in zip(voters, ballots, strict=True)
        if not voter.excluded and voter.a + voter.b
    ]
    if not kept:
        out = sum(bool(voter.excluded) for voter in voters)
        raise InputError(
            f"no votes to count: of {len(voters)} voters {out} were excluded, the others are empty",
            remedy="Collect more votes; --max-disagreement 1 excludes nobody",
        )
    first = {pair.id: pair for pair in key.pairs.values() if pair.repeats is None}
    votes = {
        pair: Counter(ballot.choices[pair] for _, ballot in kept if pair in ballot.choices)
        for pair in first
    }
    by_label: dict[str, Counter[str]] = {}
    for pair, counts in votes.items():
        label = first[pair].label
        if label is not None and counts:
            by_label.setdefault(label, Counter()).update(counts)
    shares = [voter.a / (voter.a + voter.b) for voter, _ in kept]
    return Tally(
        study=key.study,
        question=key.question,
        names=(key.a, key.b),
        preference=_sum(votes.values()),
        by_voter=t_interval(shares, lowest=0, highest=1),
        left=wilson_interval(sum(v.left for v, _ in kept), sum(v.votes for v, _ in kept)),
        agreement=agreement([(counts["a"], counts["b"]) for counts in votes.values()]),
        classes={label: _sum([counts]) for label, counts in by_label.items()},
        voters=tuple(voters),
        max_disagreement=max_disagreement,
    )


def _sum(counts: Iterable[Counter[str]]) -> Preference:
    total = sum(counts, Counter())
    return preference(total["a"], total["b"])


def _voter(key: Key, ballot: Ballot, max_disagreement: float) -> Voter:
    choices = ballot.choices
    counted = Counter(choice for pair, choice in choices.items() if not key.pairs[pair].repeats)
    again = [
        (choices[pair.repeats], choices[pair.id])
        for pair in key.pairs.values()
        if pair.repeats is not None and {pair.id, pair.repeats} <= choices.keys()
    ]
    disagreements = sum(before != after for before, after in again)
    excluded = ""
    if again and disagreements / len(again) > max_disagreement:
        excluded = f"judged {disagreements} of {len(again)} repeated pairs differently"
    return Voter(
        name=ballot.voter,
        a=counted["a"],
        b=counted["b"],
        left=ballot.lefts,
        votes=len(choices),
        controls=len(again),
        disagreements=disagreements,
        excluded=excluded,
    )
