"""Which stores a run has learnt from, also by way of the runs that it started from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hwgen.charset import MAX_CLASSES, Charset
from hwgen.errors import InputError, RunError

if TYPE_CHECKING:
    from hwgen.runs.models import Model
    from hwgen.runs.run_directory import Run

ALSO = "also"
"""Key of a run's data: further stores that it is trained on, each a domain, in a list."""

INIT_FROM = "init_from"
"""Key of a run's data: the run whose weights it started from."""

DOMAINS = "domains"
"""Key of a run's origin: name, labels and origin of each store, if there are several."""

_MAX_RUNS = 100


def stores_seen(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Content hashes of the stores that the weights of a run have seen.

    Args:
        data: of a Run or a Model; untrusted.

    Returns:
        Its own stores first, then those of the run that it started from, and so on; () if not
        known.
    """
    seen: dict[str, None] = {}
    given: object = data
    for _ in range(_MAX_RUNS):
        if not isinstance(given, Mapping):
            break
        for store in (given, *stores_beside(given)):
            if isinstance(own := store.get("content_sha256"), str) and own:
                seen[own] = None
        ancestor = given.get(INIT_FROM)
        given = ancestor.get("data") if isinstance(ancestor, Mapping) else None
    return tuple(seen)


def stores_beside(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What untrusted data of a run say of each further store; [] for a run of one store."""
    found = data.get(ALSO)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def class_count(trained: Run | Model) -> int:
    """Number of classes of all stores of a run together."""
    more = [one.get("classes") for one in stores_beside(trained.data)]
    counts = [one for one in more if isinstance(one, int) and 0 < one <= MAX_CLASSES]
    return len(trained.charset) + sum(counts)


def domain_names(trained: Run | Model) -> list[str]:
    """Names of the stores of a run, or "1", "2" and so on where it does not have them."""
    count = 1 + len(stores_beside(trained.data))
    names = [str(one.get("name", number)) for number, one in enumerate(_domains(trained), 1)]
    return names if len(set(names)) == count else [str(number + 1) for number in range(count)]


def charsets(trained: Run | Model) -> list[Charset]:
    """The classes of each store of a run.

    Raises:
        RunError: they are not recorded, or not those of its data.
    """
    stores = stores_beside(trained.data)
    try:
        more = [Charset(tuple(one["labels"])) for one in _domains(trained)[1:]]
        sound = [one.fingerprint for one in more] == [one.get("charset") for one in stores]
    except (KeyError, TypeError, InputError):
        sound = False
    if stores and not sound:
        raise RunError(f"run {trained.id} does not record the classes of all its stores")
    return [trained.charset, *(more if stores else ())]


def _domains(trained: Run | Model) -> list[Mapping[str, Any]]:
    found = trained.origin.get(DOMAINS)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
