"""In: stores that a recogniser shall read. Out: an error for the first that it cannot, or facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError
from hwgen.store import Store


def check_alike(
    stores: Iterable[Store], *, charset: Charset, channels: int, size: int, whose: str
) -> None:
    """Refuse stores that differ from what is asked for.

    Args:
        stores: the first one at fault is named.
        charset: its classes, in its order.
        channels: of the pictures.
        size: pixels a side, at least.
        whose: what has this charset, for the message.

    Raises:
        CharsetError: the classes or their order are others.
        InputError: a store is empty, or its pictures are too small or of other channels.
    """
    for store in stores:
        where = str(store.path)
        if store.charset.fingerprint != charset.fingerprint:
            raise CharsetError(
                f"its {len(store.charset)} classes are not the {len(charset)} of {whose} in the "
                "same order",
                where=where,
                remedy="Prepare all stores with the same --charset",
            )
        if not len(store):
            raise InputError("the store is empty", where=where)
        if store.size < size or store.channels != channels:
            raise InputError(
                f"its pictures are {store.size} pixels with {store.channels} channels; at least "
                f"{size} pixels with {channels} channels are needed",
                where=where,
                remedy="Prepare all stores alike, or use a recogniser of a smaller --size",
            )


def check_real(store: Store, *, what: str, remedy: str) -> None:
    """Refuse a store with synthetic samples.

    Args:
        store: that must be real.
        what: the subject of the message.
        remedy: what to do instead.

    Raises:
        InputError: it holds synthetic samples.
    """
    if store.is_synthetic:
        raise InputError(f"{what} holds synthetic samples", where=str(store.path), remedy=remedy)


def learnt_from(provenance: Mapping[str, Any]) -> set[str]:
    """Content hashes of the stores that a recogniser, and what it started from, was trained on.

    Args:
        provenance: the recogniser's, maybe a stranger's.

    Returns:
        Empty where nothing is told.
    """
    found: set[str] = set()
    told: object = provenance
    while isinstance(told, Mapping) and isinstance(decides := told.get("decides"), Mapping):
        data = decides.get("data")
        found |= {str(value) for value in data.values()} if isinstance(data, Mapping) else set()
        told = decides.get("start")
    return found


def check_unseen(store: Store, provenance: Mapping[str, Any], *, by: str) -> None:
    """Refuse a store that a recogniser has learnt from, or one that this one started from.

    Args:
        store: that must be new to it.
        provenance: the recogniser's.
        by: who must not have seen it, for the message.

    Raises:
        InputError: it has learnt from it.
    """
    if store.manifest.content_sha256 in learnt_from(provenance):
        raise InputError(
            f"{by} has learnt from this store",
            where=str(store.path),
            remedy="Give one that has learnt from other data",
        )


def describe_store(store: Store) -> dict[str, Any]:
    """What a result says of a store: path, count, hashes of classes and content, how made."""
    return {
        "path": str(store.path),
        "count": len(store),
        "charset_fingerprint": store.charset.fingerprint,
        "content_sha256": store.manifest.content_sha256,
        "made": store.made_as,
    }
