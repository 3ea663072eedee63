import errno
import re
import sys
from typing import Any

import numpy as np
import pytest
import torch

import hwgen.generators.gan.training
from hwgen.store import Store
from hwgen_cli import memory
from hwgen_cli.__main__ import app, main
from hwgen_cli.reference import all_commands

COMMANDS: dict[str, Any] = {name: command for name, command, _ in all_commands(app)}


def failures() -> list[Exception]:
    """Errors of the libraries themselves where they can be provoked."""
    found: list[Exception] = [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might ..."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        type("MapFullError", (Exception,), {})("mdb_put: MDB_MAP_FULL"),
    ]
    for ask in (lambda: torch.empty(1 << 50), lambda: np.empty(1 << 50)):
        try:
            ask()
        except (RuntimeError, MemoryError) as error:
            found.append(error)
    return found


def test_every_kind_is_known() -> None:
    assert len(failures()) == 8
    assert all(memory.ran_out(error) for error in failures())


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes cannot be multiplied"),
        OSError(errno.ENOSPC, "No space left on device"),
        ValueError("out of memory"),
    ],
)
def test_other_errors_are_not_memory_errors(error: Exception) -> None:
    assert not memory.ran_out(error)


@pytest.mark.parametrize("command", memory.LOWER)
def test_options_in_memory_advice_exist(command: str) -> None:
    options = {name for parameter in COMMANDS[command].params for name in parameter.opts}
    named = set(re.findall(r"--[a-z-]+", memory.LOWER[command]))
    assert named <= options
    assert command in ("report", "export-curves") or named


def test_every_heavy_command_has_memory_advice() -> None:
    light = {"doctor", "presets", "study significance", "study tally", "upload"}
    assert set(COMMANDS) - light == set(memory.LOWER)
    assert "Close other programs" in memory.message(MemoryError(), ["doctor"])
    assert "(MemoryError)" in memory.message(MemoryError(), ["doctor"])
    assert "--pairs" in memory.message(MemoryError(), ["study", "make", "a", "b"])


@pytest.mark.parametrize("error", failures(), ids=lambda error: type(error).__name__)
def test_out_of_memory_names_settings_to_lower(
    error: Exception,
    toy_store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def train(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(hwgen.generators.gan.training, "train", train)
    out = str(toy_store.path.parent / "never")
    words = ["hwgen", "train", str(toy_store.path), "--out", out, "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 1
    err = capfd.readouterr().err
    assert "error: memory ran out (" in err
    assert "--precision bf16" in err
    assert "Traceback" not in err


def test_a_bug_keeps_its_traceback(toy_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*args: Any, **options: Any) -> None:
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(hwgen.generators.gan.training, "train", train)
    monkeypatch.setattr(
        sys, "argv", ["hwgen", "train", str(toy_store.path), "--out", "x", "--device", "cpu"]
    )
    with pytest.raises(RuntimeError, match="shapes"):
        main()
