"""Ctrl-C once asks every long command to stop; twice ends it."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hwgen.store import Store
from hwgen_cli.__main__ import main
from hwgen_cli.interrupt import interruptible

LONG = {
    "train STORE": "hwgen.generators.gan.training.train",
    "train STORE --preset deformation-32": (
        "hwgen.generators.deformation.training.train_deformation"
    ),
    "synthesize RUN": "hwgen.synthesis.synthesize.synthesize",
    "benchmark --train STORE --test STORE": "hwgen.experiments.benchmark.benchmark",
    "lift --train STORE --test STORE --experiment rare": (
        "hwgen.experiments.lift.experiment.run_experiment"
    ),
    "evaluate STORE --real STORE": "hwgen.evaluation.evaluate.evaluate",
    "export STORE --format gnt": "hwgen.exports.export_store",
    "prepare-gnt IN": "hwgen.prepare.prepare_gnt",
    "prepare-pot IN": "hwgen.prepare.prepare_pot",
    "prepare-images IN": "hwgen.prepare.prepare_images",
}
"""Commands, and the library function that each calls."""

Work = Callable[[Callable[[], bool]], None]


def run(
    typed: str, work: Work, store: Store, patch: pytest.MonkeyPatch, place: Path
) -> int | str | None:
    """Exit code of a command in which `work`, called with its `stop`, replaces the library."""

    def library(*args: Any, **options: Any) -> None:
        given = [getattr(value, "stop", value) for value in (*args, *options.values())]
        stop = next(value for value in given if is_stop(value))
        work(stop)

    def is_stop(value: object) -> bool:
        return getattr(value, "__module__", "") == "hwgen_cli.interrupt"

    patch.setattr(LONG[typed], library)
    sampler = SimpleNamespace(charset=store.charset)
    patch.setattr("hwgen.generators.base.load_generator", lambda *args, **options: sampler)
    words = typed.replace("STORE", str(store.path)).split()
    patch.setattr(sys, "argv", ["hwgen", *words, "--out", str(place / "out")])
    with pytest.raises(SystemExit) as leaving:
        main()
    return leaving.value.code


@pytest.mark.parametrize("typed", LONG)
def test_a_second_ctrl_c_stops_at_once(
    typed: str,
    toy_store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    shown = []

    def work(stop: Callable[[], bool]) -> None:
        shown.append(stop())
        signal.raise_signal(signal.SIGINT)
        shown.append(stop())
        signal.raise_signal(signal.SIGINT)
        shown.append("went on")

    before = signal.getsignal(signal.SIGINT)
    assert run(typed, work, toy_store, monkeypatch, tmp_path) == 130
    assert shown == [False, True]
    err = capfd.readouterr().err
    assert err.count("press Ctrl-C again to stop at once") == 1
    assert err.strip().endswith("stopped")
    assert "Traceback" not in err
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize(
    "typed", [typed for typed in LONG if typed.startswith(("benchmark", "evaluate", "export"))]
)
def test_a_stopped_command_says_how_to_resume(
    typed: str,
    toy_store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def work(stop: Callable[[], bool]) -> None:
        signal.raise_signal(signal.SIGINT)
        assert stop()

    assert run(typed, work, toy_store, monkeypatch, tmp_path) == 130
    assert "stopped; rerun the command to resume" in capfd.readouterr().err


def test_a_hang_up_asks_to_stop_and_is_no_second_ctrl_c() -> None:
    with interruptible() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert stop()
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)  # both, as when a session ends
        signal.raise_signal(signal.SIGHUP)
    with interruptible() as stop:
        assert not stop()
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_with_nohup_a_hang_up_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop()
    finally:
        signal.signal(signal.SIGHUP, before)


WORK = """
import sys, time
from pathlib import Path
from hwgen_cli.interrupt import interruptible
from hwgen_cli.progress import bar

out = Path(sys.argv[1])
with bar("Working", "steps") as advance, interruptible() as stop:
    for step in range(3000):
        advance(step, 3000, "")
        (out / "begun").touch()
        if stop():
            (out / "saved").touch()
            break
        time.sleep(0.01)
print("stopped", file=sys.stderr, flush=True)
sys.exit(130)
"""


def test_a_closed_terminal_does_not_keep_a_command_from_saving(tmp_path: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", WORK, str(tmp_path)])
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    assert (tmp_path / "saved").exists()


IMPORTING = """
import os, signal, sys, types
sys.path.insert(0, os.getcwd())
stand_in = types.ModuleType("hwgen_cli.benchmark")
def fail(name):
    # Ctrl-C in the middle of the imports.
    os.kill(os.getpid(), signal.SIGINT)
    raise AttributeError(name)
stand_in.__getattr__ = fail
sys.modules["hwgen_cli.benchmark"] = stand_in
import hwgen_cli.__main__
"""


def test_ctrl_c_during_the_imports_ends_without_a_traceback() -> None:
    command = [sys.executable, "-c", IMPORTING]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


def test_ctrl_c_before_a_command_begins_has_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hwgen_cli.__main__.guard_streams", pressed)
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
