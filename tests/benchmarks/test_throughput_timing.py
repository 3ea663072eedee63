import json
import os
from pathlib import Path

import pytest
import torch

from benchmarks.throughput import timing

CPU = torch.device("cpu")


def test_each_implementation_has_its_own_process() -> None:
    with timing.apart({"one": os.getpid, "other": os.getpid}) as jobs:
        first, again = ({name: job() for name, job in jobs.items()} for _ in range(2))
    assert first == again  # what a process has set up is still there
    assert len({os.getpid(), *first.values()}) == 3


def test_implementations_run_in_turn_and_warmup_is_not_counted() -> None:
    calls: list[str] = []
    ways = {name: lambda name=name: calls.append(name) for name in "ab"}  # type: ignore[misc]
    times = timing.in_turn(ways, {"a": 2, "b": 3}, runs=2, warmup=1)
    assert calls == list("ababab")
    assert {name: (len(t.seconds), t.work) for name, t in times.items()} == {
        "a": (2, 2),
        "b": (2, 3),
    }


def test_the_ratio_is_the_median_of_ratios_per_unit_of_work(tmp_path: Path) -> None:
    times = {
        "plain": timing.Times([4.0, 8.0, 4.0], work=2),
        "hwgen": timing.Times([2.0, 2.0, 2.0], work=4),
    }
    row = timing.result(
        "job", "images", times, baseline="plain", fast="hwgen", settings={"batch": 4}
    )
    assert row["ratios"] == [4, 8, 4]
    assert row["ratio"] == 4
    assert row["ways"]["hwgen"]["rate"] == 2
    assert row["hardware"]["precision"] == "fp32"
    file = str(timing.__file__)
    timing.save([row], tmp_path / "out", "job", file, ["--out", str(tmp_path)])
    (saved,) = json.loads((tmp_path / "out" / "job.json").read_text("utf-8"))
    assert saved["command"] == f"python -m benchmarks.throughput.timing --out {tmp_path.name}"
    assert len(saved["commit"]) >= 7
    assert {key: saved[key] for key in row} == row


def test_floating_point_operations_are_counted_backward_too() -> None:
    x, w = torch.ones(2, 3), torch.ones(3, 5, requires_grad=True)
    with timing.FlopCount() as counter:
        (x @ w).sum().backward()  # x needs no gradient
    assert counter.total == 2 * (2 * 2 * 3 * 5)  # a multiplication and an addition each


def test_rates_of_the_hardware_are_positive() -> None:
    assert timing.matmul_rate(CPU, size=16) > 0
    assert timing.copy_rate(CPU, mib=1) > 0


@pytest.mark.parametrize("name", ["plain", "hwgen"])
def test_a_line_names_every_rate(name: str) -> None:
    ways = {"plain": {"rate": 1.5}, "hwgen": {"rate": 3000.0}}
    text = timing.line({"job": "j", "unit": "steps", "ratio": 2000.0, "ways": ways})
    assert name in text
    assert "2e+03 x" in text
