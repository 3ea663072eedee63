"""Which training data a synthetic store may hold copies of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from hwgen.errors import InputError
from hwgen.runs.training_data import stores_seen
from hwgen.store import Store


class TrainedGenerator(Protocol):
    """A run, or a model that was exported from it."""

    @property
    def id(self) -> str:
        """Of the run."""

    @property
    def data(self) -> Mapping[str, Any]:
        """Facts about the training store."""


def training_data(synthetic: Store, run: TrainedGenerator | None) -> tuple[str, ...]:
    """Content hashes of the stores that the samples of a synthetic store may be copies of.

    For a GAN they are its training store and those of the runs that it started from, for a
    deformation model the store that it deformed.

    Args:
        synthetic: its origin names the run that it was sampled from and, unless an older version
            of hwgen wrote it, the data.
        run: that run or model, for a store that does not name the data; may be None.

    Returns:
        The last training store first; () where it is not known.

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
    if not (last := origin.get("data")):
        return stores_seen(run.data) if run is not None else ()
    more = origin.get("more_data")
    return (str(last), *map(str, more if isinstance(more, list) else ()))
