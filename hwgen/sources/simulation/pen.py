"""The pen's path when simulated writers write characters, for many characters at once.

The strokes of a character are bent, moved and stretched: partly by the writer, partly by the
writer's habit for this character, partly at random. Then a pen runs through all of them in order,
faster in the air than on paper. Averaging its path and pressure over a short time rounds corners,
hooks the ends and joins near strokes, as in fast handwriting.

Arrays are flat: all points, strokes or positions of all characters, one character after the other.
This long axis is the last one, which is many times faster in NumPy than the first.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwgen.imaging.hash_noise import Keys, combined, normal, uniform
from hwgen.sources.simulation.hands import WARP_TERMS, Hand, hand_of
from hwgen.sources.strokes.data import BOX, Strokes

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_TICKS = 1024
"""Ticks of time per px of a pen on paper: sums of integers do not depend on the batch."""

_STEP_TICKS = 922

PEN_STEP = _STEP_TICKS / _TICKS
"""Spacing of the pen's positions on paper, px."""

_AIR_SPEED = 2.0  # of the lifted pen; on paper it is 1
_SHIFT, _LINEAR, _BOW = 0.036, 0.11, 0.03  # standard deviations of a stroke's variation
_DOT = 0.5  # pressure of a dot
_JOINED = 0.7  # length of a lift that is joined e times less often than a short one, sizes
_JOIN_PRESSURE = 0.95
_KNOTS = 8.4  # distance between two values of the pressure's random swelling, px

# Ranges of indices of random numbers, so that no two uses share a number.
_OF_STROKE, _OF_WARP, _OF_JOIN, _OF_SWELL, _OF_ALL = (n << 32 for n in range(5))


@dataclass(frozen=True)
class Item:
    """One character to write.

    Attributes:
        strokes: of the character.
        character: number of the character, see character_number: habits differ between characters.
        seed: of the writers.
        writer: number of the writer, see hand_of.
        repeat: number of earlier times the writer wrote it: seeds the random variation.
    """

    strokes: Strokes
    character: int
    seed: int
    writer: int
    repeat: int = 0

    @property
    def hand(self) -> Hand:
        """The writer's hand."""
        return hand_of(self.seed, self.writer)


@dataclass(frozen=True)
class PenPaths:
    """Positions of the pen on paper at equal intervals of time.

    Attributes:
        character: int64 [m], index of the item of each position, ascending.
        path: float32 [2, m], x and y in px, y downwards.
        pressure: float32 [m], above 0 to 1.
        chance: uint64 [n], key of the random variation of each item.
        hands: of the items.
    """

    character: Ints
    path: Floats
    pressure: Floats
    chance: Keys
    hands: Hands


def pen_paths(items: Sequence[Item]) -> PenPaths:
    """Write characters; each depends on its own item alone."""
    habit = _habits(items)
    chance = combined(habit, np.array([item.repeat + 1 for item in items]))
    hands, written = Hands([item.hand for item in items]), _Written(items)
    points = _points(hands, written, habit, chance)
    time, on_paper = _timing(hands, written, points, habit, chance)
    return _pen(hands, written, points, time, on_paper, chance)


def _habits(items: Sequence[Item]) -> Keys:
    seeds = np.array([item.seed for item in items], np.uint64)
    writers = np.array([item.writer for item in items], np.uint64)
    characters = np.array([item.character for item in items], np.uint64)
    return combined(combined(seeds, writers), characters)


def character_number(label: str) -> int:
    """A number below 2^32 for a label, the same on every machine."""
    return zlib.crc32(label.encode())


class Hands:
    """The properties of the hands of several items; see Hand.

    Attributes:
        size, freedom, flow, join, radius, pressure, ink, grain: float32 [n].
        warp: float64 [n, 9, 2].
    """

    def __init__(self, hands: Sequence[Hand]) -> None:
        numbers = [
            (
                hand.size,
                hand.freedom,
                hand.flow,
                hand.join,
                hand.radius,
                hand.pressure,
                hand.ink,
                hand.grain,
            )
            for hand in hands
        ]
        columns = np.array(numbers, np.float32).T.copy()
        self.size, self.freedom, self.flow, self.join = columns[:4]
        self.radius, self.pressure, self.ink, self.grain = columns[4:]
        self.warp = np.stack([hand.warp for hand in hands])


class _Written:
    """The given strokes of all items, flat.

    Attributes:
        points: float32 [2, m] in -1..1.
        stroke: int64 [m], index of the stroke of each point, over all items.
        character: int64 [m], index of the item of each point.
        reach: float32 [2, m], from the middle of the point's stroke.
        along: float32 [m], place along the stroke, -1 to 1.
        stroke_character: int64 [k], index of the item of each stroke.
        stroke_number: int64 [k], of each stroke within its item.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        lines = [line for item in items for line in item.strokes]
        lengths = np.array([len(line) for line in lines])
        counts = np.array([len(item.strokes) for item in items])
        first = np.cumsum(lengths) - lengths
        points = np.ascontiguousarray(np.concatenate(lines).astype(np.float32).T)
        self.points = (points - np.float32(BOX / 2)) / np.float32(BOX / 2)
        self.stroke = np.repeat(np.arange(len(lines)), lengths)
        self.stroke_character = np.repeat(np.arange(len(items)), counts)
        self.stroke_number = _numbers(counts)
        self.character = self.stroke_character[self.stroke]
        middle = np.add.reduceat(self.points, first, axis=1) / lengths.astype(np.float32)
        self.reach = self.points - middle.take(self.stroke, axis=1)
        within = _numbers(lengths).astype(np.float32)
        self.along = within * (2 / np.maximum(1, lengths - 1).astype(np.float32))[self.stroke] - 1


def _points(hands: Hands, written: _Written, habit: Keys, chance: Keys) -> Floats:
    """The writers' strokes, float32 [2, m] in px."""
    of_stroke = written.stroke_character

    # Most of the variation is habit, the rest is random.
    numbers = _OF_STROKE + 8 * written.stroke_number + np.arange(8)[:, None]
    both = 0.8 * normal(habit[of_stroke], numbers)
    both += 0.5 * normal(chance[of_stroke], numbers)
    both *= hands.freedom[of_stroke]
    # Each stroke is shifted, mapped linearly about its middle (length, direction), and bowed to
    # one side.
    shift, linear, bow = both[:2] * _SHIFT, both[2:6] * _LINEAR, both[6:] * _BOW
    s, (x, y) = written.stroke, written.reach
    bend = np.float32(1 / 3) - written.along**2
    points = written.points + shift.take(s, axis=1)
    points += x * linear[0::2].take(s, axis=1)
    points += y * linear[1::2].take(s, axis=1)
    points += bow.take(s, axis=1) * bend

    terms = _OF_WARP + np.arange(18)
    varied = 0.05 * normal(habit[:, None], terms) + 0.025 * normal(chance[:, None], terms)
    varied = hands.freedom[:, None, None] * varied.reshape(-1, 9, 2) * WARP_TERMS
    warp = hands.warp + varied
    size = hands.size * np.exp(0.05 * normal(chance, np.array(_OF_ALL)))
    warp = (warp * (size / 2)[:, None, None]).astype(np.float32)
    x, y = points
    monomials = (x, y, x * x, x * y, y * y, x * x * x, x * x * y, x * y * y, y * y * y)
    out = np.zeros_like(points)
    for monomial, coefficients in zip(monomials, warp.transpose(1, 2, 0), strict=True):
        out += monomial * coefficients.take(written.character, axis=1)
    return out


def _timing(
    hands: Hands, written: _Written, points: Floats, habit: Keys, chance: Keys
) -> tuple[Ints, Floats]:
    """When the pen is at each point, and its pressure on the way to the next one.

    Returns:
        int64 [m]: ticks since the character began; and float32 [m].
    """
    distance = np.hypot(*np.diff(points, append=points[:, -1:]))
    same_stroke = np.diff(written.stroke, append=-1) == 0
    same_character = np.diff(written.character, append=-1) == 0
    lifted = same_character & ~same_stroke

    # Whether a lift is joined is mostly habit; long ones are joined less often.
    of = written.character[lifted]
    numbers = _OF_JOIN + written.stroke_number[written.stroke[lifted]]
    would_join = 0.7 * uniform(habit[of], numbers) + 0.3 * uniform(chance[of], numbers)
    near = np.exp(-((distance[lifted] / (_JOINED * hands.size[of])) ** 2))
    pressure = np.ones(len(distance), np.float32)
    pressure[lifted] = np.where(would_join < hands.join[of] * near, _JOIN_PRESSURE, 0.0)

    ticks = np.rint(distance * np.where(lifted, _TICKS / _AIR_SPEED, _TICKS)).astype(np.int64)
    since = np.cumsum(np.where(same_character, ticks, 0))
    since = np.concatenate([[0], since[:-1]])
    begins = since[np.searchsorted(written.character, np.arange(len(habit)))]
    return since - begins[written.character], pressure


def _pen(
    hands: Hands,
    written: _Written,
    points: Floats,
    time: Ints,
    on_paper: Floats,
    chance: Keys,
) -> PenPaths:
    """The pen's positions at equal intervals of time, averaged over the hands' flow."""
    last = np.searchsorted(written.character, np.arange(len(chance)), side="right") - 1
    ends = time[last]
    counts = ends // _STEP_TICKS + 2
    window = np.maximum(1, np.rint(hands.flow / PEN_STEP).astype(np.int64))
    # Each character is extended at both ends, where the averages reach beyond it.
    extra = window // 2 + 1
    padded = counts + 2 * extra
    character = np.repeat(np.arange(len(chance)), padded)
    when = _STEP_TICKS * (_numbers(padded) - extra[character])

    # One search for all characters, whose times follow each other.
    base = np.cumsum(ends + 1) - ends - 1
    end = ends[character]
    asked = np.clip(when, 0, end)
    segment = np.searchsorted(base[written.character] + time, base[character] + asked, "right") - 1
    following = np.where(segment == last[character], segment, segment + 1)
    begun = time[segment]
    length = np.maximum(time[following] - begun, 1)
    part = ((asked - begun) / length).astype(np.float32)
    from_here = points.take(segment, axis=1)
    path = from_here + part * (points.take(following, axis=1) - from_here)
    pressure = on_paper[segment] * ((when >= 0) & (when <= end + _STEP_TICKS))

    averages = _averaged(np.concatenate([path, pressure[None]]), window, padded)
    number = _numbers(counts)
    character = np.repeat(np.arange(len(chance)), counts)
    inner = number + (np.cumsum(padded) - padded + extra)[character]
    path = averages[:2].take(inner, axis=1)
    # Below a third of the full pressure the pen is off the paper.
    pressure = np.clip(1.5 * averages[2, inner] - 0.5, 0, 1)
    pressure = pressure * np.clip(1 - _swelling(hands, counts, character, chance), 0.25, 1.2)
    # A character of a single point, too short to press on the paper, is a dot.
    first = np.cumsum(counts) - counts
    pressure[first[np.maximum.reduceat(pressure, first) <= 0]] = _DOT
    down = np.flatnonzero(pressure > 0)
    return PenPaths(
        character[down],
        path.take(down, axis=1),
        pressure[down].astype(np.float32),
        chance,
        hands,
    )


def _swelling(hands: Hands, counts: Ints, character: Ints, chance: Keys) -> Floats:
    """Random loss of pressure at each position, float32 [m]: it swells and fades."""
    at = _numbers(counts) * (PEN_STEP / _KNOTS)
    knot = at.astype(np.int64)
    between = (at - knot).astype(np.float32)
    knots = ((counts - 1) * (PEN_STEP / _KNOTS)).astype(np.int64) + 2
    numbers = _OF_SWELL + _numbers(knots)
    values = normal(chance[np.repeat(np.arange(len(chance)), knots)], numbers)
    place = (np.cumsum(knots) - knots)[character] + knot
    swell = (1 - between) * values[place]
    swell += between * values[place + 1]
    return hands.pressure[character] * (0.35 + 0.5 * swell)


def _averaged(values: Floats, window: Ints, counts: Ints) -> Floats:
    """Values float32 [c, m], averaged over each character's window with Hann weights.

    Args:
        values: of each character, counts[n] of them, at least window[n] // 2 at both ends of which
            are not needed.
        window: of each character, positions.
        counts: positions of each character.
    """
    widest = int(window.max())
    offsets = np.arange(-(widest // 2), (widest + 1) // 2)
    # As np.hanning without its zeros at the ends, centred; windows of even length lag by half.
    place = offsets + window[:, None] // 2
    inside = (place >= 0) & (place < window[:, None])
    weights = np.where(inside, np.sin(np.pi * (place + 1) / (window[:, None] + 1)) ** 2, 0)
    weights = (weights * 2 / (window[:, None] + 1)).astype(np.float32)  # their sum is 1
    out = np.zeros_like(values)
    ends = np.cumsum(counts)
    for column, offset in enumerate(offsets.tolist()):
        # Only the characters whose windows reach so far: few, where they are sorted.
        some = np.flatnonzero(inside[:, column])
        first, last = int(some[0]), int(some[-1]) + 1
        begin, end = int(ends[first] - counts[first]), int(ends[last - 1])
        low, high = max(begin, -offset), min(end, values.shape[1] - offset)
        weight = np.repeat(weights[first:last, column], counts[first:last])
        out[:, low:high] += (
            weight[low - begin : high - begin] * values[:, low + offset : high + offset]
        )
    return out


def _numbers(counts: Ints) -> Ints:
    """Numbers from 0 within each of several runs: [2, 3] -> [0, 1, 0, 1, 2]."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
