"""Records that two stores share, whatever their size and framing.

A record is known by its place: the name of its source file, its position there, and its label.
Places of different data may agree by chance, such as image 3 of two folders 永. So places that
agree count only where most images look alike, by the gradients of their ink, cropped and scaled to
9 x 8 pixels.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage

from hwgen.store.reader import Store

Hashes = npt.NDArray[np.uint64]

SAMPLE = 256
"""Most records in a `sample`."""

_COMPARED = 64  # most pairs of images that are compared
_MAX_DIFFERENT = 8  # bits of 64: 0 to 3 at another size or framing; 18 for another writer
_INK, _STEP = 192, 16  # grey levels


def shared_records(a: Store, b: Store) -> int:
    """Number of records of `a` that are records of `b` too; 0 if it is not known."""
    if a.manifest.content_sha256 == b.manifest.content_sha256:
        return len(a)
    _, in_a, in_b = np.intersect1d(_places(a), _places(b), return_indices=True)
    some = np.arange(min(len(in_a), _COMPARED)) * len(in_a) // max(1, min(len(in_a), _COMPARED))
    alike = _alike(_looks(a, in_a[some]), _looks(b, in_b[some]))
    return len(in_a) if 2 * alike.sum() > len(some) else 0


def sample(store: Store, records: npt.NDArray[np.int64] | None = None) -> list[str]:
    """Places and looks of at most SAMPLE records, by which `seen_records` recognises the store.

    Args:
        store: any store.
        records: numbers of those to choose from, int64 [n]; None for all.
    """
    places = _places(store)
    among = np.arange(len(places)) if records is None else records
    # At random, but the same ones always.
    chosen = among[np.argsort(places[among], kind="stable")[:SAMPLE]]
    looks = _looks(store, chosen)
    pairs = zip(places[chosen].tolist(), looks.tolist(), strict=True)
    return [f"{place:016x}{look:016x}" for place, look in pairs]


def seen_records(store: Store, samples: Sequence[Any]) -> int:
    """Number of records of a `sample` that are records of `store` too.

    Args:
        store: any store.
        samples: from `sample`; untrusted, and what is malformed is ignored.
    """
    texts = [text for text in samples if isinstance(text, str)]
    known = [text for text in texts if re.fullmatch("[0-9a-f]{32}", text)][: 64 * SAMPLE]
    places = np.array([int(text[:16], 16) for text in known], np.uint64)
    looks = np.array([int(text[16:], 16) for text in known], np.uint64)
    _, in_store, in_sample = np.intersect1d(_places(store), places, return_indices=True)
    alike = int(_alike(_looks(store, in_store), looks[in_sample]).sum())
    return alike if 2 * alike > len(in_store) else 0


def _places(store: Store) -> Hashes:
    """A hash of each record's source file, label and position."""
    tables, columns = store.manifest.tables, store.columns
    sources = _hashed([re.split(r"[/\\!]", source)[-1] for source in tables["sources"]])
    labels = _hashed(tables["labels"])
    with np.errstate(over="ignore"):
        mixed = sources[columns["source"]] + _mixed(labels[columns["label"]])
        return _mixed(mixed + _mixed(columns["position"].astype(np.uint64)))


def _hashed(texts: Sequence[str]) -> Hashes:
    digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
    return np.array([int.from_bytes(digest[:8], "big") for digest in digests] or [0], np.uint64)


def _mixed(bits: Hashes) -> Hashes:
    """SplitMix64's mixing function."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _looks(store: Store, records: npt.NDArray[np.intp]) -> Hashes:
    """64 bits per image: where grey rises from left to right, in its ink's box at 9 x 8."""
    bits = np.zeros((len(records), 64), np.uint8)
    for row, image in enumerate(store.images(records)):
        grey = image if image.ndim == 2 else image.mean(axis=2).astype(np.uint8)
        down, across = (np.flatnonzero((grey < _INK).any(axis=axis)) for axis in (1, 0))
        if len(down):
            grey = grey[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
        small = PilImage.fromarray(grey).resize((9, 8), PilImage.Resampling.BILINEAR)
        bits[row] = (np.diff(np.asarray(small, np.int16), axis=1) > _STEP).reshape(-1)
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)


def _alike(a: Hashes, b: Hashes) -> npt.NDArray[np.bool_]:
    different = np.unpackbits((a ^ b).view(np.uint8).reshape(-1, 8), axis=1).sum(axis=1)
    return (different <= _MAX_DIFFERENT) & (a != 0)  # a blank image is like any other
