"""Fréchet distance between two sets of features, as Gaussians with their moments."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hwgen.errors import InputError

Features = npt.NDArray[np.floating]


def frechet_distance(a: Features, b: Features) -> float:
    """|m_a - m_b|^2 + Tr(C_a + C_b - 2 (C_a C_b)^(1/2)), with covariances over n - 1.

    Dowson & Landau 1982, Eq. 4; on features of a network (FID): Heusel et al. 2017, Eq. 6. The
    trace of the root is the sum of the singular values of R_a R_b^T, where C = R^T R comes from a
    QR decomposition of the data: it is exact for covariances without full rank, and never complex.
    Small sets give larger distances, so compare only distances of sets of equal size.

    Args:
        a: [n, d], n >= 2.
        b: [m, d], m >= 2.

    Returns:
        At least 0, in squared units of the features.

    Raises:
        InputError: a set has fewer than two rows, or the numbers of columns differ.
    """
    if min(len(a), len(b)) < 2 or a.shape[1] != b.shape[1]:
        raise InputError(
            f"the Fréchet distance is not defined for sets of shapes {a.shape} and {b.shape}",
            remedy="Give at least two rows in each set, with equally many columns",
        )
    mean_a, root_a = _moments(a)
    mean_b, root_b = _moments(b)
    root = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    spread = (root_a**2).sum() + (root_b**2).sum() - 2 * root
    return max(0.0, float(((mean_a - mean_b) ** 2).sum() + spread))


def _moments(
    features: Features,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The mean [d], and R [min(n, d), d] with R^T R the covariance."""
    values = features.astype(np.float64)
    mean = values.mean(axis=0)
    values -= mean
    # R of the QR decomposition is a root of the covariance, without squaring the data.
    root = np.linalg.qr(values, mode="r") / np.sqrt(len(values) - 1)
    return mean, root
