"""Checks of the stores that a recogniser is trained or tested on, and their description."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError
from hwgen.record import check_channels
from hwgen.results.parts import StoreFacts
from hwgen.store import Store
from hwgen.store.overlap import seen_records, shared_records

RECORDS = "records"
"""Key of a recogniser's provenance: a sample of its training records, see hwgen.store.overlap."""


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


def without_records(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """A recogniser's provenance for settings and results: without its sample of records."""
    return {name: value for name, value in provenance.items() if name != RECORDS}


def known_records(provenance: Mapping[str, Any]) -> list[Any]:
    """A sample of the records that a recogniser was trained on; [] if not known."""
    found = provenance.get(RECORDS)
    return list(found) if isinstance(found, list) else []


def hashes_of(store: Store) -> set[str]:
    """Content hashes of a store and, if it is a subset, of the stores that it was taken from."""
    found = {store.manifest.content_sha256}
    origin: object = store.manifest.origin
    while isinstance(origin, Mapping):
        if isinstance(before := origin.get("of"), str):
            found.add(before)
        origin = origin.get("of_origin")
    return found


def check_unseen(store: Store, provenance: Mapping[str, Any], *, by: str) -> None:
    """Refuse a store with records that a recogniser was trained on, or pretrained on.

    Args:
        store: which must be new to it.
        provenance: of the recogniser; it has a sample of the records, unless an earlier version
            trained it. Then only a store that is the same byte by byte, or a subset, is noticed.
        by: subject of the message.

    Raises:
        InputError: the recogniser was trained on some of it.
    """
    remedy = "Give one that was trained on other data"
    if hashes_of(store) & training_hashes(provenance):
        raise InputError(f"{by} was trained on this store", where=str(store.path), remedy=remedy)
    if seen_records(store, known_records(provenance)):
        raise InputError(
            f"{by} was trained on records of this store, at whatever size",
            where=str(store.path),
            remedy=remedy,
        )


def check_separate(store: Store, other: Store, *, of: str) -> None:
    """Refuse a store with records of another one, also at another size.

    Args:
        store: the error is about it.
        other: the other one.
        of: names it: "the test store".

    Raises:
        InputError: they share records.
    """
    if not (shared := shared_records(store, other)):
        return
    raise InputError(
        f"contains exactly the samples of {of}"
        if shared == len(store) == len(other)
        else f"{shared:,} of its {len(store):,} samples are in {of} too",
        where=str(store.path),
        remedy="Give stores of different samples",
    )


def shared_writers(train: Store, test: Store) -> tuple[str, ...] | None:
    """Ids of the writers of both stores; None if none is known, and not every writer is known."""
    shared = tuple(sorted(train.writers & test.writers))
    known = all("" not in store.manifest.writer_counts for store in (train, test))
    return shared if shared or known else None


def describe_store(store: Store) -> StoreFacts:
    """What a result file says of a store."""
    return StoreFacts(
        path=str(store.path),
        count=len(store),
        charset_fingerprint=store.charset.fingerprint,
        content_sha256=store.manifest.content_sha256,
        data_kind=store.data_kind,
    )
