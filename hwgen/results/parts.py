"""Dataclasses that several result files share: intervals, stores, misread classes."""

from __future__ import annotations

from dataclasses import dataclass, field

from hwgen.schema import key


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % limits.

    Attributes:
        mean: the estimate.
        low: lower limit; None where a single seed gives no interval.
        high: upper limit; None likewise.
    """

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class StoreFacts:
    """A store that was read.

    Attributes:
        path: as the user gave it.
        count: number of samples.
        charset_fingerprint: hash of its classes and their order.
        content_sha256: hash of all records.
        data_kind: "real", "simulated" or "synthetic"; "" in older files.
        provenance: run and snapshot that a synthetic store was sampled from; "" if not known.
    """

    path: str
    count: int
    charset_fingerprint: str = ""
    content_sha256: str
    data_kind: str = field(default="", metadata=key("made", left_out=""))
    provenance: str = field(default="", metadata=key("provenance", left_out=""))


@dataclass(frozen=True)
class WorstClass:
    """A class that is often misread.

    Attributes:
        label: of the class.
        accuracy: fraction that is read as its label.
        count: number of readings, over all seeds.
        read_as: number of times that each wrong label was read.
    """

    label: str
    accuracy: float
    count: int
    read_as: dict[str, int]
