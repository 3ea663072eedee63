"""`hwgen train` killed, interrupted, resumed, and in two processes."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hwgen.compute.tensor_files import load_tensors
from hwgen.generators.adversarial.training import AGREE_STEPS
from hwgen.generators.gan.presets import Recipe, change
from hwgen.generators.gan.training import train
from hwgen.runs import Run
from hwgen.store import Store

Hwgen = Callable[..., tuple[int, str, str]]

LONG = {"images": "1600", "every": "100"}
LONGER = ["--images=1600", "--snapshot-every=100"]


def begin(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hwgen_cli", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, "the command ended before it was interrupted"
        time.sleep(0.002)


@pytest.mark.usefixtures("one_thread")  # as the commands in processes of their own
def test_killed_and_interrupted_runs_end_as_an_uninterrupted_one(
    toy_store: Store,
    toy_recipe: Recipe,
    tmp_path: Path,
    hwgen: Hwgen,
    toy_options: list[str],
) -> None:
    out = tmp_path / "run"
    command = ["train", str(toy_store.path), "--out", str(out), *toy_options, *LONGER]
    weights = out / "weights"

    with begin(command) as process:
        wait_for(weights / "000000100.safetensors", process)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (weights / "000001600.safetensors").exists()

    # The next process looks for its own progress, not for what the killed one left.
    last = sorted(weights.glob("*.safetensors"))[-1]
    with begin(command) as process:
        wait_for(weights / f"{int(last.stem) + 100:09d}.safetensors", process)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        printed = process.stderr.read()
    assert process.returncode == 130
    assert "stopped; rerun the command to resume" in " ".join(printed.split())
    assert "Traceback" not in printed
    assert not (weights / "000001600.safetensors").exists()

    code, _, err = hwgen(*command)
    assert code == 0
    assert "finished" in err

    straight = train(
        toy_store, tmp_path / "straight", change(toy_recipe, LONG), device="cpu", precision="fp32"
    )
    final = load_file(weights / "000001600.safetensors")
    for name, tensor in load_file(straight.snapshots()[-1]).items():
        assert torch.equal(final[name], tensor), name
    images = [entry["images"] for entry in Run(out).read_log() if "loss_d" in entry]
    assert images == list(range(200, 1601, 200))
    everything = (out / "log.jsonl").read_text("utf-8").splitlines()
    assert all(isinstance(json.loads(line), dict) for line in everything)
    began = [entry for entry in Run(out).read_log() if "began" in entry]
    assert len(began) == 3
    assert all(a["images"] <= b["images"] for a, b in itertools.pairwise(began))


def test_torchrun_stops_together_and_one_process_resumes(
    toy_store: Store,
    tmp_path: Path,
    hwgen: Hwgen,
    toy_options: list[str],
    torchrun: Callable[..., subprocess.Popen[str]],
) -> None:
    out = tmp_path / "run"
    command = ["train", str(toy_store.path), "--out", str(out), *toy_options, *LONGER]
    process = torchrun("-m", "hwgen_cli", *command)
    wait_for(out / "weights" / "000000100.safetensors", process)
    process.send_signal(signal.SIGINT)
    printed = " ".join(process.communicate()[0].split())
    assert process.returncode != 0
    assert printed.count("stopped; rerun the command to resume") == 1
    assert "Warning" not in printed
    step = int(load_tensors(out / "checkpoint.safetensors")[1]["step"])
    assert step < 400
    assert step % AGREE_STEPS == 0
    code, _, err = hwgen(*command)
    assert code == 0
    assert "finished" in err
    entries = Run(out).read_log()
    assert [e["images"] for e in entries if "loss_d" in e] == list(range(200, 1601, 200))
    began = [(e["images"], e["began"]["processes"]) for e in entries if "began" in e]
    assert began == [(0, 2), (4 * step, 1)]


def test_under_torchrun_a_mistake_is_told_once(
    toy_store: Store,
    tmp_path: Path,
    toy_options: list[str],
    torchrun: Callable[..., subprocess.Popen[str]],
) -> None:
    out = tmp_path / "run"
    process = torchrun(
        "-m", "hwgen_cli", "train", toy_store.path, "--out", out, *toy_options, "--batch", 5
    )
    printed = process.communicate()[0]
    assert process.returncode != 0
    assert (
        printed.count("error: a batch of 5 cannot be divided evenly among 2 processes. Start 1")
        == 1
    )
    # The one traceback is torchrun's own.
    assert printed.count("Traceback (most recent call last)") == 1
    assert not out.exists()
