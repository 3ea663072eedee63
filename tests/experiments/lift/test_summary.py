from dataclasses import replace

import numpy as np
import pytest

from hwgen.experiments.lift.advice import advise
from hwgen.experiments.lift.summary import interval, summarise
from hwgen.results.lift import AMONG_RARE, Estimate, baseline_of
from hwgen.results.trials import NONE, Trial, TrialResult, total_steps

START = {"decides": {"recipe": {"steps": 6000}}}


def row(
    count: int, seed: int, arm: str, correct: list[int], amount: int = 0, start: object = START
) -> TrialResult:
    config = {"recipe": {"steps": 1000}, "start": start if "pretrained" in arm else None}
    return TrialResult(Trial(count, seed, arm, amount), config, correct, [10] * len(correct), {})


def test_limits_against_resampling_classes_and_scipys_t() -> None:
    rng = np.random.default_rng(1)
    total = rng.integers(20, 60, (3, 40)).astype(float)
    right = np.floor(total * rng.uniform(0.4, 1, (3, 40)))
    found = interval(right, total)
    mean = right.sum() / total.sum()
    shares = []
    for _ in range(4000):
        taken = rng.integers(40, size=40)
        shares.append(right[:, taken].sum() / total[:, taken].sum())
    low, high = np.quantile(shares, [0.025, 0.975])
    runs = right.sum(axis=1) / total.sum(axis=1)
    half = 4.302652729749 * runs.std(ddof=1) / np.sqrt(3)  # t of 0.975, 2 degrees of freedom
    assert found.mean == pytest.approx(mean)
    assert found.low == pytest.approx(mean - np.hypot(mean - low, half), abs=0.004)
    assert found.high == pytest.approx(mean + np.hypot(high - mean, half), abs=0.004)


def test_limits_over_writers_against_scipys_t() -> None:
    total = np.full((1, 3), 100.0)
    writers = [(40, 100), (50, 100), (60, 100)]
    found = interval(np.full((1, 3), 50.0), total, writers)  # equal classes: writers alone
    half = 4.302652729749 * 0.1 / np.sqrt(3)  # t of 0.975, 2 degrees of freedom
    assert [found.low, found.high] == pytest.approx([0.5 - half, 0.5 + half])


def test_writers_weigh_as_their_samples() -> None:
    # One wrote nine tenths. The true fraction of all writers is within the limits as often as 95 %.
    rng, total = np.random.default_rng(0), np.array([900] + 9 * [11])
    inside = 0
    for _ in range(200):
        fractions = np.clip(0.5 + 0.15 * rng.standard_normal(10), 0, 1)
        correct = rng.binomial(total, fractions)
        counts = list(zip(correct.tolist(), total.tolist(), strict=True))
        even = [np.full((1, 4), whole / 4) for whole in (correct.sum(), total.sum())]
        found = interval(even[0], even[1], counts)
        inside += found.low <= 0.5 <= found.high
    assert inside > 0.9 * 200


def test_few_writers_and_impossible_limits() -> None:
    own = row(5, 0, "classical", [2, 8])
    alone = replace(own, by_writer={"all": {"w0": (10, 20)}})
    (found,) = summarise([alone], {"all": [0, 1]}, 50).accuracy
    assert found.writers == 0  # one says nothing of others
    apart = replace(own, by_writer={"all": {"w0": (2, 10), "w1": (8, 10)}})
    (found,) = summarise([apart], {"all": [0, 1]}, 50).accuracy
    assert (found.writers, found.low, found.high) == (2, 0, 1)


def test_writers_are_paired_and_left_out_where_they_are_not_known() -> None:
    plain, more = row(5, 0, "classical", [2, 8]), row(5, 0, "classical+synthetic", [6, 9], 50)
    written = {"w0": (2, 10), "w1": (8, 10)}
    plain = replace(plain, by_writer={"all": written})
    more = replace(more, by_writer={"all": {"w0": (5, 10), "w1": (10, 10)}})
    made = summarise([plain, more], {"all": [0, 1]}, 50)
    (gain,) = made.differences
    assert gain.writers == 2
    # Gains of 0.3 and 0.2 of the two writers, 0.4 and 0.1 of the two classes.
    classes = summarise(
        [replace(one, by_writer=None) for one in (plain, more)], {"all": [0, 1]}, 50
    )
    (over_classes,) = classes.differences
    half = 12.706204736 * 0.1 / 2  # t of 0.975, 1 degree; sd 0.1 / sqrt(2), two of them
    assert gain.mean == over_classes.mean == pytest.approx(0.25)
    assert gain.mean - gain.low == pytest.approx(np.hypot(0.25 - over_classes.low, half))
    for other in (None, {"all": {"w0": (2, 10), "w2": (8, 10)}}, {"rare": written}):
        again = summarise([replace(plain, by_writer=other), more], {"all": [0, 1]}, 50)
        assert again.differences[0].writers == 0
        assert again.differences[0].low == over_classes.low


def test_one_seed_has_the_limits_of_its_classes() -> None:
    right, total = np.array([[1.0, 9.0] * 10]), np.full((1, 20), 10.0)
    found = interval(right, total)
    assert found.low is not None
    assert found.high is not None
    # The standard error over 20 classes is 0.4 / sqrt(20) = 0.09.
    assert [found.low, found.high] == pytest.approx(
        [0.5 - 1.96 * 0.09, 0.5 + 1.96 * 0.09], abs=0.02
    )


def test_classes_without_a_test_sample_are_left_out() -> None:
    # Where most resamples held none, the limits were NaN, which no reader of lift.json takes.
    total = np.array([[10.0, 0, 0, 0]])
    found = interval(np.array([[7.0, 0, 0, 0]]), total)
    assert (found.mean, found.low, found.high) == pytest.approx((0.7, 0.7, 0.7))
    own = TrialResult(Trial(5, 0, "classical", 0), {}, [7, 0], [10, 0], {})
    made = summarise([own], {"rare": [1], "none": [], "all": [0, 1]}, 50)
    assert [entry.group for entry in made.accuracy] == ["all"]


def test_one_sided_differences_exclude_zero_and_even_ones_do_not() -> None:
    total = np.full((3, 30), 10.0)
    assert interval(np.full((3, 30), 1.0), total).low == pytest.approx(0.1)
    for even in (np.tile([1.0, -1.0], (3, 15)), np.repeat([[1.0], [-1.0], [0.5]], 30, axis=1)):
        found = interval(even, total)
        assert found.low is not None
        assert found.high is not None
        assert found.low < 0 < found.high


def test_arms_are_compared_on_the_same_seeds_and_in_groups() -> None:
    rows = [
        row(5, 1, "classical", [4, 8]),
        row(5, 0, "classical", [2, 8]),
        row(5, 0, "classical+synthetic", [6, 9], 50),
        row(5, 1, "classical+synthetic", [8, 9], 50),
        row(5, 0, "classical+synthetic", [2, 8], 10),
    ]
    found = summarise(rows, {"rare": [0], "all": [0, 1]}, 50)
    values = {(e.group, e.arm, e.amount): e for e in found.accuracy}
    assert values["rare", "classical", 0].mean == pytest.approx(0.3)
    assert values["all", "classical", 0].runs == pytest.approx([0.5, 0.6])
    lifts = {(e.group, e.amount): e for e in found.differences}
    assert lifts["rare", 50].mean == pytest.approx(0.4)
    assert lifts["rare", 50].runs == pytest.approx([0.4, 0.4])
    assert lifts["all", 50].mean == pytest.approx(0.25)
    # An amount that does not have all seeds is compared on those that it has.
    assert lifts["rare", 10].mean == 0
    assert lifts["rare", 10].trials == 1
    assert found.advice == (
        "With these samples alone (1,000 training steps in all), by the number of real samples per "
        "class of the rare classes: at 5, add 50 synthetic samples per class: +40.0 points "
        "(+40.0 to +40.0)."
    )


def test_accuracy_among_rare_classes_is_a_group_of_its_own() -> None:
    rows = [
        row(1, 0, "classical", [2, 8]),
        row(1, 0, "classical+synthetic", [6, 7], 50),
        row(1, 1, "classical", [2, 8]),  # of an earlier version: not measured
    ]
    rows[0] = replace(rows[0], correct_among_rare=[5, 0])
    rows[1] = replace(rows[1], correct_among_rare=[9, 0])
    groups = {"rare": [0], AMONG_RARE: [0], "common": [1], "all": [0, 1]}
    found = summarise(rows, groups, 50)
    values = {(one.group, one.arm): one for one in found.accuracy}
    assert values["rare", "classical"].runs == (0.2, 0.2)
    assert values[AMONG_RARE, "classical"].runs == (0.5,)
    assert values[AMONG_RARE, "classical+synthetic"].mean == pytest.approx(0.9)
    (gain,) = (one for one in found.differences if one.group == AMONG_RARE)
    assert gain.mean == pytest.approx(0.4)
    # The advice is about all candidates, and says what it costs.
    assert found.advice == (
        "With these samples alone (1,000 training steps in all), by the number of real samples per "
        "class of the rare classes: at 1, add 50 synthetic samples per class: +40.0 points "
        "(+40.0 to +40.0). This changes the accuracy of the common classes: at 1, -10.0 points "
        "(-10.0 to -10.0)."
    )


def test_where_nothing_is_advised_nothing_is_said_of_common_classes() -> None:
    rows = [row(1, 0, "classical", [6, 8]), row(1, 0, "classical+synthetic", [5, 9], 50)]
    advice = summarise(rows, {"rare": [0], "common": [1]}, 50).advice
    assert advice.endswith("at 1, keep to classical augmentation.")


def estimate(
    count: int, amount: int, mean: float, low: float, arm: str = "classical+synthetic"
) -> Estimate:
    limits = {"mean": mean, "low": low, "high": mean + 0.01}
    return Estimate(group="all", count=count, arm=arm, amount=amount, **limits)


DIFFERENCES = [
    estimate(5, 20, 0.01, 0.002),
    estimate(5, 80, 0.04, 0.03),
    estimate(5, 80, 0.09, 0.08, "synthetic"),  # without classical augmentation: not advised
    estimate(50, 80, 0.01, -0.001),
    estimate(0, 80, -0.01, -0.02),
]
EQUAL = {"classical": 1000, "classical+synthetic": 1000}


def test_advice_promises_only_what_excludes_zero() -> None:
    assert advise([], DIFFERENCES, [], "all", 80, EQUAL) == (
        "With these samples alone (1,000 training steps in all), by the number of real samples per "
        "class: at 5, add 80 synthetic samples per class: +4.0 points (+3.0 to +5.0); at "
        "50, all, keep to classical augmentation."
    )
    assert advise([], DIFFERENCES[3:], [], "all", 80, {}) == (
        "With these samples alone, by the number of real samples per class: at 50, all, keep to "
        "classical augmentation."
    )
    # Another amount is not chosen for being better on the test set.
    more = [*DIFFERENCES, estimate(5, 20, 0.2, 0.1)]
    assert "add 80 synthetic samples per class: +4.0" in advise([], more, [], "all", 80, EQUAL)
    assert advise([], [], [], "all", 80, EQUAL) == (
        "No arm was compared with classical, so there is no advice."
    )


def test_simulated_training_samples_are_not_called_real() -> None:
    text = advise([], DIFFERENCES, [], "all", 80, EQUAL, kind="simulated")
    assert "by the number of samples per class: at 5, add 80" in text
    without = advise([estimate(NONE, 80, 0.7, 0.6)], [], [], "all", 80, EQUAL, kind="simulated")
    assert without.startswith("Without samples, train on 80 synthetic samples per class: 70.0 %")
    assert "real" not in text + without


def test_advice_promises_no_gain_where_an_arm_trained_for_more_steps() -> None:
    better = [*DIFFERENCES, estimate(5, 0, 0.124, 0.1, "pretrained")]
    alone = advise([], DIFFERENCES, [], "all", 80, EQUAL)
    assert advise([], better, [], "all", 80, {**EQUAL, "pretrained": 7000}) == alone + (
        " With pretrained weights (7,000 training steps in all): no gain is promised, since "
        "classical trained for 1,000 only; rerun classical with --steps 7000 to compare at equal "
        "training."
    )
    assert advise([], better, [], "all", 80, {**EQUAL, "pretrained": None}) == alone + (
        " With pretrained weights: no gain is promised, since the number of pretraining steps is "
        "not known; rerun classical with as many steps in all to compare at equal training."
    )
    assert advise([], better, [], "all", 80, {**EQUAL, "pretrained": 1000}) == alone + (
        " With pretrained weights (1,000 training steps in all), by the number of real samples per "
        "class: at 5, start from them: +12.4 points (+10.0 to +13.4)."
    )


@pytest.mark.parametrize(
    ("start", "shown"), [(START, "(7,000 training steps in all)"), ({"seed": 1}, "is not known")]
)
def test_steps_of_pretraining_are_counted(start: object, shown: str) -> None:
    rows = [row(5, 0, "classical", [2, 8]), row(5, 0, "pretrained", [9, 9], start=start)]
    advice = summarise(rows, {"all": [0, 1]}, 50).advice
    assert shown in advice
    assert "start from them" not in advice


@pytest.mark.parametrize("start", [START, {"seed": 1}])  # of known and of unknown length
def test_pretrained_is_the_baseline_where_there_is_no_classical(start: object) -> None:
    rows = [
        row(count, 0, arm, right, amount, start=start)
        for count, arm, amount, right in [
            (5, "pretrained", 0, [2, 8]),
            (5, "pretrained+synthetic", 50, [6, 9]),
            (20, "pretrained", 0, [9, 9]),
            (20, "pretrained+synthetic", 50, [9, 9]),
        ]
    ]
    baseline = baseline_of(("pretrained", "pretrained+synthetic"))
    found = summarise(rows, {"all": [0, 1]}, 50, baseline)
    assert [one.mean for one in found.differences] == pytest.approx([0.25, 0])
    assert "at 5, start from them and add 50 synthetic samples per class: +25.0" in found.advice
    assert found.advice.endswith("; at 20, start from them alone.")
    # Samples without pretrained weights differ in two ways from weights without samples.
    other = [row(5, 0, "pretrained", [2, 8]), row(5, 0, "classical+synthetic", [6, 9], 50)]
    assert summarise(other, {"all": [0, 1]}, 50, baseline).advice == (
        "No arm was compared with pretrained, so there is no advice."
    )
    assert baseline_of(("none", "pretrained", "classical")) == baseline_of(("none",)) == "classical"


def test_total_steps_of_nested_pretraining() -> None:
    def config(steps: object, start: object = None) -> dict[str, object]:
        return {"recipe": {"steps": steps}, "start": start}

    assert total_steps(config(3)) == 3
    twice = {"decides": config(20, {"decides": {"recipe": {"steps": 100}}})}
    assert total_steps(config(3, twice)) == 123
    for unknown in ({}, config("3"), config(3, {}), config(3, 5), config(3, {"decides": {}})):
        assert total_steps(unknown) is None
