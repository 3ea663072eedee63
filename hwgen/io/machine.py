"""CPUs and memory that this process may use: those of the machine, or less in a container.

Linux limits a container by control groups (cgroups), version 1 or 2, whose limits /proc/meminfo and
the number of CPUs do not show. A process that takes more memory is killed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_ROOT = Path("/")

_LIMITS = ("memory.max", "memory.high", "memory.limit_in_bytes")
_USAGES = ("memory.current", "memory.usage_in_bytes")
"""Files of a control group, of version 2 and 1."""

_CACHES = (("inactive_file", "active_file"), ("total_inactive_file", "total_active_file"))
"""Fields of memory.stat, of version 2 and 1: caches of files, which are given up when needed."""


@dataclass(frozen=True)
class Memory:
    """Memory in bytes, 0 where it is not known.

    Attributes:
        total: of the machine.
        available: that this process can still take.
        limit: of the container; 0 if there is none.
    """

    total: int
    available: int
    limit: int


def visible_cpus() -> int:
    """Number of CPUs that this process may run on, which libraries start as many threads for."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable_cpus(root: Path = _ROOT) -> int:
    """Number of CPUs that this process may keep busy, at least 1, rounded up.

    Args:
        root: folder with proc and sys.
    """
    cpus = float(visible_cpus())
    for group in _groups("cpu", root):
        quota, period = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
        words = _text(group / "cpu.max").split()
        if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal():
            quota, period = int(words[0]), int(words[1])
        if quota and period:
            cpus = min(cpus, quota / period)
    return max(1, math.ceil(cpus))


def memory(root: Path = _ROOT) -> Memory:
    """Memory of the machine and of the container.

    Args:
        root: folder with proc and sys.
    """
    fields = proc_fields(root / "proc/meminfo")
    total = _kilobytes(fields.get("MemTotal", ""))
    free, limits = [_kilobytes(fields.get("MemAvailable", ""))], []
    for group in _groups("memory", root):
        found = [number for name in _LIMITS if (number := _number(group / name))]
        # Version 1 writes a huge number for no limit.
        if found and (limit := min(found)) < (total or 1 << 60):
            limits.append(limit)
            usage = max(_number(group / name) for name in _USAGES)
            free.append(max(0, limit - usage + _cached(group)))
    return Memory(total, min(free), min(limits, default=0))


def proc_fields(file: Path) -> dict[str, str]:
    """The first `name: value` of each name in a file of /proc; empty on other systems."""
    found: dict[str, str] = {}
    for line in _text(file).splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    return found


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Folders of the control groups that this process is in, with those above them."""
    own = dict(_own_groups(root))
    for line in _text(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        words, more = before.split(), after.split()
        if len(words) < 5 or len(more) < 3:
            continue
        (top, mount), kind, options = words[3:5], more[0], more[2]
        if kind == "cgroup2":
            path = own.get("")
        elif kind == "cgroup" and controller in options.split(","):
            path = own.get(controller)
        else:
            continue
        end = root / mount.lstrip("/")
        # In a container, the mount may begin at its own group, and the path may be the host's.
        group = PurePosixPath(path or "/")
        below = group.relative_to(top) if group.is_relative_to(top) else PurePosixPath()
        yield from (end / part for part in (below, *below.parents) if (end / part).is_dir())


def _own_groups(root: Path) -> Iterator[tuple[str, str]]:
    """Controller and path of each group of this process; version 2 is the controller ""."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, names_and_path = line.partition(":")
        controllers, _, path = names_and_path.partition(":")
        for controller in controllers.split(","):
            yield controller, path


def _cached(group: Path) -> int:
    words = map(str.split, _text(group / "memory.stat").splitlines())
    fields = {pair[0]: int(pair[1]) for pair in words if len(pair) == 2 and pair[1].isdecimal()}
    return max(sum(fields.get(name, 0) for name in names) for names in _CACHES)


def _number(file: Path) -> int:
    """The number in a file; 0 if there is none, as for `max` and -1."""
    text = _text(file).strip()
    return int(text) if text.isdecimal() else 0


def _kilobytes(text: str) -> int:
    """`24598188 kB` as bytes."""
    number = text.removesuffix(" kB")
    return 1024 * int(number) if number.isdecimal() else 0


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
