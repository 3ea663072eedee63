import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from hwgen.errors import InputError
from tests.robustness.fuzz import harness
from tests.robustness.fuzz.harness import Tally, read_one, run
from tests.robustness.fuzz.mutation import mutate, mutate_json
from tests.robustness.fuzz.target import Target, make_input
from tests.robustness.fuzz.targets import COUNTS, TARGETS

SLICES = {name: min(300, count // 100) for name, count in COUNTS.items()}
"""Inputs of each target in these tests; a full run is `python -m tests.robustness.fuzz`."""


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("name", TARGETS)
def test_some_inputs_of_each_target_end_as_documented(name: str, tmp_path: Path) -> None:
    target, tally = TARGETS[name](tmp_path), Tally()
    for seed in target.seeds:
        target.read(seed)  # valid: raises nothing
    run(target, tally, seed=1, count=SLICES[name], seconds=60)
    assert tally.findings == []
    assert tally.inputs == tally.outcomes.total() == SLICES[name]
    assert len(tally.outcomes) > 1  # some are refused, others read
    assert 0 <= tally.peak_mib <= target.mib


def test_a_full_run_has_more_than_a_million_inputs() -> None:
    assert COUNTS.keys() == TARGETS.keys()
    assert sum(COUNTS.values()) > 1_000_000


def test_an_input_is_determined_by_its_number(tmp_path: Path) -> None:
    target = TARGETS["gnt"](tmp_path)
    inputs = [make_input(target, 0, index) for index in range(200)]
    assert inputs == [make_input(target, 0, index) for index in range(200)]
    assert len(set(inputs)) > 190
    assert inputs[7] != make_input(target, 1, 7)


def test_mutations_change_nearly_every_input_but_not_all_of_it() -> None:
    rng, data = random.Random(0), bytes(range(200))
    changed = [mutate(data, b"other" * 20, rng, (b"TOKEN",)) for _ in range(500)]
    assert sum(item != data for item in changed) > 450
    assert any(b"TOKEN" in item for item in changed)
    assert any(b"othero" in item for item in changed)
    assert any(len(item) > len(data) for item in changed)
    assert any(not item for item in changed)
    assert mutate(b"", b"", random.Random(1)) is not None


def test_json_stays_json_most_of_the_time() -> None:
    text, rng = b'{"a": [1, 2, {"b": "c"}], "d": null}', random.Random(0)
    changed = [mutate_json(text, text, rng) for _ in range(400)]
    assert sum(item.startswith(b"{") for item in changed) > 200
    assert len(set(changed)) > 150


def read_badly(data: bytes) -> str:
    """One outcome of each kind, by the last digit of the input's number."""
    index = int(data)
    if index == 1:
        raise InputError("as promised")
    if index == 2:
        raise KeyError("not as promised")
    if index == 3:
        while True:
            pass
    if index == 4:
        bytearray(1 << 30)
    if index == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return "read"


def wait_in_c(data: bytes) -> str:
    """Waits for what never comes, where Python's signal handlers do not run."""
    if int(data) == 1:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        time.sleep(1000)
    return "read"


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_waits_for_ever_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "make_input", lambda target, seed, index: b"%d" % index)
    monkeypatch.setattr(harness, "STUCK_SECONDS", 1)
    tally = Tally()
    run(Target([b"0"], wait_in_c, seconds=0.2), tally, seed=0, count=4, seconds=60)
    assert tally.outcomes == Counter(read=3, crash=1)
    assert [finding["what"] for finding in tally.findings] == ["the process ended: SIGABRT"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_waits_for_no_threads_of_its_parent() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    x = torch.ones(600, 600)

    def multiply(data: bytes) -> str:
        return str(int((x @ x)[0, 0]))

    try:
        multiply(b"")  # starts OpenMP's threads
        tally = Tally()
        run(Target([b"0"], multiply, seconds=30), tally, seed=0, count=3, seconds=60)
    finally:
        torch.set_num_threads(threads)
    assert tally.outcomes == Counter({"600": 3})


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_every_unexpected_outcome_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = Target([b"0"], read_badly, seconds=0.2, mib=64)
    monkeypatch.setattr(harness, "make_input", lambda target, seed, index: b"%d" % index)
    tally, seen = Tally(), list[int]()
    run(numbers, tally, seed=0, count=8, seconds=60, progress=lambda t: seen.append(t.inputs))
    assert seen == [6, 8]  # the crash ended a chunk
    found: dict[int, Any] = {finding["index"]: finding["what"] for finding in tally.findings}
    assert found[5] == "the process ended: SIGKILL"
    # Outcomes before the crash in its chunk are not lost.
    assert found.keys() == {2, 3, 4, 5}
    assert found[2].startswith("KeyError")
    assert found[3].startswith("Hang")
    assert found[4].startswith("MemoryError")
    assert tally.outcomes == Counter(read=4 - 1, InputError=1, finding=3, crash=1)


def test_the_time_limit_ends_a_run_after_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally()
    run(Target([b""], read_badly), tally, seed=0, count=100, seconds=0)
    assert tally.inputs == 0


def test_one_input_can_be_repeated_with_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "make_input", lambda target, seed, index: b"%d" % index)
    target = Target([b"0"], read_badly)
    assert (read_one(target, 0, 0), read_one(target, 0, 1)) == ("read", "InputError")
    with pytest.raises(KeyError):
        read_one(target, 0, 2)
