"""The version of hwgen that makes a result: its number, and the commit of a source checkout."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from pathlib import Path

import hwgen

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 10


@functools.cache
def commit() -> str:
    """The commit of the checkout that this code runs from, `-dirty` behind it where files differ.

    Returns:
        40 hexadecimal digits; "" where hwgen is installed without its repository, or without git.
    """
    if not (_ROOT / ".git").exists():
        return ""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    # Git's own variables, which hooks have, would name another repository.
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    try:
        found = subprocess.run(
            command,
            cwd=_ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def versions(**packages: str) -> dict[str, str]:
    """Versions of hwgen, Python, and packages such as torch."""
    return {"hwgen": hwgen.__version__, "python": platform.python_version(), **packages}
