"""In: what a preparation read, kept and lost. Out: its report, for people and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from hwgen.record import BadRecord

REPORT_FILE = "prepare-report.json"
"""Name of the report within the store."""

Progress = Callable[[int, int, int], None]
"""Called with (bytes read, records read, bytes in all)."""


@dataclass(frozen=True)
class FileReport:
    """What one file gave.

    Attributes:
        name: see RawFile.
        writer: its writer id, "" where not known.
        size: bytes.
        records: sound records, those left out included.
        bad: stretches that gave no record.
    """

    name: str
    writer: str
    size: int
    records: int
    bad: int


@dataclass(frozen=True)
class PrepareReport:
    """What was read, kept and lost.

    Attributes:
        store: path of the store, as given.
        records: records kept.
        classes: classes of the store.
        per_class: {"min", "median", "max"} of the records a class.
        empty_classes: characters of the charset without a record.
        writers: known writers among the kept records.
        left_out: records outside the charset, by character.
        over_limit: sound records of the charset left out since their class had `limit` already.
        bad_records: every stretch of a file that gave no record.
        files: what each file gave.
        bytes_read: bytes of all files, unpacked.
        framing: see Framing.to_json.
        charset_fingerprint: see Charset.fingerprint.
        seconds: time taken.
        hidden: files passed over, see `hidden_files`.
        synthetic: whether a generator made some of it, as an export among the inputs says.
        simulated: whether simulated writers wrote some of it, as their folder says.
    """

    store: str
    records: int
    classes: int
    per_class: dict[str, float]
    empty_classes: list[str]
    writers: int
    left_out: dict[str, int]
    over_limit: int
    bad_records: list[BadRecord]
    files: list[FileReport]
    bytes_read: int
    framing: dict[str, Any]
    charset_fingerprint: str
    seconds: float
    hidden: int = 0
    synthetic: bool = False
    simulated: bool = False

    @property
    def bytes_lost(self) -> int:
        """Bytes of all bad stretches."""
        return sum(bad.length for bad in self.bad_records)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as it lies in the store."""
        return {**asdict(self), "bytes_lost": self.bytes_lost}


def joined(labels: Iterable[str]) -> str:
    """Labels as people list them: characters side by side, names apart."""
    labels = list(labels)
    return ("" if all(len(label) == 1 for label in labels) else ", ").join(labels)
