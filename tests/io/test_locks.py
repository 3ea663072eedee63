"""Two processes at one piece of work: one does it, the other waits or says so."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hwgen.errors import RunError
from hwgen.io.locks import exclusive, file_lock, remove_stale_lock

HOLD = """
import sys, filelock
lock = filelock.FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process_holds(path: Path) -> Iterator[subprocess.Popen[str]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        try:
            yield other
        finally:
            other.kill()


def test_one_has_a_lock_and_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.lock"
    for wait in (False, True):
        with file_lock(path, wait=wait) as ours, file_lock(tmp_path / "b.lock") as other:
            assert ours
            assert other
    with pytest.raises(ZeroDivisionError), file_lock(path):
        _ = 1 / 0
    with another_process_holds(path) as other_process:
        with file_lock(path) as ours:
            assert not ours
        other_process.kill()
        other_process.wait()
        with file_lock(path) as ours:
            assert ours  # the system has freed it


def test_the_same_work_is_refused_with_what_to_do(tmp_path: Path) -> None:
    target = tmp_path / "recogniser.safetensors"
    with (
        another_process_holds(tmp_path / ".recogniser.safetensors.hwgen-lock"),
        pytest.raises(RunError, match="another process is training this recogniser") as refused,
        exclusive(target, "training this recogniser"),
    ):
        raise AssertionError
    assert refused.value.where == str(target)
    assert "then rerun the command" in refused.value.remedy
    with exclusive(target, "training this recogniser"):
        assert [path.name for path in tmp_path.iterdir()] == [f".{target.name}.hwgen-lock"]
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_process_killed_behind_its_last_step_is_swept_away(tmp_path: Path) -> None:
    target, lock = tmp_path / "made", tmp_path / ".made.hwgen-lock"
    remove_stale_lock(target)
    with another_process_holds(lock):
        remove_stale_lock(target)
        assert lock.exists()
    lock.touch()
    remove_stale_lock(target)
    assert not list(tmp_path.iterdir())
