"""Nearest neighbours and membership in balls by Euclidean distance, in bounded memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float32]

BLOCK_BYTES = 64 << 20
"""Most memory for distances at a time."""


def nearest(
    queries: Points, points: Points, k: int = 1, *, itself: bool = False
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """The k nearest points of each query, by Euclidean distance, the nearest first.

    Candidates come from |q|^2 - 2 q p + |p|^2 in float32, a matrix product. It has large rounding
    errors for small distances, so the k found are recomputed from the differences in float64.

    Args:
        queries: float32 [n, d].
        points: float32 [m, d].
        k: at most m, or m - 1 with `itself`.
        itself: the queries are the points, and a point is no neighbour of itself.

    Returns:
        Distances float64 [n, k] and indices of the points int64 [n, k].
    """
    centre = points.mean(axis=0, dtype=np.float64).astype(np.float32)
    near, far = queries - centre, points - centre
    squares = np.einsum("ij,ij->i", far, far)
    distances = np.empty((len(queries), k))
    indices = np.empty((len(queries), k), np.int64)
    rows = max(1, BLOCK_BYTES // (4 * len(points)))
    for start in range(0, len(queries), rows):
        block = near[start : start + rows]
        # |q|^2 is the same for all points of a row.
        scores = squares - 2 * (block @ far.T)
        if itself:
            own = np.arange(len(block))
            scores[own, start + own] = np.inf
        found = np.argpartition(scores, k - 1, axis=1)[:, :k]
        exact = np.empty(found.shape)
        for column in range(k):
            difference = (block - far[found[:, column]]).astype(np.float64)
            exact[:, column] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
        order = np.argsort(exact, axis=1, kind="stable")
        distances[start : start + rows] = np.take_along_axis(exact, order, axis=1)
        indices[start : start + rows] = np.take_along_axis(found, order, axis=1)
    return distances, indices


def inside(
    queries: Points, points: Points, radii: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Number of balls around the points that each query lies in; a ball includes its surface.

    Args:
        queries: float32 [n, d].
        points: float32 [m, d], the centres.
        radii: float64 [m].

    Returns:
        int64 [n].
    """
    centre = points.mean(axis=0, dtype=np.float64).astype(np.float32)
    near, far = queries - centre, points - centre
    limits = (radii**2 - np.einsum("ij,ij->i", far, far, dtype=np.float64)).astype(np.float32)
    counts = np.empty(len(queries), np.int64)
    rows = max(1, BLOCK_BYTES // (4 * len(points)))
    for start in range(0, len(queries), rows):
        block = near[start : start + rows]
        own = np.einsum("ij,ij->i", block, block)
        counts[start : start + rows] = (own[:, None] - 2 * (block @ far.T) <= limits).sum(axis=1)
    return counts
