"""Rendering pen trajectories as ink on paper.

The pen was sampled at equal intervals of time: its path is a smooth curve through its positions
(Catmull-Rom), and the distance between two positions is its speed. A slow pen presses harder: its
line is wider and darker. The line is a soft disc at many positions along the curve; each pixel
takes the darkest disc.

The pen's width is a length on paper, as in a scan: small handwriting gets thick strokes in the
frame.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hwgen.errors import InputError
from hwgen.imaging.framing import Framing
from hwgen.imaging.hash_noise import mixed, normal
from hwgen.record import PAPER, Image

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]

END_OF_STROKE = (-1, 0)
"""Marks the end of each stroke in a trajectory, after its last point."""

UNITS_PER_PIXEL = 2.8
"""Pen units per pixel of CASIA's scans: the ratio of the sizes of characters in OLHWDB and HWDB."""

_AT_SPEED = (0.5, 0.2)  # fraction of width and darkness lost without pressure
_EDGE = (1.4, 1.5)  # width of a line's soft edge: frame px of Framing's filter, scan px of optics
_GRAIN_SPECK = 1.5  # size of a speck of the paper's texture, scan px
_SPREAD = (0.2, 0.08, 0.03)  # std of log width, log darkness and each term of the linear map

_STEP = 0.6  # frame px between two discs: with a radius of 1, the line's edge waves by 0.05 px
_STEP_OF_RADIUS = 0.33  # or this fraction of a wide pen's radius
_POINTS_AT_ONCE = 2048  # rendered together: arrays that fit the processor's cache
_PIXELS_AT_ONCE = 1 << 18
_WINDOWS_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class Trajectory:
    """The pen's path of one labelled character.

    Attributes:
        points: int16 [n, 2], (x, y) in pen units, y downwards; END_OF_STROKE after each stroke.
        label: see Record.
        writer: see Record.
        source: see Record.
        position: see Record.
    """

    points: npt.NDArray[np.int16]
    label: str
    writer: str
    source: str
    position: int

    @property
    def raw(self) -> Image:
        """The bytes of the points, uint8 [n, 4], as `Ink` takes them."""
        return self.points.view(np.uint8)


@dataclass(frozen=True)
class Ink:
    """Parameters of the ink with which trajectories are rendered.

    Random variation is a function of `seed` and the trajectory, so the same character gives the
    same image in every store.

    Attributes:
        framing: the frame, as for scans: size, margin, and whether the aspect ratio stays.
        pen_width: width of the line where the pen is slow, pixels of a 300 dpi scan.
        pressure: how strongly width and darkness depend on the pen's speed, 0 (not at all) to 1.
        darkness: of the line where the pen is slow, above 0 (paper) to 1 (black).
        grain: how uneven the ink is, 0 to 1.
        jitter: variation of pen width, darkness, slant, rise and proportion between characters:
            0 for none, 1 for the default amount.
        seed: of jitter and grain.

    Raises:
        InputError: a value is out of range.
    """

    framing: Framing = field(default_factory=Framing)
    pen_width: float = 5.2
    pressure: float = 0.7
    darkness: float = 0.87
    grain: float = 0.2
    jitter: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("pen_width", 0.5, 100),
            ("pressure", 0, 1),
            ("darkness", 0.05, 1),
            ("grain", 0, 1),
            ("jitter", 0, 5),
            ("seed", 0, 2**63 - 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                what = name.replace("_", " ")
                raise InputError(f"{what} must be from {low} to {high}, found {value}")

    @property
    def size(self) -> int:
        """Width and height of the images, pixels."""
        return self.framing.size

    def apply(self, trajectory: Trajectory) -> Image:
        """Render one character, uint8 [size, size]."""
        return self.apply_batch([trajectory.raw])[0]

    def apply_batch(self, raws: Sequence[Image], out: Image | None = None) -> Image:
        """Render many characters.

        Args:
            raws: n times `Trajectory.raw`, each with at least one point.
            out: array for the result; None creates one.

        Returns:
            uint8 [n, size, size].
        """
        if out is None:
            out = np.empty((len(raws), self.size, self.size), np.uint8)
        most = max(1, _PIXELS_AT_ONCE // self.size**2)
        start = points = 0
        for stop, raw in enumerate(raws, 1):
            points += len(raw)
            if points >= _POINTS_AT_ONCE or stop - start == most or stop == len(raws):
                self._render(raws[start:stop], out[start:stop])
                start, points = stop, 0
        return out

    def to_json(self) -> dict[str, Any]:
        """Plain JSON of all parameters but the framing, for recipes and manifests."""
        return {key: value for key, value in asdict(self).items() if key != "framing"}

    def _render(self, raws: Sequence[Image], out: Image) -> None:
        points, character, last = _points(raws)
        noise = _noise(raws, self.seed)
        spread = noise * self.jitter
        width = np.float32(self.pen_width) * np.exp(_SPREAD[0] * spread[:, 0])  # [n], scan px
        darkness = np.minimum(1, self.darkness * np.exp(_SPREAD[1] * spread[:, 1]))
        first = np.flatnonzero(np.diff(character, prepend=-1))
        lightness = self.pressure * (1 - _pressure(points, last, first))  # [m]

        # Into the frame, like a scan that is cropped to its ink.
        x, y = points.T
        xx, xy, yx, yy = (_SPREAD[2] * spread[:, 2:6]).T[:, character]
        points = np.stack([x + xx * x + xy * y, y + yx * x + yy * y], axis=1)
        low = np.minimum.reduceat(points, first) - width[:, None] / 2
        extent = np.maximum.reduceat(points, first) + width[:, None] / 2 - low
        box = np.array([self.framing.scaled(h, w) for w, h in extent.tolist()], np.float32)
        scale = box / extent  # [n, 2], frame px in a scan px
        corner = (self.size - box) // 2
        points = (points - low[character]) * scale[character] + corner[character] - 0.5

        mean_scale = np.sqrt(scale[:, 0] * scale[:, 1])
        radius = width / 2 * mean_scale
        step = np.maximum(_STEP, _STEP_OF_RADIUS * radius)
        place, path, along = _curve(points, last, step[character])
        of = character[place]
        lightness = lightness[place] * (1 - along) + lightness[place + ~last[place]] * along
        edge = np.sqrt(_EDGE[0] ** 2 + (_EDGE[1] * mean_scale) ** 2)
        ink = render_discs(
            (len(raws), self.size, self.size),
            of,
            path,
            radius=radius[of] * (1 - _AT_SPEED[0] * lightness),
            darkness=darkness[of] * (1 - _AT_SPEED[1] * lightness),
            edge=edge[of],
            squeeze=(mean_scale[:, None] / scale)[of],
        )
        self._fill(out, ink, noise[:, 6:], mean_scale)

    def _fill(self, out: Image, ink: Floats, noise: Floats, scale: Floats) -> None:
        """Ink on paper, with its darkness modulated by a texture at a random position."""
        texture = _texture()
        top, left = (np.abs(noise).T * 1e6).astype(np.int64) % len(texture)
        rows = (top[:, None] + np.arange(self.size)) % len(texture)
        columns = (left[:, None] + np.arange(self.size)) % len(texture)
        grain = texture[rows[:, :, None], columns[:, None, :]]
        # Specks smaller than a pixel average out.
        amount = self.grain * np.minimum(1, _GRAIN_SPECK * scale)
        ink = ink * (1 + amount[:, None, None] * grain)
        out[:] = np.rint(PAPER * (1 - np.minimum(1, ink)))


def render_discs(
    shape: tuple[int, int, int],
    image: Ints,
    path: Floats,
    *,
    radius: Floats,
    darkness: Floats,
    edge: Floats,
    squeeze: Floats,
) -> Floats:
    """Soft discs on images; each pixel takes the darkest one.

    Args:
        shape: of the result.
        image: int [m], index of the image of each disc.
        path: [m, 2], its centre (x, y); (0, 0) is the centre of the first pixel. Discs outside
            of the image are moved to its edge.
        radius: [m], px.
        darkness: [m], 0 to 1.
        edge: [m], width of the soft edge, px; half of it is outside of the radius.
        squeeze: [m, 2], ratio of a round disc's extent to this one's, in x and y.

    Returns:
        float [n, h, w], 0 is paper.
    """
    count, height, width = shape
    outer = radius + edge / 2
    reach = np.ceil(outer / squeeze.min(axis=1) - 0.5).astype(np.int64)
    pad = int(reach.max())
    padded = (count, height + 2 * pad, width + 2 * pad)
    ink = np.zeros(count * padded[1] * padded[2], path.dtype)
    limits = np.array(((width - 1,), (height - 1,)), path.dtype)
    path = np.clip(path.T, 0, limits)  # [2, m]: the long axis last, which is faster
    centre = np.rint(path).astype(np.int64)
    base = (image * padded[1] + centre[1] + pad) * padded[2] + centre[0] + pad
    shift, squeeze = path - centre.astype(path.dtype), squeeze.T
    slope = -1 / edge
    for size in np.flatnonzero(np.bincount(reach)).tolist():
        offset = np.arange(-size, size + 1)
        window = (offset[:, None] * padded[2] + offset)[..., None]
        offset = offset.astype(path.dtype)[:, None]
        some = np.flatnonzero(reach == size)
        at_once = max(1, _WINDOWS_AT_ONCE // window.size)
        for start in range(0, len(some), at_once):
            m = some[start : start + at_once]
            shifts, squeezes = shift.take(m, axis=1), squeeze.take(m, axis=1)
            away = ((offset - shifts[:, None]) * squeezes[:, None]) ** 2  # [2, k, m]
            gap = np.sqrt(away[1][:, None] + away[0])  # [k, k, m]
            gap -= outer[m]
            gap *= slope[m]
            np.clip(gap, 0, 1, out=gap)
            gap *= darkness[m]
            np.maximum.at(ink, (base[m] + window).ravel(), gap.ravel())
    return ink.reshape(padded)[:, pad : pad + height, pad : pad + width]


def _points(raws: Sequence[Image]) -> tuple[Floats, Ints, npt.NDArray[np.bool_]]:
    """Points [m, 2] in scan px, the character [m] of each, and whether [m] it ends its stroke."""
    points = np.concatenate(raws).view(np.int16)
    character = np.repeat(np.arange(len(raws)), [len(raw) for raw in raws])
    ends = (points[:, 0] == END_OF_STROKE[0]) & (points[:, 1] == END_OF_STROKE[1])
    keep = np.flatnonzero(~ends)
    character = character[keep]
    last = np.append(ends, True)[keep + 1]
    last |= np.diff(character, append=-1) != 0
    return points[keep].astype(np.float32) / np.float32(UNITS_PER_PIXEL), character, last


def _pressure(points: Floats, last: npt.NDArray[np.bool_], first: Ints) -> Floats:
    """Pressure of the pen [m]: 1 at rest, 1/2 at the character's mean speed, towards 0 above.

    Relative to the character's own mean, since ink of fast writers is hardly lighter.
    """
    steps = np.diff(points, axis=0, append=points[-1:])
    length = np.where(last, 0, np.hypot(*steps.T))
    moves = (~last).astype(points.dtype)
    around, ways = length + np.roll(length, 1), moves + np.roll(moves, 1)
    speed = around / np.maximum(
        1, ways
    )  # the last point's length is 0: there is no line to the next stroke
    lengths, counts = np.add.reduceat(length, first), np.add.reduceat(moves, first)
    mean = np.maximum(lengths / np.maximum(1, counts), 1e-6)
    each = np.diff(np.append(first, len(points)))
    return 1 / (1 + (speed / np.repeat(mean, each)) ** 2)


def _curve(
    points: Floats, last: npt.NDArray[np.bool_], step: Floats
) -> tuple[Ints, Floats, Floats]:
    """Positions spaced about equally on smooth curves through the points of each stroke.

    Returns:
        For each position, the index of the point before it [k], its (x, y) [k, 2], and the
        fraction of the way to the next point [k], 0 to 1.
    """
    steps = np.diff(points, axis=0, append=points[-1:])
    steps[last] = 0
    length = np.hypot(*steps.T)
    before = np.roll(steps, 1, axis=0)
    length_before = np.roll(length, 1)
    # Catmull-Rom tangents, limited by the adjacent steps to avoid loops at sharp corners.
    tangent = (steps + before) / 2
    long = np.hypot(*tangent.T)
    limit = np.minimum(
        long, np.where(last | (length_before == 0), long, np.minimum(length, length_before))
    )
    tangent *= (limit / np.maximum(long, 1e-6))[:, None]

    count = np.where(last, 1, np.ceil(length / step)).astype(np.int64).clip(1)
    place = np.repeat(np.arange(len(points)), count)
    begins = np.cumsum(count) - count
    t = ((np.arange(len(place)) - begins[place]) / count[place]).astype(np.float32)[:, None]
    following = place + ~last[place]
    # Cubic Hermite spline, by Horner's rule.
    d = steps[place]
    m0, m1 = tangent[place], tangent[following]
    curve = points[place] + t * (m0 + t * (3 * d - 2 * m0 - m1 + t * (m0 + m1 - 2 * d)))
    curve = np.where(last[place][:, None], points[place], curve)
    return place, curve, t[:, 0]


def _noise(raws: Sequence[Image], seed: int) -> Floats:
    """Eight random numbers per trajectory, functions of it and the seed: float [n, 8]."""
    key = np.array([zlib.crc32(raw.tobytes()) for raw in raws], np.uint64)
    return normal(mixed(key ^ mixed(np.array([seed], np.uint64)))[:, None], np.arange(8))


@cache
def _texture(size: int = 256) -> Floats:
    """float32 [size, size] in -1..1, with mean 0: texture of paper and ink."""
    fine = np.random.default_rng(0).uniform(-1, 1, (size, size)).astype(np.float32)
    # Specks of about two pixels.
    wide = fine + np.roll(fine, 1, axis=0)
    coarse = wide + np.roll(wide, 1, axis=1)
    return (coarse - coarse.mean()) / np.float32(2.5)
