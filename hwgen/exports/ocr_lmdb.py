"""In: records. Out: an LMDB as PARSeq, PaddleOCR, MMOCR and clovaai's benchmark read it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import lmdb

from hwgen.errors import InputError
from hwgen.exports.records import Subset

_PAGE = 4096


class OcrLmdbExporter:
    """Writes data.mdb with `num-samples`, `image-%09d`, `label-%09d` and `meta-%09d`, from 1 on.

    Images are PNG files, labels UTF-8. meta, JSON of what is known of the record, is hwgen's own:
    readers of the format ask for the other keys only. `num-samples` is written last.
    """

    def __init__(self, part: Subset, folder: Path) -> None:
        self._part, self._folder = part, folder

    def write(self, start: int, shard: int) -> int:
        """See Exporter; a shard is a transaction."""
        images: list[tuple[bytes, bytes]] = []
        labels: list[tuple[bytes, bytes]] = []
        metas: list[tuple[bytes, bytes]] = []
        for row, png in self._part.shard(start):
            start += 1  # keys count from 1
            images.append((b"image-%09d" % start, png))
            labels.append((b"label-%09d" % start, row.label.encode()))
            meta = json.dumps(asdict(row), ensure_ascii=False).encode()
            metas.append((b"meta-%09d" % start, meta))
        self._put([*images, *labels, *metas])
        return start

    def finish(self) -> None:
        """See Exporter."""
        self._put([(b"num-samples", b"%d" % len(self._part))])

    def _put(self, items: list[tuple[bytes, bytes]]) -> None:
        """Put sorted items in one durable transaction."""
        try:
            # Without a lock file, since the export holds one of its own.
            with lmdb.open(
                os.fsencode(self._folder),  # of a text, lmdb makes bytes by the locale
                map_size=1 << 20,
                lock=False,
                meminit=True,  # see hwgen.store.staging
            ) as env:
                # Every value in pages of its own is more than it takes; then the tree's own pages.
                needed = (env.info()["last_pgno"] + 64 + len(items)) * _PAGE
                needed += sum(_PAGE + len(value) for _, value in items)
                env.set_mapsize(max(needed, env.info()["map_size"]))
                with env.begin(write=True) as txn, txn.cursor() as cursor:
                    cursor.putmulti(items)
        except lmdb.Error as error:
            raise InputError(
                f"cannot be written ({error})",
                where=str(self._folder),
                remedy="Is the disk full? The same command goes on",
            ) from None
