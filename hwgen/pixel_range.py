"""The values of paper and ink in a network, in a module that imports no NumPy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PixelRange:
    """The values of white paper and full ink at the input of a network."""

    paper: float
    ink: float
