"""Pen paths as images: cropped to the ink like scans, or directly in the frame of a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from hwgen.imaging.framing import Framing
from hwgen.imaging.hash_noise import normal, uniform
from hwgen.imaging.ink import render_discs
from hwgen.record import PAPER, Image
from hwgen.sources.simulation.pen import Floats, Item, PenPaths, pen_paths

_FAINTEST = 0.04  # ink below this is paper
_SPECK = 1.5  # size of a speck of the paper's texture, px
_SCAN_EDGE = 1.0  # width of a line's soft edge in a scan, px
_FRAME_EDGE = 1.4  # of Framing's filter, frame px
_OF_RADIUS, _OF_PLACE = (
    5 << 32,
    6 << 32,
)  # indices of random numbers, see hwgen.sources.simulation.pen


def scans(items: Sequence[Item]) -> list[Image]:
    """Images as a scanner at 300 dpi would see them.

    Returns:
        n times uint8 [h, w], cropped to the ink: 255 is paper, ink is 0 to 254.
    """
    pens = _pens(items)
    images = []
    margin = int(np.ceil(pens.radius.max() + _SCAN_EDGE)) + 1
    for number in range(len(items)):
        pen = pens.of(number)
        path = pen.path - pen.path.min(axis=1, keepdims=True) + margin
        width, height = (np.ceil(path.max(axis=1)).astype(np.int64) + margin + 1).tolist()
        one = np.ones(path.shape[1], np.float32)
        ink = render_discs(
            (1, height, width),
            np.zeros(len(one), np.int64),
            path.T,
            radius=pen.radius,
            darkness=pen.darkness,
            edge=_SCAN_EDGE * one,
            squeeze=np.stack([one, one], axis=1),
        )
        image = _inked(pens, ink, np.ones(1, np.float32), number)[0]
        rows, columns = (np.flatnonzero((image < PAPER).any(axis)) for axis in (1, 0))
        images.append(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy())
    return images


def framed(items: Sequence[Item], framing: Framing) -> Image:
    """Images in the frame of a store, about as `framing` makes them of `scans`, but faster.

    Returns:
        uint8 [n, size, size], 255 is paper.
    """
    pens = _pens(items)
    first = np.searchsorted(pens.character, np.arange(len(items)))
    reach = pens.radius + np.float32(_SCAN_EDGE / 2)
    low = np.minimum.reduceat(pens.path - reach, first, axis=1)
    extent = np.maximum.reduceat(pens.path + reach, first, axis=1) - low
    box = np.array([framing.scaled(h, w) for w, h in extent.T.tolist()], np.float32).T
    scale = box / extent  # [2, n], frame px in a scan px
    corner = (framing.size - box) // 2
    mean_scale = np.sqrt(scale[0] * scale[1])
    # A position in a frame that is much smaller than the scan lies within half a pixel of others.
    step = np.maximum(1, (0.5 / np.float32(mean_scale)).astype(np.int64))
    c = pens.character
    kept = np.flatnonzero((np.arange(len(c)) - first[c]) % step[c] == 0)
    of = c[kept]
    path = pens.path.take(kept, axis=1) - low.take(of, axis=1)
    path = path * scale.take(of, axis=1) + corner.take(of, axis=1) - np.float32(0.5)
    edge = np.sqrt(_FRAME_EDGE**2 + (_SCAN_EDGE * mean_scale) ** 2).astype(np.float32)
    ink = render_discs(
        (len(items), framing.size, framing.size),
        of,
        path.T,
        radius=pens.radius[kept] * mean_scale[of],
        darkness=pens.darkness[kept],
        edge=edge[of],
        squeeze=(mean_scale / scale).take(of, axis=1).T,
    )
    # Soft edges end at the box, as those of a scan that is cropped to its ink.
    places = np.arange(framing.size)
    corner, box = corner[..., None], box[..., None]
    across, down = (places >= corner) & (places < corner + box)  # [n, size]
    ink *= down[:, :, None] & across[:, None, :]
    return _inked(pens, ink, mean_scale)


@dataclass(frozen=True)
class _Pens(PenPaths):
    """Pen paths with the pen's width.

    Attributes:
        radius: float32 [m], px.
        darkness: float32 [m], 0 to 1.
    """

    radius: Floats
    darkness: Floats

    def of(self, number: int) -> _Pens:
        """Those of one item."""
        low, high = np.searchsorted(self.character, [number, number + 1])
        part = slice(low, high)
        return _Pens(
            self.character[part],
            self.path[:, part],
            self.pressure[part],
            self.chance,
            self.hands,
            self.radius[part],
            self.darkness[part],
        )


def _pens(items: Sequence[Item]) -> _Pens:
    paths = pen_paths(items)
    c, pressure, hands = paths.character, paths.pressure, paths.hands
    press = hands.pressure[c]
    numbers = _OF_RADIUS + np.arange(len(c)) - np.searchsorted(c, np.arange(len(items)))[c]
    radius = hands.radius[c]
    radius *= (0.55 + 0.45 * pressure) * np.exp(0.06 * normal(paths.chance[c], numbers))
    darkness = hands.ink[c] * (1 - press * (1 - pressure))
    return _Pens(c, paths.path, pressure, paths.chance, hands, radius, darkness)


def _inked(pens: _Pens, ink: Floats, scale: Floats, first: int = 0) -> Image:
    """Ink float [n, h, w] on paper, each at a random place of its texture."""
    count, height, width = ink.shape
    texture = _texture()
    some = slice(first, first + count)
    places = uniform(pens.chance[some, None], _OF_PLACE + np.arange(2))
    top, left = (places * len(texture)).astype(np.int64).T
    # The texture repeats without end.
    repeated = np.pad(texture, ((0, height), (0, width)), mode="wrap")
    specks = sliding_window_view(repeated, (height, width))[top, left]
    # Specks smaller than a pixel average out.
    contrast = np.minimum(1, _SPECK * scale)
    grain = pens.hands.grain[some, None, None]
    ink = ink * (1 - grain * (0.5 + (specks - 0.5) * contrast[:, None, None]))
    image = PAPER - np.rint(PAPER * np.minimum(ink, 1))
    return np.where(ink < _FAINTEST, PAPER, image).astype(np.uint8)


@cache
def _texture(size: int = 256) -> Floats:
    """float32 [size, size] in 0..1, with mean 0.5: texture of paper and ink."""
    fine = np.random.default_rng(1).random((size, size))
    # Averaging neighbours along the diagonals gives specks of about two pixels.
    coarse = sum(np.roll(fine, shift, axis=(0, 1)) for shift in ((0, 0), (0, 1), (1, 0), (1, 1)))
    speckled = 0.5 + 0.6 * (coarse / 4 - 0.5) * 4 + 0.3 * (fine - 0.5)
    return np.clip(speckled, 0, 1).astype(np.float32)
