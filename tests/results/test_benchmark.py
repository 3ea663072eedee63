import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hwgen.errors import InputError
from hwgen.report.inputs import read_inputs
from hwgen.results.benchmark import Benchmark


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
