"""What paper, light and scanner add to a line: light, ruled and squared paper, shadow, noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from hwgen.errors import InputError
from hwgen.lines.composing import Paper
from hwgen.record import PAPER, Image
from hwgen.suggestions import suggest

Floats = npt.NDArray[np.float32]

NONE = "none"
_OFTEN = 0.5
"""Fraction of the lines that have a look, except for light, which all have."""


def parse_looks(text: str) -> tuple[str, ...]:
    """Looks from a text such as "light,ruled"; "none" is white paper.

    Raises:
        InputError: there is no such look.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in (*LOOKS, NONE):
            raise InputError(f"no look {name!r:.40}", remedy=suggest(name, [*LOOKS, NONE]))
    return tuple(name for name in LOOKS if name in names)


def apply_looks(line: Paper, looks: Sequence[str], rng: np.random.Generator) -> Image:
    """A line with looks.

    Args:
        line: black ink on white paper.
        looks: names from LOOKS.
        rng: decides on each.

    Returns:
        uint8 [height, width].
    """
    if not looks:
        return line.image
    ink: Floats = line.image.astype(np.float32) / np.float32(PAPER)
    # Drawn for all of LOOKS, so that one does not depend on the others. A sheet has one pattern.
    chosen = dict(zip(LOOKS, rng.random(len(LOOKS)) < _OFTEN, strict=True))
    if {"ruled", "squared"} <= set(looks):
        chosen["squared"] = not chosen["ruled"]
    for number, (name, look) in enumerate(LOOKS.items()):
        own = np.random.default_rng((int(rng.integers(1 << 62)), number))
        if name in looks and (chosen[name] or name == "light"):
            ink = look(ink, line, own)
    return np.rint(np.clip(ink, 0, 1) * PAPER).astype(np.uint8)


def _ruled(page: Floats, line: Paper, rng: np.random.Generator) -> Floats:
    """A line below the characters and, where there is room, one above."""
    below = line.base + line.unit * (0.5 + rng.uniform(0, 0.15))
    distance = line.unit * rng.uniform(1.2, 1.6)
    rows = np.arange(page.shape[0], dtype=np.float32)[:, None]
    columns = np.arange(page.shape[1], dtype=np.float32)
    tilt = float(rng.normal(0, 0.003))
    away = np.abs((rows - below - tilt * columns + distance / 2) % distance - distance / 2)
    return _printed(page, away, rng)


def _squared(page: Floats, line: Paper, rng: np.random.Generator) -> Floats:
    """Squares of a third of a character up to a whole one."""
    distance = line.unit * rng.uniform(0.35, 1.15)
    phase = rng.uniform(0, distance, 2)
    rows = np.arange(page.shape[0], dtype=np.float32)[:, None]
    columns = np.arange(page.shape[1], dtype=np.float32)[None]
    away = [
        np.abs((place + start) % distance - distance / 2)
        for place, start in zip((rows, columns), phase, strict=True)
    ]
    return _printed(page, np.minimum(*away), rng)


def _printed(page: Floats, away: Floats, rng: np.random.Generator) -> Floats:
    """Printed lines, at a distance of `away` pixels from each pixel."""
    half_width, darkness = rng.uniform(0.3, 0.9), rng.uniform(0.12, 0.45)
    printed = 1 - darkness * np.clip(half_width + 0.5 - away, 0, 1)
    found: Floats = np.minimum(page, printed.astype(np.float32))
    return found


def _light(page: Floats, line: Paper, rng: np.random.Generator) -> Floats:
    """Paper that is not quite white, ink that is not quite black, and light that fades."""
    white, black = rng.uniform(0.86, 1.0), rng.uniform(0.0, 0.18)
    place = np.linspace(-0.5, 0.5, page.shape[1], dtype=np.float32)
    fading = 1 + np.float32(rng.normal(0, 0.04)) * place
    found: Floats = (np.float32(black) + page * np.float32(white - black)) * fading
    return found


def _shadow(page: Floats, line: Paper, rng: np.random.Generator) -> Floats:
    """The soft edge of a shadow across the line."""
    height, width = page.shape
    soft, depth = line.unit * rng.uniform(0.3, 3), rng.uniform(0.15, 0.5)
    x = np.arange(width, dtype=np.float32) - np.float32(rng.uniform(0, width))
    y = np.arange(height, dtype=np.float32)[:, None]
    away = (x + np.float32(rng.uniform(-1.5, 1.5)) * y) * np.float32(rng.choice([-1, 1]) / soft)
    found: Floats = page * (1 - np.float32(depth) / (1 + np.exp(-away)))
    return found


def _noise(page: Floats, line: Paper, rng: np.random.Generator) -> Floats:
    """A scanner: soft edges, grain, and specks of dust."""
    soft = np.float32(rng.uniform(0, 0.25))
    for axis in (0, 1):
        page = (1 - 2 * soft) * page + soft * (np.roll(page, 1, axis) + np.roll(page, -1, axis))
    grain = rng.standard_normal(page.shape, np.float32) * np.float32(rng.uniform(0.005, 0.04))
    page = page + grain
    count = rng.poisson(page.size / 4000)
    page[rng.integers(page.shape[0], size=count), rng.integers(page.shape[1], size=count)] *= (
        rng.uniform(0.3, 1.0)
    )
    return page


LOOKS: Mapping[str, Callable[[Floats, Paper, np.random.Generator], Floats]] = {
    "ruled": _ruled,
    "squared": _squared,
    "light": _light,
    "shadow": _shadow,
    "noise": _noise,
}
"""Looks by name, in the order in which they are applied."""
