"""In: grey records. Out: GNT files, one a writer, which every loader of HWDB reads."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.exports.file_names import file_stem
from hwgen.exports.records import Subset
from hwgen.record import PAPER
from hwgen.sources.gnt import HEADER_BYTES, encode_record

SYNTHETIC, UNKNOWN = "synthetic", "unknown-writer"
"""Names of the file of the records whose writer is not known, generated or not."""


class GntExporter:
    """Writes WRITER.gnt for every writer, or one synthetic.gnt.

    What is kept of each record: the label (the same two tag bytes), the picture as it is in the
    store, and the order within each writer. What a store does not know cannot be written: the width
    and height that a scan had before it was framed. So GNT -> store -> GNT gives the very same
    bytes where framing changed nothing, that is where every record was as large as the store's
    square (`prepare-gnt --size SIDE --margin 0`), no record was left out and each file was one
    writer's; of other stores it gives the framed, square pictures.

    Raises:
        InputError: the store is in colour, or a label has no two-byte GB code.
    """

    def __init__(self, part: Subset, folder: Path) -> None:
        store = part.store
        if store.channels != 1:
            raise InputError(
                "GNT holds grey pictures only",
                where=str(store.path),
                remedy="Export this colour store in another format",
            )
        for label in part.labels:
            encode_record(label, np.full((1, 1), PAPER, np.uint8))
        nameless = SYNTHETIC if store.is_synthetic else UNKNOWN
        stems = [file_stem(name) or nameless for name in store.manifest.tables["writers"]]
        # Two writers may come to share a file: of equal stems, the first counts.
        first = np.array([stems.index(stem) for stem in stems], np.int64)
        files = first[part.columns["writer"]]
        order = np.argsort(files, kind="stable")
        self._part, self._files = part.in_order(order), files[order]
        self._paths = [folder / f"{stem}.gnt" for stem in stems]
        self._record_bytes = HEADER_BYTES + store.size**2

    def write(self, start: int, shard: int) -> int:
        """See Exporter; a shard is a stretch of one file."""
        number = self._files[start]
        first, last = (
            int(np.searchsorted(self._files, number, side)) for side in ("left", "right")
        )
        shards = self._part.shards
        records = max(1, min(shards.records, shards.bytes // self._record_bytes))
        stop = min(last, start + records)
        path = self._paths[number]
        with open(path, "r+b" if start > first else "wb") as file:
            file.seek((start - first) * self._record_bytes)
            file.truncate()
            for row, image in self._part.pictures(start, stop):
                file.write(encode_record(row.label, image))
            file.flush()
            os.fsync(file.fileno())
        return stop

    def finish(self) -> None:
        """See Exporter; nothing is left to write."""
