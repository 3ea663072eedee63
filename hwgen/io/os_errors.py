"""Reasons and remedies for errors of the operating system."""

from __future__ import annotations

import errno

DISK_FULL = "The disk may be full; free some space and rerun the command"
"""Remedy for a failed write."""

_PERMISSIONS = "Change the permissions of the file or its folder, or choose another path"

_REMEDIES = {
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: DISK_FULL,
    errno.EACCES: _PERMISSIONS,
    errno.EPERM: _PERMISSIONS,
    errno.EEXIST: "Move it away, or give another --out",
    errno.ENAMETOOLONG: "Give a shorter name",
    errno.EMFILE: "Allow more open files with: ulimit -n 4096",
    errno.ENFILE: "Close other programs: all that run have too many open files together",
    errno.EROFS: "The disk is mounted read-only; choose another path",
}


def reason(error: Exception) -> str:
    """The error without its number and path: `Permission denied`."""
    return (error.strerror if isinstance(error, OSError) else "") or str(error)


def remedy(error: Exception, otherwise: str = "") -> str:
    """The remedy for a full disk, missing permissions and the like; else `otherwise`."""
    number = error.errno if isinstance(error, OSError) else None
    return _REMEDIES.get(number or 0, otherwise)
