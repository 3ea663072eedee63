"""In: records. Out: PNG files, one folder a class, as torchvision's ImageFolder reads them."""

from __future__ import annotations

import os
from pathlib import Path

from hwgen.exports.file_names import class_folder, image_name
from hwgen.exports.provenance import write_provenance
from hwgen.exports.records import RecordInfo, Subset
from hwgen.io.json_files import write_json

CLASS_MAP = "classes.json"


class FolderExporter:
    """Writes U+554A/000000012.png, classes.json and provenance.csv.

    classes.json maps every class folder to its label, in class order. A class without a record has
    no folder, since ImageFolder refuses an empty one; ImageFolder numbers the folders that are
    there, in alphabetical order, so its class ids need not be hwgen's.
    """

    def __init__(self, part: Subset, folder: Path) -> None:
        self._part, self._folder = part, folder

    def write(self, start: int, shard: int) -> int:
        """See Exporter."""
        for label in self._part.labels if shard == 0 else ():
            (self._folder / class_folder(label)).mkdir(exist_ok=True)
        for row, png in self._part.shard(start):
            (self._folder / _place(row)).write_bytes(png)
            start += 1
        # Once for all files of the shard, each of which would wait for the disk by itself.
        os.sync()
        return start

    def finish(self) -> None:
        """See Exporter."""
        classes = {class_folder(label): label for label in self._part.charset}
        write_json(self._folder / CLASS_MAP, {"classes": classes})
        write_provenance(self._part, self._folder, _place)


def _place(row: RecordInfo) -> str:
    return f"{class_folder(row.label)}/{image_name(row.record)}.png"
