"""Refusing pipes and devices as input, since most inputs are read more than once."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hwgen.errors import InputError

_SAVE = "Save the data to a file first, and give the file"


def refuse_stream(path: Path) -> None:
    """Refuse an input that is neither a file nor a folder; a missing path passes.

    A pipe, such as `<(command)` or /dev/stdin, would lose what was read to recognise its format.

    Raises:
        InputError: it is a pipe, a terminal, a socket or a device, or "-".
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        if str(path) == "-":
            raise InputError("standard input is not read", where="-", remedy=_SAVE) from None
        return
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return
    kind = "pipe" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"
    raise InputError(f"is a {kind}, not a file", where=str(path), remedy=_SAVE)
