"""In: what the operating system refused. Out: why, and what a user can do about it."""

from __future__ import annotations

import errno

ROOM = "Is the disk full? With more room, run the same command again"
"""What to do where nothing more could be written."""

_RIGHTS = "Change the rights to it or to its folder, or choose another place"

_REMEDIES = {
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: "Its disk is mounted read-only: choose another place",
}


def reason(error: Exception) -> str:
    """What went wrong, without number and path: `Permission denied`."""
    return (error.strerror if isinstance(error, OSError) else "") or str(error)


def remedy(error: Exception, otherwise: str = "") -> str:
    """What to do about a full disk, a missing right or a read-only disk; or `otherwise`."""
    number = error.errno if isinstance(error, OSError) else None
    return _REMEDIES.get(number or 0, otherwise)
