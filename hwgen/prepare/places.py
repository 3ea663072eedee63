"""Inputs and outputs as callers may give them: paths or text, one or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

Inputs = Path | str | Sequence[Path | str]
"""One path, or several."""


def paths_of(inputs: Inputs) -> list[Path]:
    """Inputs as a list of paths."""
    return [Path(one) for one in ([inputs] if isinstance(inputs, Path | str) else inputs)]
