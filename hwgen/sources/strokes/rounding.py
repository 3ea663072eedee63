"""Strokes of limited precision, and a fingerprint of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from hwgen.sources.strokes.data import Points, Strokes

SCALE = 256
"""Units of a rounded point per unit of the box."""


def rounded(strokes: Mapping[str, Strokes]) -> dict[str, Strokes]:
    """Strokes as a refiner's file of them has them, so that they give the same samples."""
    return {
        label: tuple(stored(line).astype(np.float64) / SCALE for line in lines)
        for label, lines in strokes.items()
    }


def fingerprint(strokes: Mapping[str, Strokes], labels: Iterable[str]) -> str:
    """16 hex digits of the strokes of some labels; a label without strokes counts, too."""
    digest = hashlib.sha256()
    for label in labels:
        lines = strokes.get(label, ())
        digest.update(json.dumps([label, [len(line) for line in lines]]).encode())
        for line in lines:
            digest.update(stored(line).tobytes())
    return digest.hexdigest()[:16]


def stored(line: Points) -> npt.NDArray[np.int16]:
    """A stroke in units of 1 / SCALE, int16 [n, 2]."""
    limit = 1 << 15
    return np.clip(np.rint(line * SCALE), -limit, limit - 1).astype(np.int16)
