"""Export of PNG files with a label list, as PaddleOCR's SimpleDataSet reads them."""

from __future__ import annotations

import os
from pathlib import Path

from hwgen.errors import InputError
from hwgen.exports.file_names import image_name
from hwgen.exports.provenance import write_provenance
from hwgen.exports.records import Exporter, LabelledImages, RecordInfo
from hwgen.io.files import atomic_write

_FILES_PER_FOLDER = 10_000


class PaddleExporter(Exporter):
    r"""Writes images/00000/000000012.png, label.txt, dict.txt and provenance.csv.

    label.txt has a line `path<TAB>label` per image, with paths relative to the folder (`data_dir`).
    dict.txt has the characters of all classes in class order, one per line
    (`character_dict_path`).

    Raises:
        InputError: a label contains a tab or a line break.
    """

    files = "images/ and label.txt"
    readers = "PaddleOCR"
    own = r"label\.txt|dict\.txt|provenance\.csv|images/[0-9]+/[0-9]+\.png"
    holds_text = True

    def __init__(self, subset: LabelledImages, folder: Path) -> None:
        for label in subset.charset:
            if set("\t\n\r") & set(label):
                raise InputError(
                    f"PaddleOCR's label list cannot hold the label {label!r}: it contains a tab or "
                    "a line break",
                    remedy="Leave its class out with --classes, or export in another format",
                )
        super().__init__(subset, folder)

    def write(self, start: int, shard: int) -> int:
        """See Exporter."""
        for info, png in self._subset.shard(start):
            path = self._folder / _path(info)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png)
            start += 1
        # Once per shard: syncing each file would wait for the disk each time.
        os.sync()
        return start

    def finish(self) -> None:
        """See Exporter."""
        with (
            atomic_write(self._folder / "label.txt") as temporary,
            open(temporary, "w", encoding="utf-8", newline="\n") as file,
        ):
            file.writelines(f"{_path(info)}\t{info.label}\n" for info in self._subset.infos())
        labels = self._subset.charset
        characters = dict.fromkeys(character for label in labels for character in label)
        with atomic_write(self._folder / "dict.txt") as temporary:
            temporary.write_bytes("".join(f"{one}\n" for one in characters).encode())
        write_provenance(self._subset, self._folder, _path)


def _path(info: RecordInfo) -> str:
    return f"images/{info.record // _FILES_PER_FOLDER:05d}/{image_name(info.record)}.png"
