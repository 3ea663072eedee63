import itertools
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.study.measures import agreement, binomial_p
from hwgen.study.tally import MOST_VOTES, preference, tally
from hwgen.study.votes import Ballot, Key, KeyPair

# 10 pairs p0 to p9, A on the left of the even ones; the first four are repeated.
LABELS = "一丨十一丨十一丨十一"
PAIRS = [KeyPair(f"p{i}", "ab"[i % 2], LABELS[i], None) for i in range(10)]
PAIRS += [KeyPair(f"c{i}", "ba"[i % 2], LABELS[i], f"p{i}") for i in range(4)]
KEY = Key("study", "Which?", "lsgan", "dcgan", {pair.id: pair for pair in PAIRS})


def ballot(name: str, choices: str, again: str = "", lefts: int = 0) -> Ballot:
    """Choices of p0, p1, ... and of the controls c0, c1, ...; "-" is none."""
    chosen = [(f"p{i}", c) for i, c in enumerate(choices)]
    chosen += [(f"c{i}", c) for i, c in enumerate(again)]
    return Ballot(name, "", {pair: c for pair, c in chosen if c != "-"}, lefts, Path(name))


def two_sided(hits: int, trials: int) -> Fraction:
    """By enumeration of all 2^n outcomes that are at least as far from the middle."""
    apart = abs(2 * hits - trials)
    cases = sum(math.comb(trials, k) for k in range(trials + 1) if abs(2 * k - trials) >= apart)
    return Fraction(cases, 2**trials)


@pytest.mark.parametrize("trials", [1, 2, 3, 7, 10, 61])
def test_the_p_value_is_the_fraction_of_outcomes(trials: int) -> None:
    for hits in range(trials + 1):
        assert binomial_p(hits, trials) == pytest.approx(float(two_sided(hits, trials)), rel=1e-12)


def test_four_outcomes_by_hand() -> None:
    thrown = [sum(outcome) for outcome in itertools.product((0, 1), repeat=4)]
    assert binomial_p(0, 4) == pytest.approx(sum(n in (0, 4) for n in thrown) / 16)
    assert binomial_p(3, 4) == pytest.approx(sum(n != 2 for n in thrown) / 16)
    assert binomial_p(2, 4) == 1


def test_4000_votes_as_in_the_paper() -> None:
    found = preference(2256, 1744)
    assert found.share.mean == 0.564
    assert found.p_value == pytest.approx(float(two_sided(2256, 4000)), rel=1e-9)
    assert found.p_value == pytest.approx(5.94e-16, rel=1e-3)
    # Wilson's limits are the proportions that are 1.96 of their own standard errors away.
    for limit in (found.share.low, found.share.high):
        assert limit is not None
        assert abs(0.564 - limit) / math.sqrt(limit * (1 - limit) / 4000) == pytest.approx(1.959964)
    assert (found.share.low, found.share.high) == pytest.approx((0.5486, 0.5793), abs=5e-5)


def test_scipy_agrees() -> None:
    stats = pytest.importorskip("scipy.stats")
    for hits, trials in ((2256, 4000), (3, 10), (50_200, 100_000), (0, 2000)):
        test = stats.binomtest(hits, trials)
        assert binomial_p(hits, trials) == pytest.approx(test.pvalue, rel=1e-8)
        interval = test.proportion_ci(method="wilson")
        share = preference(hits, trials - hits).share
        assert (share.low, share.high) == pytest.approx(tuple(interval))


def test_many_and_extreme_votes_are_fast() -> None:
    assert binomial_p(0, 10_000_000) == 0
    assert binomial_p(5_000_000, 10_000_000) == 1
    # The normal approximation, two standard deviations from the middle, with continuity correction.
    z = (1000 - 0.5) / 500
    assert binomial_p(501_000, 1_000_000) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-4)


def test_too_many_votes_are_refused() -> None:
    assert preference(MOST_VOTES - 1, 1).p_value == 0
    for a in (MOST_VOTES, 10**400):
        with pytest.raises(InputError, match="expected 0 or more votes"):
            preference(a, 1)


@pytest.mark.parametrize(("a", "b"), [(0, 0), (-1, 5), (5, -1)])
def test_invalid_counts_are_refused(a: int, b: int) -> None:
    with pytest.raises(InputError, match="expected 0 or more votes"):
        preference(a, b)
    with pytest.raises(InputError, match="is not a proportion"):
        binomial_p(a, a + b)


def test_agreement_is_over_all_pairs_of_voters() -> None:
    rng = np.random.default_rng(0)
    votes = [rng.integers(2, size=n) for n in (2, 3, 5, 4, 1, 0, 2)]
    found = agreement([(int((v == 0).sum()), int((v == 1).sum())) for v in votes])
    several = [v for v in votes if len(v) > 1]
    couples = [[x == y for x, y in itertools.combinations(v, 2)] for v in several]
    pairwise = np.mean([np.mean(couple) for couple in couples])
    share = np.concatenate(several).mean()
    chance = share**2 + (1 - share) ** 2
    assert found is not None
    assert found.pairs == 5
    assert found.pairwise == pytest.approx(pairwise)
    assert found.kappa == pytest.approx((pairwise - chance) / (1 - chance))


def test_agreement_by_hand() -> None:
    full = agreement([(3, 0), (0, 3), (3, 0)])
    assert full is not None
    assert (full.pairwise, full.kappa) == (1, 1)
    # Two voters who always differ: chance agreement is one half.
    never = agreement([(1, 1), (1, 1)])
    assert never is not None
    assert (never.pairwise, never.kappa) == (0, -1)
    # Three voters: P_i = 1 and 1/3, P = 2/3; 5 of 6 votes are A, P_e = 26/36.
    third = agreement([(3, 0), (2, 1)])
    assert third is not None
    assert third.pairwise == pytest.approx(2 / 3)
    assert third.kappa == pytest.approx((2 / 3 - 26 / 36) / (10 / 36))
    same = agreement([(2, 0), (4, 0)])
    assert same is not None
    assert (same.pairwise, same.kappa) == (1, None)
    assert agreement([(1, 0), (0, 1), (0, 0)]) is None


def test_votes_are_counted_without_controls() -> None:
    one = ballot("one", "aaaaaaaabb", "aaaa", lefts=7)
    two = ballot("two", "aabb------", "aabb", lefts=2)
    found = tally(KEY, [one, two])
    assert (found.study, found.names, found.question) == ("study", ("lsgan", "dcgan"), "Which?")
    assert (found.preference.a, found.preference.b) == (10, 4)
    assert found.preference == preference(10, 4)
    assert found.by_voter.mean == pytest.approx((0.8 + 0.5) / 2)
    assert (found.by_voter.low, found.by_voter.high) == (0, 1)  # t with one degree of freedom
    assert found.left.mean == pytest.approx(9 / 22)
    assert found.agreement == agreement([(2, 0), (2, 0), (1, 1), (1, 1)] + [(1, 0)] * 6)
    # 一 is p0, p3, p6, p9; 丨 is p1, p4, p7; 十 is p2, p5, p8.
    counts = {label: (votes.a, votes.b) for label, votes in found.classes.items()}
    assert counts == {"一": (4, 2), "丨": (4, 0), "十": (2, 2)}
    assert list(counts) == ["一", "丨", "十"]
    assert [(v.votes, v.controls, v.disagreements) for v in found.voters] == [(14, 4, 0), (8, 4, 0)]


def test_an_inconsistent_voter_is_excluded() -> None:
    # Always left: opposite choices in every control.
    lefts = "".join("ab"[i % 2] for i in range(10))
    mirrored = "".join("ba"[i % 2] for i in range(4))
    steady, slip = ballot("steady", "a" * 10, "aaaa"), ballot("slip", "b" * 10, "babb")
    found = tally(KEY, [steady, ballot("left", lefts, mirrored, lefts=14), slip])
    assert (found.preference.a, found.preference.b) == (10, 10)
    assert found.left.mean == 0
    reasons = [voter.excluded for voter in found.voters]
    assert reasons == ["", "answered 4 of 4 repeated pairs differently", ""]
    # The threshold itself is allowed.
    kept = tally(KEY, [steady, slip], max_disagreement=0.25)
    assert not any(voter.excluded for voter in kept.voters)
    strict = tally(KEY, [steady, slip], max_disagreement=0.2)
    assert [bool(voter.excluded) for voter in strict.voters] == [False, True]
    assert strict.preference.a == 10
    assert (strict.by_voter.mean, strict.by_voter.low) == (1, None)
    everyone = tally(KEY, [ballot("left", lefts, mirrored)], max_disagreement=1)
    assert not everyone.voters[0].excluded


def test_unanswered_controls_exclude_nobody() -> None:
    found = tally(KEY, [ballot("early", "ab"), ballot("part", "abab", "b---")], max_disagreement=1)
    assert [(v.controls, v.disagreements) for v in found.voters] == [(0, 0), (1, 1)]
    strict = tally(KEY, [ballot("early", "ab"), ballot("part", "abab", "b---")])
    assert [bool(v.excluded) for v in strict.voters] == [False, True]
    # A control whose first showing has no vote cannot be compared.
    odd = tally(KEY, [ballot("odd", "-aaa", "b")])
    assert odd.voters[0].controls == 0


def test_a_study_without_labels_has_no_classes() -> None:
    pairs = {"p0": KeyPair("p0", "a", None, None)}
    assert tally(Key("s", "?", "x", "y", pairs), [ballot("one", "a")]).classes == {}


def test_no_votes_is_an_error() -> None:
    with pytest.raises(InputError, match="1 of 2 voters were excluded"):
        tally(KEY, [ballot("empty", ""), ballot("left", "abab", "baba")])
    with pytest.raises(InputError, match="0 of 0 voters were excluded"):
        tally(KEY, [])
