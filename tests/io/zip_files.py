"""Zips of GNT files, and the number of records in a file."""

import zipfile
from pathlib import Path

import numpy as np

from hwgen.sources.casia_files import RawFile
from hwgen.sources.gnt import encode_record, read_gnt

SOUND = b"".join(encode_record("啊", np.full((5, 4), n, np.uint8)) for n in range(3))
Members = dict[str | zipfile.ZipInfo, bytes]


def make_zip(path: Path, members: Members, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def read(file: RawFile) -> int:
    with file.open() as stream:
        return len(list(read_gnt(stream, source=file.name, writer=file.writer)))
