"""The stroke data that come with hwgen, from hanzi-writer-data; the same input gives the same file.

    npm pack hanzi-writer-data@2.0.1
    python -m benchmarks.pack_strokes hanzi-writer-data-2.0.1.tgz hwgen/sources/strokes/hanzi

The bytes are the same with the same zlib, what they decode to always. The file is checked: each
character that is read back must be equal.
"""

from __future__ import annotations

import argparse
import hashlib
import tarfile
from pathlib import Path

import numpy as np

from hwgen.sources.strokes.hanzi.packed import pack, unpack
from hwgen.sources.strokes.hanzi_writer import HanziWriter

LICENCE = "ARPHICPL.TXT"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tar", type=Path, help="hanzi-writer-data-2.0.1.tgz")
    parser.add_argument("folder", type=Path, help="with NOTICE.txt")
    options = parser.parse_args(argv)
    source = HanziWriter(options.tar)
    medians = dict(source.medians(source.characters()))
    data = pack(medians, (options.folder / "NOTICE.txt").read_text("utf-8"))
    found = unpack(data)
    assert found.numbers.keys() == medians.keys()
    assert all(
        np.array_equal(one, other)
        for character, lines in medians.items()
        for one, other in zip(lines, found.of(character), strict=True)
    )
    (options.folder / "medians.bin").write_bytes(data)
    with tarfile.open(options.tar) as archive:
        licence = archive.extractfile(f"package/{LICENCE}")
        assert licence is not None  # since it is a file
        (options.folder / LICENCE).write_bytes(licence.read())
    print(f"{len(medians):,} characters, {len(data):,} bytes, {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
