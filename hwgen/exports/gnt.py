"""Export of GNT files, one per writer, as loaders of CASIA HWDB read them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.exports.file_names import file_stems
from hwgen.exports.records import Exporter, Subset
from hwgen.record import PAPER
from hwgen.sources.gnt import HEADER_BYTES, encode_record

SYNTHETIC, UNKNOWN = "synthetic", "unknown-writer"
"""File names, without suffix, for records of unknown writers, in a synthetic and another store."""


def check_gnt(labels: Iterable[str], channels: int, where: str) -> None:
    """Refuse what a GNT file cannot hold.

    Args:
        labels: of the records.
        channels: of the images.
        where: the images, for errors.

    Raises:
        InputError: they are in colour, or a label has no two-byte GB code.
    """
    if channels != 1:
        raise InputError(
            "GNT files hold grey images only, but these are in colour",
            where=where,
            remedy="Export them in another format",
        )
    for label in labels:
        encode_record(label, np.full((1, 1), PAPER, np.uint8))


class GntExporter(Exporter):
    """Writes WRITER.gnt for every writer, or a single synthetic.gnt.

    Preserved are the label (the same two tag bytes), the image as it is in the store, and the order
    of each writer's records. Not preserved are the width and height of a scan before framing, which
    a store does not have. So GNT -> store -> GNT gives the same bytes only if framing changed
    nothing: every record had the size of the store (`prepare-gnt --size SIZE --margin 0`), no
    record was left out, and each file was of one writer.

    Raises:
        InputError: the store is in colour, or a label has no two-byte GB code.
    """

    files = "WRITER.gnt"
    readers = "loaders of CASIA HWDB, hwgen prepare-gnt"
    own = r"[^/]+\.gnt"

    def __init__(self, subset: Subset, folder: Path) -> None:
        store = subset.store
        check_gnt(subset.labels, store.channels, str(store.path))
        nameless = SYNTHETIC if store.is_synthetic else UNKNOWN
        stems = file_stems(store.manifest.tables["writers"], nameless)
        # Writers with equal file names share the file of the first.
        first = np.array([stems.index(stem) for stem in stems], np.int64)
        files = first[subset.columns["writer"]]
        order = np.argsort(files, kind="stable")
        super().__init__(subset.in_order(order), folder)
        self._files = files[order]
        self._paths = [folder / f"{stem}.gnt" for stem in stems]
        self._record_bytes = HEADER_BYTES + store.size**2

    def write(self, start: int, shard: int) -> int:
        """See Exporter; a shard is a range of one file."""
        number = self._files[start]
        first, last = (
            int(np.searchsorted(self._files, number, side)) for side in ("left", "right")
        )
        shards = self._subset.shards
        records = max(1, min(shards.records, shards.bytes // self._record_bytes))
        stop = min(last, start + records)
        path = self._paths[number]
        with open(path, "r+b" if start > first else "wb") as file:
            file.seek((start - first) * self._record_bytes)
            file.truncate()
            for info, image in self._subset.images(start, stop):
                file.write(encode_record(info.label, image))
            file.flush()
            os.fsync(file.fileno())
        return stop
