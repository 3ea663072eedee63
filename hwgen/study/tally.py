"""Tally of a study: preference, its intervals and p-value, and the agreement of voters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hwgen.errors import InputError
from hwgen.evaluation.metrics.intervals import Interval, t_interval, wilson_interval
from hwgen.study.measures import Agreement, agreement, binomial_p
from hwgen.study.votes import Ballot, Key

MOST_VOTES = 10**9
"""Most votes in a test; the number of its terms grows as the square root."""

MAX_DISAGREEMENT = 0.3
"""Default for the fraction of controls that a voter may answer differently the second time."""


@dataclass(frozen=True)
class Preference:
    """Votes for A and B.

    Attributes:
        a: number of votes for A.
        b: number of votes for B.
        share: vote share of A with Wilson's 95 % interval, as if votes were independent.
        p_value: of the exact two-sided binomial test against one half.
    """

    a: int
    b: int
    share: Interval
    p_value: float


@dataclass(frozen=True)
class Voter:
    """One voter, and whether the votes count.

    Attributes:
        name: as typed, or the random id.
        a: votes for A, without controls.
        b: votes for B, without controls.
        left: votes for the left image, with controls.
        votes: all votes, with controls.
        controls: pairs answered both times.
        disagreements: of these, answered differently the second time.
        excluded: why the votes do not count; "" if they do.
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
    """Result of a study; only `voters` includes those who were excluded.

    Attributes:
        study: id of the study.
        question: that voters answered.
        names: of A and of B.
        preference: over all votes, without controls.
        by_voter: mean over voters of their vote share of A, with Student's 95 % interval, since
            votes of one person are not independent; no limits for a single voter.
        left: share of votes for the left image, with Wilson's interval; near 1/2 for voters who
            look at both.
        agreement: None if no pair has votes of two voters.
        classes: preference by label, in the order of the labels' first pairs.
        voters: all voters, in the order given.
        max_disagreement: see `tally`.
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
    """Vote share and p-value of plain counts.

    Raises:
        InputError: a count is negative, there are no votes, or more than MOST_VOTES.
    """
    if min(a, b) < 0 or not 0 < a + b <= MOST_VOTES:
        raise InputError(
            f"expected 0 or more votes for A and for B and 1 to {MOST_VOTES:,} in total, found "
            f"{a} and {b}"
        )
    return Preference(a, b, wilson_interval(a, a + b), binomial_p(a, a + b))


def tally(
    key: Key, ballots: Sequence[Ballot], *, max_disagreement: float = MAX_DISAGREEMENT
) -> Tally:
    """Count the votes of a study.

    A control is a pair that was shown a second time with left and right exchanged; the second vote
    is only compared with the first. A voter who answered more than `max_disagreement` of the
    controls differently is excluded. A voter who answered no control is not.

    Args:
        key: of the study.
        ballots: of the study, one per voter.
        max_disagreement: in [0, 1]; 1 excludes nobody.

    Raises:
        InputError: there are no votes of voters who are not excluded.
    """
    voters = [_voter(key, ballot, max_disagreement) for ballot in ballots]
    counted = [
        (voter, ballot)
        for voter, ballot in zip(voters, ballots, strict=True)
        if not voter.excluded and voter.a + voter.b
    ]
    if not counted:
        excluded = sum(bool(voter.excluded) for voter in voters)
        raise InputError(
            f"there are no votes to count: {excluded} of {len(voters)} voters were excluded, the "
            "others gave no votes",
            remedy="Collect more votes, or exclude nobody with --max-disagreement 1",
        )
    first = {pair.id: pair for pair in key.pairs.values() if pair.repeats is None}
    votes = {
        pair: Counter(ballot.choices[pair] for _, ballot in counted if pair in ballot.choices)
        for pair in first
    }
    by_label: dict[str, Counter[str]] = {}
    for pair, counts in votes.items():
        label = first[pair].label
        if label is not None and counts:
            by_label.setdefault(label, Counter()).update(counts)
    shares = [voter.a / (voter.a + voter.b) for voter, _ in counted]
    return Tally(
        study=key.study,
        question=key.question,
        names=(key.a, key.b),
        preference=_sum(votes.values()),
        by_voter=t_interval(shares, lowest=0, highest=1),
        left=wilson_interval(sum(v.left for v, _ in counted), sum(v.votes for v, _ in counted)),
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
    repeated = [
        (choices[pair.repeats], choices[pair.id])
        for pair in key.pairs.values()
        if pair.repeats is not None and {pair.id, pair.repeats} <= choices.keys()
    ]
    disagreements = sum(before != after for before, after in repeated)
    excluded = ""
    if repeated and disagreements / len(repeated) > max_disagreement:
        excluded = f"answered {disagreements} of {len(repeated)} repeated pairs differently"
    return Voter(
        name=ballot.voter,
        a=counted["a"],
        b=counted["b"],
        left=ballot.lefts,
        votes=len(choices),
        controls=len(repeated),
        disagreements=disagreements,
        excluded=excluded,
    )
