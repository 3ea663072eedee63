"""Simulated pen handwriting from the strokes of characters.

For pretraining of recognisers and generators, and for demonstrations and tests of the pipeline.

The strokes of a character are bent, moved and stretched: partly by the writer, partly by the
writer's habit for this character, partly at random. Then a pen runs through all of them in order,
faster in the air than on paper. Averaging its path and pressure over a short time rounds corners,
hooks the ends and joins near strokes, as in fast handwriting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwgen.record import PAPER, Image
from hwgen.sources.strokes.data import BOX, Points, Strokes

_PEN_STEP = 0.7  # spacing of the pen's positions on paper, px
_AIR_SPEED = 2.0  # of the lifted pen; on paper it is 1
_FAINTEST = 0.04  # ink below this is paper


# --- A writer ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hand:
    """The properties of one simulated writer.

    Attributes:
        size: size of the strokes' box on paper, px.
        warp: [9, 2] coefficients of the monomials of `_monomials`: slant, rise, proportion and
            a smooth deformation of the whole box.
        freedom: how far strokes deviate from the given ones, relative to an average writer.
        flow: length over which the pen's path is averaged, px: 0 is neat, 8 is cursive.
        join: probability that the pen stays on paper between two near strokes.
        radius: of the pen, px.
        pressure: how much radius and ink vary along the strokes, 0 to 1.
        ink: darkness of a full stroke, 0 to 1.
        grain: fraction of the ink removed by the paper's texture, 0 to 1.
        texture: float [n, n] in 0..1: the paper's texture.
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
    texture: Points


def hand_of(seed: int, writer: int) -> Hand:
    """The hand of writer number `writer`, a function of (seed, writer)."""
    rng = np.random.default_rng([seed, writer])
    warp = _warp(rng, 0.08)
    proportion = np.exp(rng.normal(-0.15, 0.13))  # width to height
    warp[0, 0] += np.sqrt(proportion)
    warp[1, 1] += 1 / np.sqrt(proportion)
    warp[1, 0] -= rng.normal(0.08, 0.13)  # slant: the top leans to the right
    warp[0, 1] -= rng.normal(0.11, 0.09)  # rise: strokes climb to the right
    return Hand(
        size=74 * np.exp(rng.normal(0, 0.14)),
        warp=warp,
        freedom=float(np.exp(rng.normal(0, 0.25))),
        flow=float(rng.uniform(1.5, 8.5)),
        join=float(rng.beta(0.9, 1.6)),
        radius=float(np.clip(rng.normal(1.75, 0.35), 1.0, 2.6)),
        pressure=float(rng.uniform(0.15, 0.6)),
        ink=float(rng.uniform(0.7, 1.0)),
        grain=float(rng.uniform(0.1, 0.55)),
        texture=_texture(rng),
    )


def _texture(rng: np.random.Generator, size: int = 192) -> Points:
    fine = rng.random((size, size))
    # Averaging neighbours along the diagonals gives specks of about two pixels.
    coarse = sum(np.roll(fine, shift, axis=(0, 1)) for shift in ((0, 0), (0, 1), (1, 0), (1, 1)))
    return np.clip(0.5 + 0.6 * (coarse / 4 - 0.5) * 4 + 0.3 * (fine - 0.5), 0, 1)


def _warp(rng: np.random.Generator, amount: float) -> Points:
    """Coefficients [9, 2]: linear terms, and weaker ones of degree two and three."""
    strength = np.array([0.5, 0.5, 1, 1, 1, 0.6, 0.6, 0.6, 0.6])[:, None]
    return rng.normal(0, amount, (9, 2)) * strength


def _monomials(points: Points) -> Points:
    x, y = points.T
    return np.stack([x, y, x * x, x * y, y * y, x**3, x * x * y, x * y * y, y**3], axis=1)


# --- A character ------------------------------------------------------------------------------


def simulate_writer(
    seed: int, writer: int, characters: Iterable[str], strokes: Mapping[str, Strokes]
) -> Iterator[tuple[str, Image]]:
    """The characters in one writer's hand, as (label, image) in the order given.

    An image is a function of (seed, writer, character).
    """
    hand = hand_of(seed, writer)
    for character in characters:
        yield character, write_character(hand, strokes[character], (seed, writer, ord(character)))


def write_character(
    hand: Hand, strokes: Strokes, key: tuple[int, int, int], repeat: int = 0
) -> Image:
    """One character by one writer.

    Args:
        hand: from `hand_of`.
        strokes: from StrokeData.
        key: (seed, writer, code point): seeds the writer's habit for this character.
        repeat: number of earlier times the writer wrote it: seeds the random variation.

    Returns:
        uint8 [h, w], cropped to the ink: 255 is paper, ink is 0 to 254.
    """
    habit = np.random.default_rng(key)
    chance = np.random.default_rng((*key, repeat + 1))
    points, stroke = _written(hand, strokes, habit, chance)
    path, pressure = _pen_path(hand, points, stroke, habit, chance)
    return _ink(hand, path, pressure, chance)


def _written(
    hand: Hand, strokes: Strokes, habit: np.random.Generator, chance: np.random.Generator
) -> tuple[Points, npt.NDArray[np.int64]]:
    """Points [n, 2] of the writer's strokes in px, and the stroke [n] of each."""
    lengths = [len(line) for line in strokes]
    stroke = np.repeat(np.arange(len(strokes)), lengths)
    points = (np.concatenate(strokes) - BOX / 2) / (BOX / 2)
    middle = np.stack([line.mean(axis=0) for line in strokes]) * (2 / BOX) - 1
    reach = points - middle[stroke]
    # Place along the stroke, from -1 to 1.
    along = np.concatenate([np.linspace(-1, 1, length) for length in lengths])

    # Each stroke is shifted, mapped linearly about its middle (length, direction), and bowed to
    # one side. Most of the variation is habit, the rest is random.
    def variation(spread: float, *shape: int) -> Points:
        both = 0.8 * habit.normal(size=shape) + 0.5 * chance.normal(size=shape)
        return hand.freedom * spread * both

    count = len(strokes)
    shift, linear, bow = (
        variation(0.036, count, 2),
        variation(0.11, count, 2, 2),
        variation(0.03, count, 2),
    )
    points = points + shift[stroke] + np.einsum("nij,nj->ni", linear[stroke], reach)
    points += bow[stroke] * (1 / 3 - along**2)[:, None]

    warp = hand.warp + hand.freedom * (_warp(habit, 0.05) + _warp(chance, 0.025))
    size = hand.size * np.exp(chance.normal(0, 0.05))
    return _monomials(points) @ warp * (size / 2), stroke


def _pen_path(
    hand: Hand,
    points: Points,
    stroke: npt.NDArray[np.int64],
    habit: np.random.Generator,
    chance: np.random.Generator,
) -> tuple[Points, Points]:
    """The pen's positions [m, 2] in px at equal intervals of time, and its pressure [m], 0 to 1."""
    distance = np.hypot(*np.diff(points, axis=0).T)
    lifted = np.diff(stroke) > 0
    count = int(stroke[-1]) + 1

    # Whether a lift is joined is mostly habit; long ones are joined less often.
    would_join = 0.7 * habit.random(count - 1) + 0.3 * chance.random(count - 1)
    joined = would_join < hand.join * np.exp(-((distance[lifted] / (0.3 * hand.size)) ** 2))
    lift_pressure = np.where(joined, 0.65, 0.0)

    time = np.concatenate([[0.0], np.cumsum(distance / np.where(lifted, _AIR_SPEED, 1.0))])
    steps = np.arange(0, time[-1] + _PEN_STEP, _PEN_STEP)
    path = np.stack([np.interp(steps, time, points[:, axis]) for axis in (0, 1)], axis=1)
    segment = np.clip(np.searchsorted(time, steps, side="right") - 1, 0, len(lifted) - 1)
    on_paper = np.ones(len(lifted))
    on_paper[lifted] = lift_pressure
    pressure = on_paper[segment]

    window = max(1, round(hand.flow / _PEN_STEP))
    kernel = np.hanning(window + 2)[1:-1]
    kernel /= kernel.sum()
    before, after = window // 2, window - 1 - window // 2
    padded = np.pad(path, ((before, after), (0, 0)), mode="edge")
    path = np.stack([np.convolve(padded[:, axis], kernel, "valid") for axis in (0, 1)], axis=1)
    # Below a third of the full pressure the pen is off the paper.
    padded = np.pad(pressure, (before, after), mode="constant")
    pressure = np.clip(1.5 * np.convolve(padded, kernel, "valid") - 0.5, 0, 1)

    knots = np.arange(0, len(steps) + 12, 12)
    swell = np.interp(np.arange(len(steps)), knots, chance.normal(0, 1, len(knots)))
    pressure = pressure * np.clip(1 - hand.pressure * (0.35 + 0.5 * swell), 0.25, 1.2)
    return path, pressure


def _ink(hand: Hand, path: Points, pressure: Points, chance: np.random.Generator) -> Image:
    """The pen as a soft disc at each position; each pixel takes the darkest disc."""
    down = pressure > 0
    path, pressure = path[down], pressure[down]
    radius = hand.radius * (0.55 + 0.45 * pressure) * np.exp(chance.normal(0, 0.06))
    darkness = hand.ink * (1 - hand.pressure * (1 - pressure))

    margin = int(np.ceil(radius.max() + 0.5))
    path = path - path.min(axis=0) + margin
    nearest = np.rint(path).astype(np.int64)
    width, height = nearest.max(axis=0) + margin + 1

    offset = np.arange(-margin, margin + 1)
    dx = offset - (path - nearest)[:, :1]  # [m, k]
    dy = offset - (path - nearest)[:, 1:]
    gap = np.sqrt(dy[:, :, None] ** 2 + dx[:, None, :] ** 2)  # [m, k, k]
    cover = np.clip(radius[:, None, None] + 0.5 - gap, 0, 1) * darkness[:, None, None]
    rows = nearest[:, 1, None, None] + offset[:, None]
    places = rows * width + nearest[:, 0, None, None] + offset
    ink = np.zeros(height * width)
    np.maximum.at(ink, places.ravel(), cover.ravel())

    top, left = chance.integers(0, len(hand.texture), 2)
    grain = np.take(hand.texture, np.arange(top, top + height), axis=0, mode="wrap")
    grain = np.take(grain, np.arange(left, left + width), axis=1, mode="wrap")
    ink = ink.reshape(height, width) * (1 - hand.grain * grain)
    image = np.where(ink < _FAINTEST, PAPER, PAPER - np.rint(PAPER * np.minimum(ink, 1)))
    inked_rows, inked_columns = (np.flatnonzero((image < PAPER).any(axis)) for axis in (1, 0))
    cropped = image[inked_rows[0] : inked_rows[-1] + 1, inked_columns[0] : inked_columns[-1] + 1]
    return cropped.astype(np.uint8)
