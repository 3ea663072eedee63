"""Random numbers that are functions of a key and an index, for many keys at once.

One NumPy generator per character would cost more than rendering the character. The hash is
splitmix64 (Steele et al. 2014); the sum of its four 16-bit words is close to normal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float32]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mixed(bits: Keys) -> Keys:
    """The splitmix64 finaliser: equal keys stay equal, similar ones become unrelated."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def combined(keys: Keys, numbers: npt.NDArray[Any]) -> Keys:
    """New keys from keys and integers, by broadcasting."""
    return mixed(keys ^ mixed(np.atleast_1d(numbers).astype(np.uint64) + _GOLDEN))


def normal(keys: Keys, indices: npt.NDArray[Any]) -> Floats:
    """Numbers with mean 0 and variance 1, within ±3.47, by broadcasting.

    Args:
        keys: of any shape.
        indices: from 0; each index of a key gives an independent number.

    Returns:
        float32 of the broadcast shape.
    """
    words = _bits(keys, indices)[..., None].view(np.uint16).astype(np.float32)
    words /= np.float32(65535)
    # Four uniform numbers in [0, 1]: mean 2, variance 4 / 12. Much faster than sum(axis=-1).
    total = words[..., 0] + words[..., 1] + words[..., 2] + words[..., 3]
    return (total - 2) * np.float32(3**0.5)


def uniform(keys: Keys, indices: npt.NDArray[Any]) -> Floats:
    """Numbers in [0, 1), by broadcasting; see `normal`, of which they are not independent."""
    return (_bits(keys, indices) >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)


def _bits(keys: Keys, indices: npt.NDArray[Any]) -> Keys:
    steps = (np.atleast_1d(indices).astype(np.uint64) + np.uint64(1)) * _GOLDEN
    return np.ascontiguousarray(mixed(keys + steps))
