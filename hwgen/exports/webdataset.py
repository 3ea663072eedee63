"""Export of tar files, the shards of a WebDataset."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import asdict

from hwgen.exports.file_names import image_name
from hwgen.exports.records import Exporter
from hwgen.io.files import atomic_write


class WebDatasetExporter(Exporter):
    """Writes data-000000.tar and so on, or train-000000.tar for a subset named train.

    A record is 000000012.png, .cls (its class id in digits; not of a line of text), .txt (its
    label) and .json (its RecordInfo). Headers contain no time and no user: the same records give
    the same bytes.
    """

    files = "NAME-000000.tar"
    readers = "webdataset"
    own = r"[^/]+-[0-9]{6,}\.tar"
    holds_text = True

    def write(self, start: int, shard: int) -> int:
        """See Exporter."""
        path = self._folder / f"{self._subset.name or 'data'}-{shard:06d}.tar"
        with (
            atomic_write(path) as temporary,
            tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for info, png in self._subset.shard(start):
                name = image_name(info.record)
                _add(tar, f"{name}.png", png)
                if info.class_id is not None:
                    _add(tar, f"{name}.cls", b"%d" % info.class_id)
                _add(tar, f"{name}.txt", info.label.encode())
                _add(tar, f"{name}.json", json.dumps(asdict(info), ensure_ascii=False).encode())
                start += 1
        return start


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size, header.mode = len(content), 0o644
    tar.addfile(header, io.BytesIO(content))
