import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hwgen
from hwgen.errors import HwgenError, InputError
from hwgen.io import child_processes

ROOT = str(Path(hwgen.__file__).resolve().parents[1])


def note(setting: Path, task: int) -> None:
    (setting / str(task)).write_text(str(os.getpid()))


def fail(setting: str, task: int) -> None:
    raise InputError(setting, where=str(task), remedy="Try again")


def die(setting: int, task: int) -> None:
    os._exit(setting)


@pytest.mark.parametrize("count", [0, 1, 2, 9])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_tasks_are_done_in_order(tmp_path: Path, workers: int, count: int) -> None:
    done = child_processes.each(note, tmp_path, range(count), workers=workers, purpose="notes")
    for number, task in enumerate(done):
        assert task == number
        assert (tmp_path / str(task)).exists()
    pids = {file.read_text() for file in tmp_path.iterdir()}
    assert len(pids) == min(workers, count)
    assert (str(os.getpid()) in pids) == (workers == 1 and count > 0)


def test_a_large_setting_is_passed() -> None:
    done = child_processes.each(fail, "x" * 1_000_000, [1], workers=2, purpose="fails")
    with pytest.raises(InputError, match=r"x{1000000}"):
        list(done)


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_a_task_are_raised(workers: int) -> None:
    done = child_processes.each(fail, "wrong", range(9), workers=workers, purpose="fails")
    with pytest.raises(InputError, match=r"0: wrong\. Try again") as raised:
        list(done)
    assert raised.value.remedy == "Try again"


def test_a_dead_process_is_an_error() -> None:
    done = child_processes.each(die, 3, range(9), workers=2, purpose="dies")
    with pytest.raises(HwgenError, match=r"that dies died \(exit code 3\).*--workers 1"):
        list(done)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EAGAIN])
def test_a_process_that_the_system_refuses_is_an_error(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(subprocess, "Popen", refused)
    with pytest.raises(HwgenError, match=r"worker process .*started \(.*\). Use --workers 1"):
        list(child_processes.each(print, None, [1], workers=2, purpose="prints"))


def test_begun_tasks_are_finished_when_the_work_is_given_up(tmp_path: Path) -> None:
    done = child_processes.each(note, tmp_path, range(100), workers=2, purpose="notes")
    next(done)
    done.close()
    assert {file.name for file in tmp_path.iterdir()} == set("0123")


def test_a_child_imports_nothing_from_the_current_folder(tmp_path: Path) -> None:
    traps = {*sys.stdlib_module_names, "numpy", "PIL", "hwgen", "sitecustomize", "usercustomize"}
    for name in traps:
        (tmp_path / f"{name}.py").write_text(f"open('witness', 'a').write({name!r})")
    # A program that has the current folder in its path, but only after its own imports.
    code = """
import sys
here, path = sys.path[0], sys.path
path[:] = [sys.argv[1], *(p for p in path if p != here)]
import hwgen.imaging.framing_pool as pool, numpy
from hwgen.imaging.framing import Framing
from hwgen.record import Record
batch = [Record(numpy.zeros((3, 3), "u1"), "a", "", "", 0)]
for places in ([], ["", ".", sys.argv[2]]):
    path[:0] = places
    assert len(list(pool.frame([batch], Framing(16), workers=2, max_raw=9))) == 1
"""
    environment = {**os.environ, "PYTHONPATH": f":{os.environ.get('PYTHONPATH', '')}:."}
    command = [sys.executable, "-I", "-c", code, ROOT, str(tmp_path)]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    assert not (tmp_path / "witness").exists()


def test_hwgen_may_be_in_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", ["", "/elsewhere"])
    assert child_processes.import_path() == ["/elsewhere", ROOT]
    monkeypatch.setattr(sys, "path", [ROOT, "/elsewhere"])
    assert child_processes.import_path() == [ROOT, "/elsewhere"]


def test_relative_entries_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", ".", "below", str(tmp_path), ROOT, f"{tmp_path}/below"])
    assert child_processes.import_path() == [ROOT, f"{tmp_path}/below"]
