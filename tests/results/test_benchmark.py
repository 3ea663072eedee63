import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hwgen.errors import InputError
from hwgen.report.inputs import read_inputs
from hwgen.results.benchmark import Benchmark
from tests.report.conftest import benchmark_value


def test_fields_of_a_benchmark(make_benchmark: Callable[..., Path]) -> None:
    folder = make_benchmark()
    benchmark = Benchmark.load(folder / "benchmark.json")
    assert benchmark.folder == folder
    assert list(benchmark.arms) == ["real", "real+synthetic", "synthetic"]
    assert [trial.seed for trial in benchmark.arms["real"].trials] == [0, 1, 2]
    assert benchmark.arms["real"].top1.mean == 0.9712
    assert benchmark.purity is not None
    assert benchmark.purity.per_class["己"] == 0.76
    assert benchmark.diversity is not None
    assert benchmark.diversity.ratio == 0.833
    assert benchmark.stores["test"].count == 1234
    assert benchmark.worst[0].read_as == {"一": 2, "已": 12}


def test_the_file_itself_is_an_input_too(make_benchmark: Callable[..., Path]) -> None:
    folder = make_benchmark()
    assert read_inputs([folder / "benchmark.json"]) == read_inputs([folder])


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "other"},
        {"format_version": 2},
        {"arms": {"real": {"runs": []}}},
        {"arms": 3},
        {"network": None},
        {"test": {"path": "x"}},
        {"worst": [{"label": "己"}]},
        {"purity": {"top1": {"mean": "high", "low": 0, "high": 1}, "per_class": {}}},
    ],
)
def test_a_foreign_benchmark_is_refused(
    make_benchmark: Callable[..., Path], changes: dict[str, Any]
) -> None:
    file = make_benchmark(**changes) / "benchmark.json"
    with pytest.raises(InputError, match="not a benchmark this version of hwgen can read") as error:
        Benchmark.load(file)
    assert error.value.where == str(file)


@pytest.mark.parametrize("text", ["", "[1]", "{}", json.dumps({"format": "hwgen-benchmark"})])
def test_a_damaged_benchmark_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "benchmark.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="not a benchmark"):
        Benchmark.load(file)


ADDED, ALONE = "real+synthetic - real", "synthetic - real"


def interval(mean: float, half: float | None) -> dict[str, float | None]:
    if half is None:
        return {"mean": mean, "low": None, "high": None}
    return {"mean": mean, "low": mean - half, "high": mean + half}


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        (
            {ADDED: interval(0.012, 0.007), ALONE: interval(-0.2, 0.01)},
            "Synthetic samples help: added to the real ones they change top-1 accuracy by +1.20 "
            "points (+0.50 to +1.90); alone, instead of the real ones, by -20.00 points (-21.00 to "
            "-19.00) (real test samples, 3 seeds).",
        ),
        (
            {ADDED: interval(-0.012, 0.007)},
            "Synthetic samples harm: added to the real ones they change top-1 accuracy by -1.20 "
            "points (-1.90 to -0.50) (real test samples, 3 seeds).",
        ),
        (
            {ADDED: interval(0.001, 0.007)},
            "Synthetic samples show no gain: added to the real ones they change top-1 accuracy by "
            "+0.10 points (-0.60 to +0.80) (real test samples, 3 seeds).",
        ),
        (
            {ADDED: interval(0.001, None)},
            "One seed cannot show whether synthetic samples help: added to the real ones they "
            "change top-1 accuracy by +0.10 points (real test samples, 3 seeds).",
        ),
        (
            {},
            "Recognisers trained on real samples read 97.1 % (96.1 to 98.1) as their label (real "
            "test samples, 3 seeds).",
        ),
    ],
)
def test_the_verdict_says_what_is_shown(
    make_benchmark: Callable[..., Path], changes: dict[str, Any], verdict: str
) -> None:
    folder = make_benchmark(differences=changes)
    assert Benchmark.load(folder / "benchmark.json").verdict == verdict


def test_simulated_samples_are_not_called_real(make_benchmark: Callable[..., Path]) -> None:
    value = benchmark_value()
    simulated = {**value["train"], "made": "simulated"}
    folder = make_benchmark(train=simulated, test=simulated)
    found = Benchmark.load(folder / "benchmark.json")
    assert found.trained_on == "simulated"
    assert found.shown("real+synthetic - real") == "simulated+synthetic - simulated"
    assert found.shown("surreal") == "surreal"
    assert "real" not in found.verdict
    assert (
        Benchmark.load(
            make_benchmark("none", train=None, arms={}, differences={}) / "benchmark.json"
        ).verdict
        == ""
    )
