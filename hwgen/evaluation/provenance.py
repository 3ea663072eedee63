"""Which training data a synthetic store may hold copies of."""

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
        """Facts about the training store."""


def training_data(synthetic: Store, run: TrainedGenerator | None) -> str | None:
    """Content hash of the store that the samples of a synthetic store may be copies of.

    For a GAN it is its training store, for a deformation model the store that it deformed.

    Args:
        synthetic: its origin names the run that it was sampled from and, unless an older version
            of hwgen wrote it, the data.
        run: that run or model, for a store that does not name the data; may be None.

    Returns:
        None where it is not known.

    Raises:
        InputError: the store was not sampled from `run`.
    """
    origin = synthetic.manifest.origin
    if run is not None and run.id not in str(origin.get("provenance", "")).split():
        raise InputError(
            f"was sampled from {origin.get('provenance', 'an unnamed run')!r}, not from "
            f"run {run.id}",
            where=str(synthetic.path),
            remedy="Give the run that it was sampled from as --run, or leave --run out",
        )
    found = origin.get("data") or (run and run.data.get("content_sha256"))
    return str(found) if found else None
