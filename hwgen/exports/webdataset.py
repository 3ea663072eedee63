"""In: records. Out: tar files, the shards of a WebDataset."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import asdict
from pathlib import Path

from hwgen.exports.file_names import image_name
from hwgen.exports.records import Subset
from hwgen.io.files import atomic_write


class WebDatasetExporter:
    """Writes data-000000.tar, or train-000000.tar of a part called train, and so on.

    A record is 000000012.png, .cls (its class id in digits), .txt (its label) and .json (what is
    known of it). Headers tell no time and no user: the same records give the same bytes.
    """

    def __init__(self, part: Subset, folder: Path) -> None:
        self._part, self._folder = part, folder

    def write(self, start: int, shard: int) -> int:
        """See Exporter."""
        path = self._folder / f"{self._part.name or 'data'}-{shard:06d}.tar"
        with (
            atomic_write(path) as temporary,
            tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for row, png in self._part.shard(start):
                name = image_name(row.record)
                _add(tar, f"{name}.png", png)
                _add(tar, f"{name}.cls", b"%d" % row.class_id)
                _add(tar, f"{name}.txt", row.label.encode())
                _add(tar, f"{name}.json", json.dumps(asdict(row), ensure_ascii=False).encode())
                start += 1
        return start

    def finish(self) -> None:
        """See Exporter; nothing is left to write."""


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size, header.mode = len(content), 0o644
    tar.addfile(header, io.BytesIO(content))
