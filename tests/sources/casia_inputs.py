"""Files, zips and records of GNT to find."""

import zipfile
from pathlib import Path

import numpy as np

from hwgen.sources.casia_files import GNT, find_files
from hwgen.sources.gnt import encode_record

SOUND = b"".join(encode_record("啊", np.full((5, 4), n, np.uint8)) for n in range(3))


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def put(path: Path, data: bytes = SOUND) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def names(*inputs: Path) -> list[str]:
    return [file.name for file in find_files(inputs, GNT)]


def other(n: int) -> bytes:
    """A file of records that no other has."""
    return encode_record("啊", np.full((300, 300), n, np.uint8)) * 2
