"""The hands of simulated writers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hwgen.sources.strokes.data import Points

WARP_TERMS = np.array([0.5, 0.5, 1, 1, 1, 0.6, 0.6, 0.6, 0.6])[:, None]
"""Relative strength [9, 1] of the monomials of a random warp, see Hand.warp."""


@dataclass(frozen=True)
class Hand:
    """The properties of one simulated writer.

    Attributes:
        size: size of the strokes' box on paper, px.
        warp: [9, 2] coefficients of the monomials x, y, x², xy, y², x³, x²y, xy², y³: slant, rise,
            proportion and a smooth deformation of the whole box.
        freedom: how far strokes deviate from the given ones, relative to an average writer.
        flow: length over which the pen's path is averaged, px: 2 is neat, 24 is cursive.
        join: probability that the pen stays on paper between two near strokes.
        radius: of the pen, px.
        pressure: how much radius and ink vary along the strokes, 0 to 1.
        ink: darkness of a full stroke, 0 to 1.
        grain: fraction of the ink removed by the paper's texture, 0 to 1.
    """

    size: float
    warp: Points
    freedom: float
    flow: float
    join: float
    radius: float
    pressure: float
    ink: float
    grain: float


@lru_cache(maxsize=1 << 16)
def hand_of(seed: int, writer: int) -> Hand:
    """The hand of writer number `writer`, a function of (seed, writer)."""
    rng = np.random.default_rng([seed, writer])
    warp = 0.08 * rng.normal(0, 1, (9, 2)) * WARP_TERMS
    proportion = np.exp(rng.normal(-0.15, 0.13))  # width to height
    warp[0, 0] += np.sqrt(proportion)
    warp[1, 1] += 1 / np.sqrt(proportion)
    warp[1, 0] -= rng.normal(0.08, 0.13)  # slant: the top leans to the right
    warp[0, 1] -= rng.normal(0.11, 0.09)  # rise: strokes climb to the right
    # Who writes fast also lifts the pen less often.
    cursive, joining = rng.uniform(size=2)
    return Hand(
        size=74 * np.exp(rng.normal(0, 0.14)),
        warp=warp,
        freedom=float(np.exp(rng.normal(0, 0.25))),
        flow=float(2 + 22 * cursive),
        join=float(0.15 + 0.85 * (cursive + joining) / 2),
        radius=float(np.clip(rng.normal(1.75, 0.35), 1.0, 2.6)),
        pressure=float(rng.uniform(0.15, 0.6)),
        ink=float(rng.uniform(0.7, 1.0)),
        grain=float(rng.uniform(0.1, 0.55)),
    )
