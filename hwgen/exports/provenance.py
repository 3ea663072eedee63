"""provenance.csv: the origin of each image of an exported folder."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from hwgen.exports.records import LabelledImages, RecordInfo
from hwgen.io.files import atomic_write

FILE = "provenance.csv"
FIELDS = ("file", "label", "class_id", "writer", "source", "position", "record")


def write_provenance(
    subset: LabelledImages, folder: Path, path_of: Callable[[RecordInfo], str]
) -> None:
    """Write `folder`/provenance.csv: UTF-8, a header, then one line per image.

    Args:
        subset: the records.
        folder: output directory.
        path_of: the path of a record's image, relative to the folder.
    """
    with (
        atomic_write(folder / FILE) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
    ):
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(FIELDS)
        for info in subset.infos():
            lines.writerow([path_of(info), *(getattr(info, name) for name in FIELDS[1:])])
