"""Which stores a run has learnt from, also by way of the runs that it started from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INIT_FROM = "init_from"
"""Key of a run's data: the run whose weights it started from."""

_MAX_RUNS = 100


def stores_seen(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Content hashes of the stores that the weights of a run have seen.

    Args:
        data: of a Run or a Model; untrusted.

    Returns:
        Its own store first, then those of the run that it started from, and so on; () if not known.
    """
    seen: dict[str, None] = {}
    given: object = data
    for _ in range(_MAX_RUNS):
        if not isinstance(given, Mapping):
            break
        if isinstance(own := given.get("content_sha256"), str) and own:
            seen[own] = None
        ancestor = given.get(INIT_FROM)
        given = ancestor.get("data") if isinstance(ancestor, Mapping) else None
    return tuple(seen)
