"""Export of PNG files in one folder per class, as torchvision's ImageFolder reads them."""

from __future__ import annotations

import os
from pathlib import Path

from hwgen.exports.file_names import image_name
from hwgen.exports.provenance import write_provenance
from hwgen.exports.records import Exporter, RecordInfo, Subset
from hwgen.io.class_folders import CLASS_MAP, class_folder
from hwgen.io.json_files import write_json


class FolderExporter(Exporter):
    """Writes U+554A/000000012.png, classes.json and provenance.csv.

    classes.json maps every class folder to its label, in class order. A class without records has
    no folder, since ImageFolder refuses an empty one. ImageFolder numbers the folders in
    alphabetical order, so its class ids may differ from hwgen's.
    """

    files = "CLASS/NUMBER.png"
    readers = "torchvision's ImageFolder"
    own = r"classes\.json|provenance\.csv|[^/]+/[0-9]+\.png"

    def __init__(self, subset: Subset, folder: Path) -> None:
        super().__init__(subset, folder)
        self._labels = subset.labels

    def write(self, start: int, shard: int) -> int:
        """See Exporter."""
        if shard == 0:
            for label in self._labels:
                (self._folder / class_folder(label)).mkdir(exist_ok=True)
        for info, png in self._subset.shard(start):
            (self._folder / _path(info)).write_bytes(png)
            start += 1
        # Once per shard: syncing each file would wait for the disk each time.
        os.sync()
        return start

    def finish(self) -> None:
        """See Exporter."""
        classes = {class_folder(label): label for label in self._subset.charset}
        write_json(self._folder / CLASS_MAP, {"classes": classes})
        write_provenance(self._subset, self._folder, _path)


def _path(info: RecordInfo) -> str:
    return f"{class_folder(info.label)}/{image_name(info.record)}.png"
