"""Imported first: from here on, nothing is imported or run from the current folder.

`python -m hwgen_cli` looks there first, as does any command if PYTHONPATH has an empty entry, so
that a file named numpy.py among a user's data would be run. So would a program, if PATH has an
empty entry. Only modules that every interpreter has loaded may be imported here.
"""

from __future__ import annotations

import os
import sys


def without_current_folder(path: list[str], root: str) -> list[str]:
    """The entries of `sys.path` to import from.

    Args:
        path: `sys.path`.
        root: the folder that contains hwgen, which stays even if it is the current one.
    """
    here = os.path.realpath(os.curdir)
    if here == os.path.realpath(root):
        return path
    kept = [entry for entry in path if os.path.isabs(entry) and os.path.realpath(entry) != here]
    return kept if root in kept else [*kept, root]


sys.path[:] = without_current_folder(
    sys.path, os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
)
if "PATH" in os.environ:
    os.environ["PATH"] = os.pathsep.join(
        filter(os.path.isabs, os.environ["PATH"].split(os.pathsep))
    )
