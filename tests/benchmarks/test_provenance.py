import subprocess
from pathlib import Path

import pytest
import torch

from benchmarks import provenance as module
from benchmarks.provenance import command_line, precision_name, provenance


def test_the_commit_is_that_of_the_checkout(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git = ["git", "-C", str(root), "rev-parse", "HEAD"]
    head = subprocess.run(git, capture_output=True, text=True)
    found = provenance(module.__file__, [])["commit"]
    assert found.removesuffix("-dirty") == (
        head.stdout.strip() if not head.returncode else "unknown"
    )
    monkeypatch.setattr("hwgen.results.version.commit", lambda: "")
    assert provenance(module.__file__, [])["commit"] == "unknown"


def test_the_command_line_has_no_absolute_paths(root: Path) -> None:
    file = str(root / "benchmarks" / "paper" / "ring.py")
    given = ["--out", "/home/somebody/my results", "--seeds", "3", "data/train"]
    expected = "python -m benchmarks.paper.ring --out 'my results' --seeds 3 data/train"
    assert command_line(file, given) == expected
    package = command_line(str(root / "benchmarks" / "gpu" / "__main__.py"), [])
    assert package == "python -m benchmarks.gpu"


def test_a_result_states_commit_date_command_and_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["damage.py", "--seeds", "1"])
    damage = str(module.ROOT / "benchmarks" / "damage.py")
    found = provenance(damage, None, precision="bf16")
    assert found.keys() == {"commit", "date", "command", "hardware"}
    assert found["command"] == "python -m benchmarks.damage --seeds 1"
    assert (found["hardware"]["device"], found["hardware"]["precision"]) == ("cpu", "bf16")
    assert found["hardware"]["memory_gib"] > 0


def test_auto_is_resolved_to_a_precision() -> None:
    cpu = torch.device("cpu")
    assert precision_name("fp32", cpu) == "fp32"
    assert precision_name("bf16", cpu) == "bf16"
    assert precision_name("auto", cpu) in ("fp32", "bf16")
