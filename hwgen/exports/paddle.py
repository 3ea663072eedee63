"""In: records. Out: PNG files and a label list, as PaddleOCR's SimpleDataSet reads them."""

from __future__ import annotations

import os
from pathlib import Path

from hwgen.errors import InputError
from hwgen.exports.file_names import image_name
from hwgen.exports.provenance import write_provenance
from hwgen.exports.records import RecordInfo, Subset
from hwgen.io.files import atomic_write

_FILES_A_FOLDER = 10_000


class PaddleExporter:
    r"""Writes images/00000/000000012.png, label.txt, dict.txt and provenance.csv.

    label.txt holds a line `path<TAB>label` a picture, paths within the folder (`data_dir`), and
    dict.txt the characters of all classes in class order, one a line (`character_dict_path`).

    Raises:
        InputError: a label has a tab or a line end.
    """

    def __init__(self, part: Subset, folder: Path) -> None:
        for label in part.charset:
            if set("\t\n\r") & set(label):
                raise InputError(
                    f"a line of PaddleOCR's label list cannot hold the label {label!r}",
                    remedy="Leave its class out, or export in another format",
                )
        self._part, self._folder = part, folder

    def write(self, start: int, shard: int) -> int:
        """See Exporter."""
        for row, png in self._part.shard(start):
            path = self._folder / _place(row)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png)
            start += 1
        # Once for all files of the shard, each of which would wait for the disk by itself.
        os.sync()
        return start

    def finish(self) -> None:
        """See Exporter."""
        with (
            atomic_write(self._folder / "label.txt") as temporary,
            open(temporary, "w", encoding="utf-8", newline="\n") as file,
        ):
            file.writelines(f"{_place(row)}\t{row.label}\n" for row in self._part.rows())
        characters = dict.fromkeys(character for label in self._part.charset for character in label)
        with atomic_write(self._folder / "dict.txt") as temporary:
            temporary.write_bytes("".join(f"{one}\n" for one in characters).encode())
        write_provenance(self._part, self._folder, _place)


def _place(row: RecordInfo) -> str:
    return f"images/{row.record // _FILES_A_FOLDER:05d}/{image_name(row.record)}.png"
