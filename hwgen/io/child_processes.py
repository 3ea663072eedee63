"""Child processes: new interpreters, which import nothing from the current folder.

multiprocessing is not used, because its processes look in the current folder first, for
`multiprocessing` itself as for every other module, and run the caller's `__main__` again.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import hwgen
from hwgen.errors import HwgenError
from hwgen.io import os_errors

_BOOTSTRAP = """
import json, sys
sys.path[:], module, function = json.loads(sys.argv[1])
import importlib
getattr(importlib.import_module(module), function)()
"""
_TASKS_PER_WORKER = 2  # one in work while the other waits

_Task = TypeVar("_Task")


def import_path() -> list[str]:
    """`sys.path` for a child: without the current folder, unless hwgen itself is in it.

    Relative entries, which mean the current folder or one below it, are left out too.
    """
    root = Path(hwgen.__file__).resolve().parents[1]
    here = Path.cwd().resolve()
    kept = [
        entry
        for entry in sys.path
        if os.path.isabs(entry) and (here == root or Path(entry).resolve() != here)
    ]
    return kept if str(root) in map(os.path.realpath, kept) else [*kept, str(root)]


def start(
    function: Callable[[], None], setting: object, *, pass_fds: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    """Start a child process that calls `function`, with pipes at its standard input and output.

    The child is outside of the terminal's process group, so that Ctrl-C reaches only the caller.

    Args:
        function: of a module, without arguments; it calls `read_setting` first.
        setting: for `read_setting`; can be pickled.
        pass_fds: file descriptors that the child inherits.

    Raises:
        HwgenError: the system lets this process open no further files, or start no processes.
    """
    entry = json.dumps([import_path(), function.__module__, function.__name__])
    # -I: neither the current folder nor PYTHONPATH, which may name it by an empty entry.
    utf8 = f"utf8={sys.flags.utf8_mode}"  # may be set by a variable, which -I ignores
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-X", utf8, "-c", _BOOTSTRAP, entry],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=pass_fds,
            start_new_session=True,
        )
    except OSError as error:
        raise HwgenError(
            f"a worker process cannot be started ({os_errors.reason(error)})",
            remedy=". ".join(filter(None, ("Use --workers 1", os_errors.remedy(error)))),
        ) from None
    with suppress(BrokenPipeError):  # it died, which the caller finds at the first answer
        send(process, setting)
    return process


def read_setting() -> Any:
    """In a child: the setting that `start` was called with."""
    return pickle.load(sys.stdin.buffer)  # from our parent


def send(process: subprocess.Popen[bytes], value: object) -> None:
    """Send a value to a child, which reads it with `pickle.load`.

    Raises:
        BrokenPipeError: the child died.
    """
    assert process.stdin is not None
    data = memoryview(pickle.dumps(value))
    while data:
        data = data[process.stdin.write(data) :]


def each(
    function: Callable[[Any, _Task], None],
    setting: object,
    tasks: Iterable[_Task],
    *,
    workers: int,
    purpose: str,
) -> Generator[_Task, None, None]:
    """Call `function(setting, task)` for every task, in child processes.

    Close the generator if it is not exhausted; tasks that were begun are finished.

    Args:
        function: of a module.
        setting: the same for all tasks; can be pickled, as can the tasks.
        tasks: small: those that wait must fit into a pipe.
        workers: number of processes; 1 calls the function in this one.
        purpose: for an error: what a process does, such as "simulates writers".

    Yields:
        Each task, in order, once it is done.

    Raises:
        HwgenError: a process died.
        Exception: what `function` raised.
    """
    if workers <= 1:
        for task in tasks:
            function(setting, task)
            yield task
        return
    pending: deque[_Task] = deque()
    done = 0
    with ExitStack() as stack:
        children = [
            _Worker(start(_serve, (function, setting)), purpose, stack) for _ in range(workers)
        ]
        for given, task in enumerate(tasks):
            if len(pending) == workers * _TASKS_PER_WORKER:
                children[done % workers].wait()
                done += 1
                yield pending.popleft()
            children[given % workers].submit(task)
            pending.append(task)
        for task in pending:
            children[done % workers].wait()
            done += 1
            yield task


class _Worker:
    """A child that runs `_serve`.

    Args:
        process: the child.
        purpose: see `each`.
        stack: when it is closed, the child ends after its last task.
    """

    def __init__(self, process: subprocess.Popen[bytes], purpose: str, stack: ExitStack) -> None:
        self._process, self._purpose = process, purpose
        stack.enter_context(process)  # closes its input and waits
        assert process.stdout is not None
        self._answers: IO[bytes] = open(process.stdout.fileno(), "rb", closefd=False)  # noqa: SIM115
        stack.callback(self._answers.close)

    def submit(self, task: object) -> None:
        with suppress(BrokenPipeError):  # it died, which `wait` finds
            send(self._process, task)

    def wait(self) -> None:
        """Wait for the oldest task, and raise what it raised."""
        try:
            error = pickle.load(self._answers)
        except (EOFError, pickle.UnpicklingError):
            raise died(self._process, self._purpose) from None
        if error is not None:
            raise error


def _serve() -> None:
    """Main function of a worker: run tasks until the end of its input."""
    function, setting = read_setting()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    while True:
        try:
            task = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        error = None
        try:
            function(setting, task)
        except Exception as raised:
            error = raised
        with suppress(BrokenPipeError):  # the caller is gone
            answers.write(pickle.dumps(error))


def died(process: subprocess.Popen[bytes], purpose: str) -> HwgenError:
    """The error for a child that ended too early; see `each` for `purpose`."""
    return HwgenError(
        f"a process that {purpose} died (exit code {process.wait()})",
        remedy="It may have run out of memory; use --workers 1",
    )
