import numpy as np
import pytest

from hwgen.experiments.lift.summary import advise, interval, summarise
from hwgen.experiments.lift.trials import Cell, Row


def row(count: int, draw: int, arm: str, right: list[int], amount: int = 0) -> Row:
    return Row(Cell(count, draw, arm, amount), {}, right, [10] * len(right), {})


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


def test_one_draw_has_the_limits_of_its_classes() -> None:
    right, total = np.array([[1.0, 9.0] * 10]), np.full((1, 20), 10.0)
    found = interval(right, total)
    assert found.low is not None
    assert found.high is not None
    # The standard error over 20 classes is 0.4 / sqrt(20) = 0.09.
    assert [found.low, found.high] == pytest.approx(
        [0.5 - 1.96 * 0.09, 0.5 + 1.96 * 0.09], abs=0.02
    )


def test_classes_without_a_test_sample_say_nothing() -> None:
    # Where most resamples held none, the limits were NaN, which no reader of lift.json takes.
    total = np.array([[10.0, 0, 0, 0]])
    found = interval(np.array([[7.0, 0, 0, 0]]), total)
    assert (found.mean, found.low, found.high) == pytest.approx((0.7, 0.7, 0.7))
    own = Row(Cell(5, 0, "classical", 0), {}, [7, 0], [10, 0], {})
    made = summarise([own], {"rare": [1], "none": [], "all": [0, 1]}, "classical", 50)
    assert [entry["group"] for entry in made["accuracy"]] == ["all"]


def test_one_sided_differences_exclude_zero_and_even_ones_do_not() -> None:
    total = np.full((3, 30), 10.0)
    assert interval(np.full((3, 30), 1.0), total).low == pytest.approx(0.1)
    for even in (np.tile([1.0, -1.0], (3, 15)), np.repeat([[1.0], [-1.0], [0.5]], 30, axis=1)):
        found = interval(even, total)
        assert found.low is not None
        assert found.high is not None
        assert found.low < 0 < found.high


def test_arms_are_compared_on_the_same_draws_and_in_groups() -> None:
    rows = [
        row(5, 1, "classical", [4, 8]),
        row(5, 0, "classical", [2, 8]),
        row(5, 0, "classical+synthetic", [6, 9], 50),
        row(5, 1, "classical+synthetic", [8, 9], 50),
        row(5, 0, "classical+synthetic", [2, 8], 10),
    ]
    found = summarise(rows, {"rare": [0], "all": [0, 1]}, "classical", 50)
    values = {(e["group"], e["arm"], e["amount"]): e for e in found["accuracy"]}
    assert values["rare", "classical", 0]["mean"] == pytest.approx(0.3)
    assert values["all", "classical", 0]["runs"] == pytest.approx([0.5, 0.6])
    lifts = {(e["group"], e["amount"]): e for e in found["differences"]}
    assert lifts["rare", 50]["mean"] == pytest.approx(0.4)
    assert lifts["rare", 50]["runs"] == pytest.approx([0.4, 0.4])
    assert lifts["all", 50]["mean"] == pytest.approx(0.25)
    # An amount that has not all draws is compared on those that it has.
    assert lifts["rare", 10]["mean"] == 0
    assert lifts["rare", 10]["draws"] == 1
    assert found["advice"] == (
        "With these samples alone, by the number of real samples a class of the rare classes: "
        "at 5, add 50 synthetic ones a class: expect +40.0 points (+40.0 to +40.0)."
    )
    more = [*rows, row(5, 0, "pretrained", [3, 9]), row(7, 0, "classical", [3, 3])]
    found = summarise(more, {"all": [0, 1]}, "classical", 50)
    assert "at 5, add 50 synthetic ones a class: expect +25.0" in found["advice"]
    assert "With a recogniser of other characters" in found["advice"]


def test_advice_promises_only_what_excludes_zero() -> None:
    def lift(
        count: int, amount: int, mean: float, low: float, arm: str = "classical+synthetic"
    ) -> dict[str, object]:
        return {
            "group": "all", "count": count, "arm": arm, "amount": amount,
            "mean": mean, "low": low, "high": mean + 0.01,
        }  # fmt: skip

    differences = [
        lift(5, 20, 0.01, 0.002),
        lift(5, 80, 0.04, 0.03),
        lift(5, 80, 0.09, 0.08, "synthetic"),  # without classical augmentation: not advised
        lift(50, 80, 0.01, -0.001),
        lift(0, 80, -0.01, -0.02),
    ]
    assert advise(differences, "all", 80) == (
        "With these samples alone, by the number of real samples a class: at 5, add 80 synthetic "
        "ones a class: expect +4.0 points "
        "(+3.0 to +5.0); at 50, all, stay with classical augmentation."
    )
    better = [*differences, lift(50, 0, 0.05, 0.04, "pretrained")]
    assert advise(better, "all", 80) == advise(differences, "all", 80) + (
        " With a recogniser of other characters, by the number of real samples a class: at 50, "
        "start from it: expect +5.0 points (+4.0 to +6.0)."
    )
    assert advise(differences[3:], "all", 80) == (
        "With these samples alone, by the number of real samples a class: at 50, all, stay with "
        "classical augmentation."
    )
    # Another amount is not chosen for being better on the test set.
    assert "add 80 synthetic ones a class: expect +4.0" in advise(
        [*differences, lift(5, 20, 0.2, 0.1)], "all", 80
    )
    assert "nothing can be said" in advise([], "all", 80)
