"""Runs a command in a forked child and kills it at a given time or file operation.

This process imports everything before the fork, so that a run takes only the time of its work. It
never computes with torch, which would start threads that do not survive a fork.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from hwgen_cli.__main__ import main

HANG_SECONDS = 120.0
"""A run takes seconds; one that takes this long is ended and counts as a finding."""

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        killed: whether it was killed as requested.
        code: exit code, negative after a signal; None if killed.
        seconds: from start to end.
        output: what it printed.
    """

    killed: bool
    code: int | None
    seconds: float
    output: str


def run(
    argv: Sequence[str], folder: Path, *, after: float | None = None, before: int | None = None
) -> Ended:
    """Run `hwgen ARGV` in a folder, and kill its process group if `after` or `before` is given.

    Args:
        argv: arguments of `hwgen`.
        folder: working directory.
        after: seconds after the start at which to kill it.
        before: number of the file operation, from 1, before which to kill it; see `rehearse`.
    """
    began = time.monotonic()
    child = os.fork()
    if not child:
        _run_child(argv, folder, before)
    with suppress(PermissionError):  # the child was faster
        os.setpgid(child, child)
    descriptor = os.pidfd_open(child)
    ended, _, _ = select.select([descriptor], [], [], HANG_SECONDS if after is None else after)
    os.close(descriptor)
    seconds = time.monotonic() - began
    if not ended:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    killed = code == -signal.SIGKILL and (after is not None or before is not None)
    output = _beside(folder, "output").read_text("utf-8", "replace")
    return Ended(killed, None if killed else code, seconds, output)


def rehearse(argv: Sequence[str], folder: Path) -> int:
    """Run a command to its end, and import the modules that it imported.

    Returns:
        Its number of file operations: files opened for writing, renamed and removed, and folders
        made and removed. Only Python's own count; writes by LMDB, safetensors and pyarrow happen
        between two of them.

    Raises:
        SystemExit: the command failed.
    """
    child = os.fork()
    if not child:
        _run_child(argv, folder, -1)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        output = _beside(folder, "output").read_text("utf-8", "replace")
        raise SystemExit(f"hwgen {' '.join(argv)} failed:\n{output}")
    facts = json.loads(_beside(folder, "facts").read_text("utf-8"))
    for module in facts["modules"]:
        with suppress(ImportError):
            importlib.import_module(module)
    operations: int = facts["operations"]
    return operations


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(f"{folder.name}.{suffix}")


def _run_child(argv: Sequence[str], folder: Path, before: int | None) -> NoReturn:
    """Run the command in the child and exit; `before` = -1 only records file operations."""
    code = 1
    try:
        os.setpgid(0, 0)
        output = os.open(_beside(folder, "output"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(folder)
        sys.argv = ["hwgen", *argv]
        known = set(sys.modules)
        operations = [] if before is None else _watch(folder, before)
        code = _exit_code()
        if before == -1:
            facts = {"modules": sorted({*sys.modules} - known), "operations": len(operations)}
            _beside(folder, "facts").write_text(json.dumps(facts), "utf-8")
    except BaseException:  # the child must never return to its caller
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _exit_code() -> int:
    try:
        main()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    return 0


def _watch(folder: Path, before: int) -> list[str]:
    """Record this process's file operations; before the one with this number it kills itself."""
    seen: list[str] = []
    inside = os.fspath(folder)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and (arguments[2] or 0) & _WRITES
        if not (writes or event in _CHANGES) or isinstance(arguments[0], int):
            return
        path = os.fsdecode(arguments[0])
        if os.path.isabs(path) and not path.startswith(inside + os.sep):
            return
        seen.append(event)
        if len(seen) == before:
            os.killpg(0, signal.SIGKILL)

    sys.addaudithook(hook)
    return seen
