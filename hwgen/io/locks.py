"""In: the name of a piece of work. Out: whether this process is the only one at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from hwgen.errors import RunError


@contextmanager
def only_one(path: Path, *, wait: bool = False, tidy: bool = False) -> Iterator[bool]:
    """Whether this process has a lock; the system frees a killed process's one.

    Args:
        path: of the lock, an empty file.
        wait: until another one has released it; then True always.
        tidy: remove the file in the end.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(str(path))
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except filelock.Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
        if tidy:
            with suppress(OSError):  # it is in nobody's way
                path.unlink()


def lock_beside(target: Path) -> Path:
    """Where the lock of what is being made at `target` is."""
    return target.with_name(f"{target.name}.lock")


@contextmanager
def alone(target: Path, doing: str) -> Iterator[None]:
    """Keep other processes from the same work.

    Args:
        target: the file that is being made; its lock is beside it meanwhile.
        doing: what is being done: "training this recogniser".

    Raises:
        RunError: another process is doing it.
    """
    with only_one(lock_beside(target), tidy=True) as ours:
        if not ours:
            raise RunError(
                f"another process is {doing}",
                where=str(target),
                remedy="Wait for it: the same command then goes on from what it has made",
            )
        yield


def sweep(target: Path) -> None:
    """Remove the lock that a process left which was killed when `target` was made already."""
    lock = lock_beside(target)
    with suppress(OSError):  # it is in nobody's way
        if lock.exists():
            with only_one(lock, tidy=True):
                pass
