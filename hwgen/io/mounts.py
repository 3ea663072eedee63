"""Mount points, which cannot be renamed or removed."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
"""All mount points of this process, on Linux."""


def is_mount_point(path: Path) -> bool:
    """Whether a path is a mount point, also of a folder of the same file system.

    `os.path.ismount` does not notice the latter, which are bind mounts.
    """
    return os.path.ismount(path) or os.fsencode(path.resolve()) in _mount_points()


def _mount_points() -> set[bytes]:
    points = set()
    with suppress(OSError):  # of systems without it
        for line in _MOUNTS.read_bytes().splitlines():
            fields = line.split(b" ")
            if len(fields) > 4:  # number, parent, device, root, mount point
                points.add(re.sub(rb"\\([0-7]{3})", _byte, fields[4]))
    return points


def _byte(octal: re.Match[bytes]) -> bytes:
    return bytes([int(octal[1], 8) & 255])
