"""Checks of the stores that a recogniser is trained or tested on, and their description."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError
from hwgen.record import check_channels
from hwgen.results.parts import StoreFacts
from hwgen.store import Store


def check_alike(
    stores: Iterable[Store], *, charset: Charset, channels: int, size: int, owner: str
) -> None:
    """Refuse stores with other classes, other channels or too small images.

    Args:
        stores: the error names the first that does not fit.
        charset: expected classes, in their order.
        channels: expected number of channels.
        size: minimum size, in pixels.
        owner: of the charset, for the message: a path, or "the recogniser".

    Raises:
        CharsetError: the classes or their order differ.
        InputError: a store is empty, or its images are too small or have other channels.
    """
    for store in stores:
        where = str(store.path)
        if store.charset.fingerprint != charset.fingerprint:
            raise CharsetError(
                f"its {len(store.charset)} classes are not the {len(charset)} of {owner} in the "
                "same order",
                where=where,
                remedy="Prepare all stores with the same --charset",
            )
        if not len(store):
            raise InputError("the store is empty", where=where, remedy="Give one with records")
        check_channels(store.channels, channels, where)
        if store.size < size:
            raise InputError(
                f"expected images of at least {size} pixels, found {store.size}",
                where=where,
                remedy="Prepare all stores with the same options, or use a smaller --size",
            )


def check_real(store: Store, *, what: str, remedy: str) -> None:
    """Refuse a store with synthetic samples.

    Args:
        store: which must be real.
        what: subject of the message.
        remedy: of the message.

    Raises:
        InputError: it holds synthetic samples.
    """
    if store.is_synthetic:
        raise InputError(f"{what} holds synthetic samples", where=str(store.path), remedy=remedy)


def training_hashes(provenance: Mapping[str, Any]) -> set[str]:
    """Content hashes of the stores that a recogniser was trained on, pretraining included.

    Args:
        provenance: of the recogniser; untrusted.

    Returns:
        Empty if not known.
    """
    found: set[str] = set()
    given: object = provenance
    while isinstance(given, Mapping) and isinstance(config := given.get("decides"), Mapping):
        data = config.get("data")
        found |= {str(value) for value in data.values()} if isinstance(data, Mapping) else set()
        given = config.get("start")
    return found


def check_unseen(store: Store, provenance: Mapping[str, Any], *, by: str) -> None:
    """Refuse a store that a recogniser was trained on, or pretrained on.

    Args:
        store: which must be new to it.
        provenance: of the recogniser.
        by: subject of the message.

    Raises:
        InputError: the recogniser was trained on it.
    """
    if store.manifest.content_sha256 in training_hashes(provenance):
        raise InputError(
            f"{by} was trained on this store",
            where=str(store.path),
            remedy="Give one that was trained on other data",
        )


def describe_store(store: Store) -> StoreFacts:
    """What a result file says of a store."""
    return StoreFacts(
        path=str(store.path),
        count=len(store),
        charset_fingerprint=store.charset.fingerprint,
        content_sha256=store.manifest.content_sha256,
        data_kind=store.data_kind,
    )
