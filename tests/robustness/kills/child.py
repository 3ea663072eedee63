"""In: a command line and when to kill it. Out: how it ended.

The command runs in a forked child of this process, which has imported everything before, so that a
run takes as long as its work. This process itself never computes with torch, which would start
threads that a fork does not take over.
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
"""A run takes some seconds at most; one that takes so long is ended and is a finding."""

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        killed: by us, as it was meant to be.
        code: its exit code, negative after a signal; None if killed.
        seconds: from its start to its end.
        said: what it printed.
    """

    killed: bool
    code: int | None
    seconds: float
    said: str


def run(
    argv: Sequence[str], folder: Path, *, after: float | None = None, before: int | None = None
) -> Ended:
    """Run `hwgen ARGV` in a folder, and kill its process group if it is told when.

    Args:
        argv: what a user types behind `hwgen`.
        folder: the working directory.
        after: kill it so many seconds after its start.
        before: kill it before its file operation of this number, from 1; see `rehearse`.
    """
    began = time.monotonic()
    child = os.fork()
    if not child:
        _live(argv, folder, before)
    with suppress(PermissionError):  # it has made itself a group already
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
    said = _beside(folder, "said").read_text("utf-8", "replace")
    return Ended(killed, None if killed else code, seconds, said)


def rehearse(argv: Sequence[str], folder: Path) -> int:
    """Run it to its end, and import here what it imported.

    Returns:
        How many file operations it did: files opened to write, renamed and removed, and folders.
        These are Python's own; what LMDB, safetensors and pyarrow write to what they opened lies
        between two of them.

    Raises:
        SystemExit: it failed.
    """
    child = os.fork()
    if not child:
        _live(argv, folder, -1)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        said = _beside(folder, "said").read_text("utf-8", "replace")
        raise SystemExit(f"hwgen {' '.join(argv)} failed:\n{said}")
    told = json.loads(_beside(folder, "told").read_text("utf-8"))
    for module in told["modules"]:
        with suppress(ImportError):
            importlib.import_module(module)
    operations: int = told["operations"]
    return operations


def _beside(folder: Path, what: str) -> Path:
    return folder.with_name(f"{folder.name}.{what}")


def _live(argv: Sequence[str], folder: Path, before: int | None) -> NoReturn:
    """The child's whole life; `before` -1 kills nowhere and tells what it did."""
    code = 1
    try:
        os.setpgid(0, 0)
        said = os.open(_beside(folder, "said"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.chdir(folder)
        sys.argv = ["hwgen", *argv]
        known = set(sys.modules)
        operations = [] if before is None else _watch(folder, before)
        code = _exit_code()
        if before == -1:
            told = {"modules": sorted({*sys.modules} - known), "operations": len(operations)}
            _beside(folder, "told").write_text(json.dumps(told), "utf-8")
    except BaseException:  # nothing of the child may come back to its caller
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
    """This process's file operations, from now on; the one of that number kills it first."""
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
