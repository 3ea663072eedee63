"""Locks between processes, as files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hwgen.errors import RunError
from hwgen.io.neighbours import lock_path, refuse_foreign_lock


@contextmanager
def file_lock(path: Path, *, wait: bool = False, remove: bool = False) -> Iterator[bool]:
    """Acquire a lock; yields whether this process has it.

    The system releases the lock of a process that is killed.

    Args:
        path: the lock file, which is empty.
        wait: wait until another process has released it, so that True is yielded.
        remove: delete the file at the end.

    Raises:
        OSError: it cannot be written, or something that is not a lock is there.
    """
    import filelock

    path.parent.mkdir(parents=True, exist_ok=True)
    refuse_foreign_lock(path)  # filelock would empty it
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
        if remove:
            with suppress(OSError):  # a leftover lock file does no harm
                path.unlink()


@contextmanager
def exclusive(target: Path, doing: str) -> Iterator[None]:
    """Keep other processes from the same work.

    Args:
        target: the file that is being made; see `lock_path`.
        doing: the work, as part of a sentence: "training this recogniser".

    Raises:
        RunError: another process is doing it.
    """
    with file_lock(lock_path(target), remove=True) as ours:
        if not ours:
            raise RunError(
                f"another process is {doing}",
                where=str(target),
                remedy="Wait until it ends, then rerun the command to continue from its result",
            )
        yield


def remove_stale_lock(target: Path) -> None:
    """Remove the lock file of a process that was killed after it had made `target`."""
    lock = lock_path(target)
    with suppress(OSError):  # a leftover lock file does no harm
        if lock.exists():
            with file_lock(lock, remove=True):
                pass
