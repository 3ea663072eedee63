"""The report of a preparation: what was read, stored and lost."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from hwgen.record import BadRecord
from hwgen.sources.images.layout import Columns
from hwgen.sources.unread import UnreadKind

REPORT_FILE = "prepare-report.json"
"""Name of the report within the store."""


_SELECTORS = {chr(code) for code in range(0xFE00, 0xFE10)}


@dataclass(frozen=True)
class FileReport:
    """How much of one file was read and lost.

    Attributes:
        name: see RawFile.
        writer: its writer id, "" if unknown.
        size: bytes.
        records: sound records, including those left out of the store.
        bad: damaged stretches.
    """

    name: str
    writer: str
    size: int
    records: int
    bad: int


@dataclass(frozen=True)
class PrepareReport:
    """What was read, stored and lost.

    Attributes:
        store: path of the store, as given.
        records: records stored.
        classes: classes of the store.
        per_class: {"min", "median", "max"} of the number of records per class.
        empty_classes: classes of the charset without a record.
        writers: known writers of the stored records.
        left_out: records outside the charset, by label.
        over_limit: sound records left out because their class had `limit` records already.
        bad_records: every stretch of a file that gave no record.
        files: what each file gave.
        bytes_read: bytes of all files, unpacked.
        framing: see Framing.to_json.
        channels: of the images, 1 grey, 3 colour.
        charset_fingerprint: see Charset.fingerprint.
        seconds: time taken.
        hidden: hidden files that were skipped, see Unread.
        not_read: files of the input that were not read, by kind, see UnreadKind.
        folders_not_read: folders of possible data, none of which was read; also files of which
            nothing was, because all is damaged.
        dark: fraction of the stored images that are mostly dark, by those looked at.
        transposed: whether rows and columns of the images were exchanged, as in EMNIST's files.
        synthetic: whether the `.export.json` of an input says that a generator made some of it.
        simulated: whether some of it is simulated handwriting.
        alike: groups of labels that look alike, see `look_alike`.
        encodings: how names and labels were decoded, by input, where it is not as UTF-8.
        guessed: the inputs among them of which other encodings fit the names too.
        encoding_given: whether the encoding was an option.
        columns: the columns that were read of tables, and the others, by input.
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
    channels: int = 1
    hidden: int = 0
    not_read: list[UnreadKind] = field(default_factory=list)
    folders_not_read: list[str] = field(default_factory=list)
    dark: float = 0.0
    transposed: bool = False
    synthetic: bool = False
    simulated: bool = False
    alike: list[list[str]] = field(default_factory=list)
    encodings: dict[str, str] = field(default_factory=dict)
    guessed: list[str] = field(default_factory=list)
    encoding_given: bool = False
    columns: dict[str, Columns] = field(default_factory=dict)

    @property
    def bytes_lost(self) -> int:
        """Total length of the damaged stretches, bytes."""
        return sum(bad.length for bad in self.bad_records)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as written to REPORT_FILE."""
        return {**asdict(self), "bytes_lost": self.bytes_lost}


def look_alike(labels: Iterable[str]) -> list[list[str]]:
    """Groups of labels that differ only in what is not seen.

    These are Unicode's normal form, as in macOS's names, spaces around the label, invisible
    characters and variation selectors.
    """
    groups: dict[str, list[str]] = {}
    for label in labels:
        seen = "".join(char for char in label if not _is_invisible(char)).strip()
        groups.setdefault(unicodedata.normalize("NFC", seen), []).append(label)
    return [group for group in groups.values() if len(group) > 1]


def _is_invisible(char: str) -> bool:
    return char > "~" and (
        unicodedata.category(char) == "Cf"
        or char in _SELECTORS
        or "\U000e0100" <= char <= "\U000e01ef"
    )


def join_labels(labels: Iterable[str]) -> str:
    """Labels as text: characters without separator, names with commas."""
    labels = list(labels)
    return ("" if all(len(label) == 1 for label in labels) else ", ").join(labels)
