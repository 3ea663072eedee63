"""In: a part. Out: provenance.csv, where each record of a folder of pictures came from."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from hwgen.exports.records import RecordInfo, Subset
from hwgen.io.files import atomic_write

FILE = "provenance.csv"
FIELDS = ("file", "label", "class_id", "writer", "source", "position", "record")


def write_provenance(part: Subset, folder: Path, place: Callable[[RecordInfo], str]) -> None:
    """Write `folder`/provenance.csv, UTF-8 with a header, a line a picture.

    Args:
        part: the records.
        folder: where.
        place: the picture's path within the folder.
    """
    with (
        atomic_write(folder / FILE) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
    ):
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(FIELDS)
        for row in part.rows():
            lines.writerow([place(row), *(getattr(row, name) for name in FIELDS[1:])])
