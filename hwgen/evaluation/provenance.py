"""Which real store a synthetic one may hold copies of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from hwgen.errors import InputError
from hwgen.store import Store


class TrainedGenerator(Protocol):
    """A run, or a model that was exported from it."""

    @property
    def id(self) -> str:
        """Of the run."""

    @property
    def data(self) -> Mapping[str, Any]:
        """What it learnt from."""


def generator_data(synthetic: Store, run: TrainedGenerator | None) -> str | None:
    """Content hash of the store that a synthetic store may hold copies of.

    That is what a GAN was trained on, and what a deformation model bent.

    Args:
        synthetic: its origin names the run it was drawn from, and the data, unless it is older.
        run: that run or model, for a store that does not name the data; None where none is at
            hand.

    Returns:
        None where it is not known.

    Raises:
        InputError: the store was not drawn from this run.
    """
    origin = synthetic.manifest.origin
    if run is not None and run.id not in str(origin.get("provenance", "")).split():
        raise InputError(
            f"was drawn from {origin.get('provenance', 'a run that it does not name')!r}, not "
            f"from run {run.id}",
            where=str(synthetic.path),
            remedy="Give the run that it was drawn from, or none",
        )
    found = origin.get("data") or (run and run.data.get("content_sha256"))
    return str(found) if found else None
